// Completion of queries.
import { properties, propertyOf } from "../../../query/properties";
import { conditionText } from "../../../query/query";

/** Values seen in events, by property. */
export type Known = Readonly<Record<string, readonly string[]>>;

export interface Completion {
  /** Replaces the text from `from` up to, but not including, `to`. */
  text: string;
  from: number;
  to: number;
  property: string;
  /** Undefined if only the name of the property is completed. */
  value: string | undefined;
}

const MOST = 12;

/** Returns the completions of the word at the cursor. */
export function completions(text: string, cursor: number, known: Known): Completion[] {
  let from = cursor;
  while (from > 0 && !/\s/.test(text[from - 1] ?? "")) {
    from -= 1;
  }
  let to = cursor;
  while (to < text.length && !/\s/.test(text[to] ?? "")) {
    to += 1;
  }
  const typed = text.slice(from, cursor);
  const match = /^([a-z][a-z0-9_-]*)(!?=!?)(.*)$/i.exec(typed);
  if (!match) {
    const begun = typed.toLowerCase();
    return properties()
      .filter(({ name }) => name.startsWith(begun))
      .map(({ name }) => ({ text: `${name}=`, from, to, property: name, value: undefined }));
  }
  const found = propertyOf(match[1]?.toLowerCase() ?? "");
  if (!found) {
    return [];
  }
  const property = found.name;
  const begun = (match[3] ?? "").replace(/^"/, "").toLowerCase();
  const inverted = match[2]?.includes("!") === true;
  const values = [...new Set([...found.words, ...(known[property] ?? [])])];
  return values
    .filter((value) => value.toLowerCase().startsWith(begun) && value.toLowerCase() !== begun)
    .slice(0, MOST)
    .map((value) => ({ text: conditionText({ property, value, inverted }), from, to, property, value }));
}
