/**
 * The query of events: as typed text, as conditions to click, and as parameters of addresses and of the API.
 *
 *     subject=shop outcome=!passed since=2h text="union select"
 *
 * `name=value`, separated by spaces; values with spaces in quotes; `!` before a value inverts it, as does `name!=value`;
 * `\!` stands for a literal `!`. A word alone is a text. Times are RFC 3339, dates, or periods back from now. Writings of other
 * programs are understood where they mean the same (foreign.ts).
 */
import { foreignTo, type QueryProblem, type Word } from "./foreign";
import { propertyOf, type Property } from "./properties";

export interface Condition {
  property: string;
  value: string;
  inverted: boolean;
}

export interface QueryError {
  /** The range in the typed text; `to` is exclusive. */
  from: number;
  to: number;
  problem: QueryProblem;
  /** The faulty word. */
  word: string;
}

export interface Placed extends Condition {
  from: number;
  to: number;
}

export interface Parsed {
  conditions: Placed[];
  errors: QueryError[];
}

/** Bytes of a text that the API searches for: crates/store/src/limits.rs. */
const TEXT_BYTES = 4096;

/** Parses a typed query. Faulty parts become errors, the others conditions. */
export function parse(text: string): Parsed {
  const parsed: Parsed = { conditions: [], errors: [] };
  let negated = false;
  /** The word `OR` and the condition before it, until the next condition comes. */
  let either: { word: Word; before: Placed | undefined } | undefined;
  for (const found of words(text)) {
    const operator = foreignTo.operator(found.quoted || found.name !== undefined ? undefined : found.value);
    const error = (problem: QueryProblem, word = found, from = word.from): void => {
      parsed.errors.push({ from, to: word.to, problem, word: text.slice(from, word.to) });
    };
    if (operator === "not") negated = !negated;
    else if (operator === "or") either = { word: found, before: parsed.conditions.at(-1) };
    if (operator !== undefined) continue;
    const word = foreignTo.word(found);
    if (word.problem) {
      error(word.problem);
      continue;
    }
    if (word.open) {
      error("openQuote", word, word.valueFrom);
      continue;
    }
    const name = word.name ?? "text";
    const property = propertyOf(name);
    if (!property) {
      error("unknownProperty");
      continue;
    }
    const { value, inverted } = word.quoted
      ? { value: word.value, inverted: word.negated }
      : invertedValue(word.value, word.negated);
    const problem = value === "" ? "noValue" : wrong(property, value);
    if (problem) {
      error(problem, word, word.valueFrom);
      continue;
    }
    const condition = { property: name, value, inverted: inverted !== negated, from: word.from, to: word.to };
    negated = false;
    // several values of one property match any of them; texts and inverted values must all match
    const joined = either?.before?.property === name && property.type !== "search" && !condition.inverted && !either.before.inverted;
    if (either && !joined) error("notOr", either.word);
    either = undefined;
    parsed.conditions.push(condition);
  }
  if (either) parsed.errors.push({ from: either.word.from, to: either.word.to, problem: "notOr", word: text.slice(either.word.from, either.word.to) });
  return parsed;
}

/** Splits at spaces outside quotes. */
function words(text: string): Word[] {
  const found: Word[] = [];
  const pattern = /\s*(?:([A-Za-z][A-Za-z0-9_-]*)(!?)=)?(!?)(?:"((?:[^"\\]|\\.)*)("?)|(-?[A-Za-z]\w*:"(?:[^"\\]|\\.)*"|\S*))/suy;
  while (pattern.lastIndex < text.length) {
    const begin = pattern.lastIndex;
    const match = pattern.exec(text);
    if (!match || match[0].trim() === "") {
      break;
    }
    const [whole, name, not, bang = "", inQuotes, close, bare] = match;
    const from = begin + (whole.length - whole.trimStart().length);
    const prefix = name === undefined ? "" : `${name}${not}=`;
    const quoted = inQuotes !== undefined;
    found.push({
      from,
      to: begin + whole.length,
      name: name?.toLowerCase(),
      negated: (not === "!") !== (quoted && bang === "!"),
      value: quoted ? inQuotes.replace(/\\(["\\])/g, "$1") : bang + (bare ?? ""),
      valueFrom: from + prefix.length,
      quoted,
      open: quoted && close === "",
    });
  }
  return found;
}

function invertedValue(value: string, negated: boolean): { value: string; inverted: boolean } {
  if (value.startsWith("!")) {
    return { value: value.slice(1), inverted: !negated };
  }
  return { value: value.startsWith("\\!") ? value.slice(1) : value, inverted: negated };
}

/** Returns why a value does not fit a property; undefined if it fits. */
export function wrong({ type, words }: Property, value: string): QueryProblem | undefined {
  const one = (problem: QueryProblem): QueryProblem | undefined =>
    words.includes(value.toLowerCase()) ? undefined : problem;
  switch (type) {
    case "time":
      return timeOf(value, 0) === undefined ? "notTime" : undefined;
    case "network":
      return isNetwork(value) ? undefined : "notAddress";
    case "minimum":
      return /^-?[0-9]{1,18}$/.test(value) ? undefined : "notNumber";
    case "number":
      return isNumbers(value) ? undefined : "notNumbers";
    case "outcome":
      return one("notOutcome");
    case "severity":
      return one("notSeverity");
    case "fact":
      return /^[^=]+=/.test(value) ? undefined : "notFact";
    case "search":
      return new TextEncoder().encode(value).length > TEXT_BYTES ? "tooLong" : undefined;
    default:
      return undefined;
  }
}

/** `404`, `4xx`, `200-399` or `500-`. */
function isNumbers(value: string): boolean {
  const [, first = "", last = ""] = /^(-?[0-9]{1,18})-(-?[0-9]{0,18})$/.exec(value) ?? [];
  if (first !== "") return last !== "-" && (last === "" || Number(first) <= Number(last));
  return /^(?:-?[0-9]{1,18}|(?=.{1,18}$)[0-9]+x+)$/.test(value);
}

function isNetwork(value: string): boolean {
  const [address = "", length, more] = value.split("/");
  const v4 = /^(?:(?:25[0-5]|2[0-4][0-9]|1?[0-9]{1,2})(?:\.(?!$)|$)){4}$/.test(address);
  if (!v4 && !isV6(address)) {
    return false;
  }
  return length === undefined || (more === undefined && /^[0-9]{1,3}$/.test(length) && Number(length) <= (v4 ? 32 : 128));
}

function isV6(address: string): boolean {
  const halves = address.split("::");
  const groups = halves.flatMap((half) => (half === "" ? [] : half.split(":")));
  const last = groups[groups.length - 1] ?? "";
  const dotted = /^[0-9]{1,3}(?:\.[0-9]{1,3}){3}$/.test(last);
  const count = groups.length + (dotted ? 1 : 0);
  const hex = (dotted ? groups.slice(0, -1) : groups).every((group) => /^[0-9a-fA-F]{1,4}$/.test(group));
  return hex && address.includes(":") && (halves.length === 2 ? count < 8 : halves.length === 1 && count === 8);
}

const UNITS: Record<string, number> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}";
const TIME = new RegExp(`^${DAY}(?:[Tt][0-9]{2}:[0-9]{2}(:[0-9]{2}(?:\\.[0-9]{1,9})?)?([Zz]|[+-][0-9]{2}:[0-9]{2})?)?$`);

/** Returns the time of a value as RFC 3339: a time, a local date or time, or a period before `now`. */
export function timeOf(value: string, now: number): string | undefined {
  const span = /^([0-9]{1,6})([smhd])$/.exec(value);
  if (span) {
    return new Date(now - Number(span[1]) * (UNITS[span[2] ?? ""] ?? 0)).toISOString();
  }
  const match = TIME.exec(value);
  // the browser reads a date without a time as UTC
  const time = new Date(value.length === 10 ? `${value}T00:00:00` : value);
  if (!match || Number.isNaN(time.getTime())) {
    return undefined;
  }
  const [, seconds, zone] = match;
  // a complete time stays as written: it may be finer than milliseconds
  return seconds && zone ? value : time.toISOString();
}

/** Returns the value with its `!`, as in addresses, the API and the typed query. */
export function valueText({ value, inverted }: Condition): string {
  return inverted ? `!${value}` : value.startsWith("!") || value.startsWith("\\!") ? `\\${value}` : value;
}

/** Returns conditions as typed text. */
export function queryText(conditions: readonly Condition[]): string {
  return conditions.map(conditionText).join(" ");
}

export function conditionText({ property, value, inverted }: Condition): string {
  const quote = /[\s"]/.test(value) || value.startsWith("!") || value.startsWith("\\!");
  const text = quote ? `"${value.replace(/["\\]/g, "\\$&")}"` : value;
  return `${property}=${inverted ? "!" : ""}${text}`;
}

/** Returns the parameters of an address: `/events?subject=shop&outcome=!passed`. */
export function toParams(conditions: readonly Condition[]): URLSearchParams {
  return new URLSearchParams(conditions.map((condition) => [condition.property, valueText(condition)]));
}

export function isTime(name: string): boolean {
  return propertyOf(name)?.type === "time";
}

function withTimes(conditions: readonly Condition[], change: (value: string) => string): Condition[] {
  return conditions.map((condition) => (isTime(condition.property) ? { ...condition, value: change(condition.value) } : condition));
}

/** Returns conditions with complete times as times of the browser, to read and edit. Times finer than milliseconds stay. */
export function inLocalTime(conditions: readonly Condition[]): Condition[] {
  return withTimes(conditions, (value) => {
    const time = new Date(value);
    if (!/T.*(?:Z|[+-]\d\d:\d\d)$/i.test(value) || /\.\d{3}\d*[1-9]/.test(value) || Number.isNaN(time.getTime())) return value;
    const local = new Date(time.getTime() - time.getTimezoneOffset() * 60_000).toISOString().slice(0, -1);
    return local.replace(/\.000$/, "").replace(/:00$/, "");
  });
}

/** Returns conditions with times of the browser as complete times, for addresses that people in other zones open. */
export function inUniversalTime(conditions: readonly Condition[]): Condition[] {
  return withTimes(conditions, (value) => (value.length > 10 ? (timeOf(value, 0) ?? value) : value));
}

/** Returns the parameters of the API: periods and dates become times. */
export function toApi(conditions: readonly Condition[], now: number): URLSearchParams {
  return toParams(
    conditions.map((condition) =>
      isTime(condition.property)
        ? { ...condition, value: timeOf(condition.value, now) ?? condition.value }
        : condition,
    ),
  );
}

/** Parses parameters. Unknown and invalid ones are returned separately. */
export function fromParams(params: URLSearchParams): { conditions: Condition[]; unknown: string[] } {
  const conditions: Condition[] = [];
  const unknown: string[] = [];
  for (const [name, text] of params) {
    const { value, inverted } = invertedValue(text, false);
    const property = propertyOf(name);
    if (property && value !== "" && !wrong(property, value)) {
      conditions.push({ property: name, value, inverted });
    } else {
      unknown.push(`${name}=${text}`);
    }
  }
  return { conditions, unknown };
}

export function same(a: Condition, b: Condition): boolean {
  return a.property === b.property && a.value === b.value;
}

/**
 * Returns the conditions with a further one. An existing equal condition stays in place, its opposite is replaced, and a time
 * replaces the earlier time.
 */
export function withCondition(conditions: readonly Condition[], added: Condition): Condition[] {
  const single = isTime(added.property) && !added.inverted;
  let placed = false;
  const changed = conditions.flatMap((condition) => {
    const replaced = same(condition, added) || (single && condition.property === added.property && !condition.inverted);
    if (!replaced) {
      return [condition];
    }
    if (placed) {
      return [];
    }
    placed = true;
    return [added];
  });
  return placed ? changed : [...changed, added];
}

export function inverted(conditions: readonly Condition[], at: number): Condition[] {
  return conditions.map((condition, index) =>
    index === at ? { ...condition, inverted: !condition.inverted } : condition,
  );
}

export function without(conditions: readonly Condition[], at: number): Condition[] {
  return conditions.filter((_, index) => index !== at);
}
