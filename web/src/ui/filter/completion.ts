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

/** Returns values with those of `more` after them. */
export function joined(values: Known, more: Known): Known {
  const all = { ...more };
  for (const [property, list] of Object.entries(values)) all[property] = [...list, ...(more[property] ?? [])];
  return all;
}

interface AtCursor {
  from: number;
  to: number;
  /** What is typed of the word before the cursor. */
  typed: string;
}

function wordAt(text: string, cursor: number): AtCursor {
  const from = text.slice(0, cursor).search(/\S*$/);
  const end = text.slice(cursor).search(/\s/);
  return { from, to: end < 0 ? text.length : cursor + end, typed: text.slice(from, cursor) };
}

/** The property and the begin of the value at the cursor. */
export interface ValueAt extends AtCursor {
  property: string;
  begun: string;
  inverted: boolean;
}

/** Returns the value at the cursor; undefined if the word names no property. */
export function valueAt(text: string, cursor: number): ValueAt | undefined {
  const word = wordAt(text, cursor);
  const match = /^([a-z][a-z0-9_-]*)(!?[=:]!?)(.*)$/i.exec(word.typed);
  const found = propertyOf(match?.[1]?.toLowerCase() ?? "");
  if (!match || !found) return undefined;
  return { ...word, property: found.name, begun: (match[3] ?? "").replace(/^"/, ""), inverted: match[2]?.includes("!") === true };
}

/** Returns the completions of the word at the cursor. */
export function completions(text: string, cursor: number, known: Known): Completion[] {
  const word = valueAt(text, cursor);
  if (!word) {
    const { from, to, typed } = wordAt(text, cursor);
    if (/[=:]/.test(typed)) return [];
    const begun = typed.toLowerCase();
    return properties()
      .filter(({ name }) => name.startsWith(begun))
      .map(({ name }) => ({ text: `${name}=`, from, to, property: name, value: undefined }));
  }
  const { from, to, property, inverted } = word;
  const begun = word.begun.toLowerCase();
  const values = new Map<string, string | undefined>(propertyOf(property)?.words.map((one) => [one, undefined]));
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
