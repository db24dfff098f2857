// The list of parts, one line each. The menu lists their pages in this order.
import console from "./console";
import events from "./events";
import gate from "./gate";
import notifications from "./notifications";
import type { PageEntry, Part } from "./part";
import tuning from "./tuning";

export const PARTS: readonly Part[] = [events, gate, tuning, notifications, console];

/** A page with the part that it belongs to. */
export interface PartPage extends PageEntry {
  part: Part;
}

export const PAGES: readonly PartPage[] = PARTS.flatMap((part) => (part.pages ?? []).map((page) => ({ ...page, part })));
