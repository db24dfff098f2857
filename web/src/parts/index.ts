// The parts: every folder beside this file. The menu lists their pages by `order`, then by the name of the folder.
import all from "parts:all";
import type { PageEntry, Part } from "./part";

export const PARTS: readonly Part[] = all.toSorted((a, b) => (a.order ?? 0) - (b.order ?? 0));

/** A page with its part. */
export interface PartPage extends PageEntry {
  part: Part;
}

export const PAGES: readonly PartPage[] = PARTS.flatMap((part) => (part.pages ?? []).map((page) => ({ ...page, part })));
