// The titles of event kinds, which the parts of the daemon declare.
import type { PartInfo } from "../../api";
import { get } from "../../api/client";
import { type Bilingual, say } from "../../i18n";

let titles: ReadonlyMap<string, Bilingual> = new Map();

/** Returns a kind's title in the visitor's language; undefined for a kind that no part of the daemon declares. */
export function kindTitle(kind: string): string | undefined {
  const title = titles.get(kind);
  return title && say(title);
}

/** Loads the titles. */
export async function loadKinds(): Promise<void> {
  const parts = await get<PartInfo[]>("/api/parts");
  titles = new Map(parts.flatMap((part) => part.kinds.map(({ name, title }) => [name, title])));
}
