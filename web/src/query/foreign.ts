// Query syntax of other programs: `site:shop`, `status>400`, `-status:403`, `NOT`, `OR`, an address, an event's ID.
import { propertyOf } from "./properties";

/** An error in a typed query; also the name of its text. */
export type QueryProblem =
  | "unknownProperty"
  | "noValue"
  | "openQuote"
  | "notTime"
  | "notAddress"
  | "notNumber"
  | "notNumbers"
  | "notOutcome"
  | "notSeverity"
  | "notFact"
  | "notOr"
  | "notGroup"
  | "notOperator"
  | "tooLong";

/** A word of a typed query. */
export interface Word {
  from: number;
  to: number;
  name: string | undefined;
  negated: boolean;
  value: string;
  valueFrom: number;
  quoted: boolean;
  /** Whether its quote is not closed. */
  open: boolean;
}

/** Names of other programs for properties. */
const NAMES: Readonly<Record<string, string>> = {
  action: "outcome",
  addr: "client",
  address: "client",
  code: "status",
  ip: "client",
  level: "severity",
  remote_addr: "client",
  ruleid: "rule",
  rule_id: "rule",
  site: "subject",
  src: "client",
  srcip: "client",
  uri: "path",
  url: "path",
  username: "user",
  from: "since",
  to: "until",
};

const V4 = /^(?:\d{1,3}\.){3}\d{1,3}(?:\/\d{1,2})?$/;
const V6 = /^(?=.*:.*:)[0-9a-f:]{2,39}(?:\/\d{1,3})?$/i;
/** The ID of an event. */
const EVENT = /^0[0-7][0-9A-HJKMNP-TV-Z]{24}$/i;

/** Returns the property's own name for a name as typed. */
function own(name: string): string {
  return propertyOf(name) ? name : (NAMES[name] ?? name);
}

/** Returns the value that means `operator` and `value` for a property; undefined if none does. */
function compared(type: string, operator: string, value: string): { value: string; negated: boolean } | undefined {
  if (!/^-?\d{1,15}$/.test(value)) return undefined;
  const number = Number(value);
  if (type === "minimum") {
    // the property itself is a lower bound
    const bound = operator === ">" || operator === "<=" ? number + 1 : number;
    return { value: String(bound), negated: operator.startsWith("<") };
  }
  if (type !== "number") return undefined;
  const [first, last] = { ">": [number + 1, ""], ">=": [number, ""], "<": [0, number - 1], "<=": [0, number] }[operator] ?? [];
  if (last !== "" && Number(last) < Number(first)) return undefined;
  return { value: `${first}-${last}`, negated: false };
}

/** Returns a word without name as the property that it means. */
function bare(word: Word): Word & { problem?: QueryProblem } {
  const { value } = word;
  if (/^[()]|[^(]\)$/.test(value) && /^\(|\)$/.test(value) && value.length > 1 && /[=:]/.test(value)) return { ...word, problem: "notGroup" };
  const match = /^([-!]?)([A-Za-z][A-Za-z0-9_]*)(==|!=|>=|<=|[:<>~])(.*)$/su.exec(value);
  const [, minus, typed = "", operator = "", rest = ""] = match ?? /^([-!])([A-Za-z][A-Za-z0-9_]*)(=)(.*)$/su.exec(value) ?? [];
  if (typed === "") {
    const address = V4.test(value) || V6.test(value);
    return address ? { ...word, name: "client" } : word;
  }
  const name = own(typed.toLowerCase());
  const property = propertyOf(name);
  if (!property) {
    // an address of the web, a host with its port, and the like are texts
    const text = operator !== ":" || rest === "" || rest.startsWith("/") || /^\d+$/.test(rest);
    return text ? word : { ...word, problem: "unknownProperty" };
  }
  const valueFrom = word.to - rest.length;
  const negated = (minus !== "") !== word.negated;
  const unquoted = /^"(.*)"$/s.exec(rest)?.[1];
  const named = { ...word, name, value: unquoted ?? rest, quoted: unquoted !== undefined, negated, valueFrom };
  if (/^[<>]/.test(operator)) {
    const found = compared(property.type, operator, rest);
    return found ? { ...named, value: found.value, negated: negated !== found.negated } : { ...word, problem: "notOperator" };
  }
  if (operator === "~") return { ...word, problem: "notOperator" };
  return operator === "!=" ? { ...named, negated: !negated } : named;
}

export const foreignTo = {
  /** Returns which operator of other programs a word is. */
  operator(word: string | undefined): "and" | "or" | "not" | undefined {
    return ({ AND: "and", "&&": "and", OR: "or", "||": "or", NOT: "not" } as const)[word ?? ""];
  },

  /** Returns a word in monban's own writing, or why there is none. */
  word(word: Word): Word & { problem?: QueryProblem } {
    if (word.name !== undefined) {
      const name = own(word.name);
      // `status==403`
      const twice = !word.quoted && word.value.startsWith("=") && name !== "text" ? 1 : 0;
      return { ...word, name, value: word.value.slice(twice), valueFrom: word.valueFrom + twice };
    }
    return word.quoted || word.open ? word : bare(word);
  },

  /** Returns the ID of the event if `text` is one. */
  event(text: string): string | undefined {
    const word = text.trim();
    return EVENT.test(word) ? word.toUpperCase() : undefined;
  },
};
