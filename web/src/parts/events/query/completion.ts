// Completion of queries.
import { OUTCOMES, SEVERITIES } from "../../../api/event";
import { conditionText, PROPERTIES, type Property } from "../../../query/query";

/** Values seen in events, by property. */
export type Known = Partial<Record<Property, readonly string[]>>;

export interface Completion {
  /** Replaces the text from `from` up to, but not including, `to`. */
  text: string;
  from: number;
  to: number;
  property: Property;
  /** Undefined if only the name of the property is completed. */
  value: string | undefined;
}

const WORDS: Known = {
  kind: ["attack-xss", "attack-sqli", "attack-rce", "attack-lfi", "scanner", "protocol", "other"],
  action: OUTCOMES,
  severity: SEVERITIES,
  gate: ["request", "mlogc"],
  since: ["1h", "24h", "7d", "30d"],
  until: ["1h", "24h", "7d"],
  method: ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"],
  status: ["2xx", "3xx", "4xx", "5xx", "200-399", "403", "404", "502"],
};

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
  const match = /^([a-z]+)(!?=!?)(.*)$/i.exec(typed);
  if (!match) {
    const begun = typed.toLowerCase();
    return PROPERTIES.filter((name) => name.startsWith(begun)).map((property) => ({
      text: `${property}=`,
      from,
      to,
      property,
      value: undefined,
    }));
  }
  const property = PROPERTIES.find((name) => name === match[1]?.toLowerCase());
  if (!property) {
    return [];
  }
  const begun = (match[3] ?? "").replace(/^"/, "").toLowerCase();
  const inverted = match[2]?.includes("!") === true;
  const values = [...new Set([...(WORDS[property] ?? []), ...(known[property] ?? [])])];
  return values
    .filter((value) => value.toLowerCase().startsWith(begun) && value.toLowerCase() !== begun)
    .slice(0, MOST)
    .map((value) => ({ text: conditionText({ property, value, inverted }), from, to, property, value }));
}
