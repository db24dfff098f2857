// Completion of queries.
import { properties, propertyOf } from "../../query/properties";
import { conditionText } from "../../query/query";

/** A value to offer, with words by which it is found, such as the message of a rule. */
export interface KnownValue {
  value: string;
  note?: string;
}

/** Values seen in events, by property. */
export type Known = Readonly<Record<string, readonly (string | KnownValue)[]>>;

export interface Completion {
  /** Replaces the text from `from` up to, but not including, `to`. */
  text: string;
  from: number;
  to: number;
  property: string;
  /** Undefined if only the name of the property is completed. */
  value: string | undefined;
  note?: string | undefined;
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
  const match = /^([a-z][a-z0-9_-]*)(!?[=:]!?)(.*)$/i.exec(typed);
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
  const values = new Map<string, string | undefined>(found.words.map((word) => [word, undefined]));
  for (const one of known[property] ?? []) {
    const { value, note } = typeof one === "string" ? { value: one, note: undefined } : one;
    if (!values.get(value)) values.set(value, note);
  }
  const fits = (value: string, note: string | undefined): boolean =>
    value.toLowerCase().startsWith(begun) || (begun.length > 1 && note?.toLowerCase().includes(begun) === true);
  return [...values]
    .filter(([value, note]) => fits(value, note) && value.toLowerCase() !== begun)
    .slice(0, MOST)
    .map(([value, note]) => ({ text: conditionText({ property, value, inverted }), from, to, property, value, note }));
}
