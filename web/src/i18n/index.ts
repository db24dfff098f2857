// Texts in the visitor's language. English names the keys; a missing Japanese one does not compile.
import { signal } from "@preact/signals";
import en from "./en";
import ja from "./ja";
import problemsInJapanese from "./problems.ja";

/** The same keys with other texts. */
export type Texts<T> = { [K in keyof T]: T[K] extends string ? string : Texts<T[K]> };

type Paths<T> = {
  [K in keyof T & string]: T[K] extends string ? K : `${K}.${Paths<T[K]>}`;
}[keyof T & string];

/** The dotted name of a text: `events.title`. */
export type Key = Paths<typeof en>;

export type Language = "en" | "ja";
export const LANGUAGES: Record<Language, string> = { en: "English", ja: "日本語" };
const TABLES: Record<Language, Texts<typeof en>> = { en, ja };
const STORED = "monban.language";

/** The language of the page. */
export const language = signal<Language>("en");

/** Changes the language, for this browser from now on. */
export function setLanguage(chosen: Language, remember = true): void {
  language.value = chosen;
  document.documentElement.lang = chosen;
  if (remember) localStorage.setItem(STORED, chosen);
}

/** Takes the language that was chosen before, else the browser's. */
export function startLanguage(): void {
  const stored = localStorage.getItem(STORED);
  const wanted = stored ?? navigator.languages.map((one) => one.slice(0, 2)).find((one) => one in TABLES);
  setLanguage(wanted !== undefined && wanted in TABLES ? (wanted as Language) : "en", false);
}

/** What fills a text's `{name}`; numbers are written as the language writes them. */
export type Values = Record<string, string | number>;

/**
 * The text of `key`. `{name}` becomes a value; `{n|event|events}` one of two words, the first where n is 1.
 */
export function t(key: Key, values: Values = {}): string {
  let found: unknown = TABLES[language.value];
  for (const part of key.split(".")) found = (found as Record<string, unknown> | undefined)?.[part];
  if (typeof found !== "string") throw new Error(`no text ${key}`);
  return fill(found, values);
}

function fill(text: string, values: Values): string {
  return text.replace(/\{(\w+)(?:\|([^|}]*)\|([^}]*))?\}/g, (whole, name: string, one?: string, more?: string) => {
    const value = values[name];
    if (value === undefined) return whole;
    if (one !== undefined && more !== undefined) return value === 1 ? one : more;
    return typeof value === "number" ? number(value) : value;
  });
}

/** What monban says of problems, by their codes; English is its own language. */
type ProblemTexts = Partial<Record<Language, Record<string, string>>>;
const PROBLEMS: ProblemTexts = { ja: problemsInJapanese };

/** What a problem of the API says: in its own words where there are none of ours. */
export function problemText(code: string | undefined, error: string, values: Values = {}): string {
  return ofCode(PROBLEMS, code, error, values);
}

function ofCode(texts: ProblemTexts, code: string | undefined, error: string, values: Values): string {
  const found = code === undefined ? undefined : texts[language.value]?.[code];
  if (found === undefined) return error;
  const named = Object.entries(values).map(([name, value]) => {
    // ids are no quantities; roles and scopes have words of their own
    const key = name === "role" ? `role.${value}` : name === "scope" ? `account.scope.${value}` : "";
    return [name, hasText(key) ? t(key) : name === "id" ? String(value) : value];
  });
  return fill(found, { ...Object.fromEntries(named), error });
}

/** Whether there is such a text: for keys made of what the API says, such as `action.blocked`. */
export function hasText(key: string): key is Key {
  let found: unknown = TABLES[language.value];
  for (const part of key.split(".")) found = (found as Record<string, unknown> | undefined)?.[part];
  return typeof found === "string";
}

const formats = new Map<string, Intl.DateTimeFormat | Intl.NumberFormat | Intl.RelativeTimeFormat>();
function format<T extends Intl.DateTimeFormat | Intl.NumberFormat | Intl.RelativeTimeFormat>(
  name: string,
  make: (language: string) => T,
): T {
  const key = `${language.value} ${name}`;
  let made = formats.get(key) as T | undefined;
  if (!made) formats.set(key, (made = make(language.value === "ja" ? "ja-JP" : "en-GB")));
  return made;
}

/** 12,345 */
export function number(value: number): string {
  return format("number", (one) => new Intl.NumberFormat(one)).format(value);
}

/** 0.42 -> 42 % */
export function percent(value: number): string {
  return format("percent", (one) => new Intl.NumberFormat(one, { style: "percent" })).format(value);
}

/** A time of the API (RFC 3339) or of the browser, in the browser's zone, to the second. */
export function dateTime(time: string | number | Date): string {
  const made = format(
    "time",
    (one) => new Intl.DateTimeFormat(one, { dateStyle: "medium", timeStyle: "medium" }),
  );
  return made.format(new Date(time));
}

/** As {@link dateTime}, the day alone. */
export function date(time: string | number | Date): string {
  return format("day", (one) => new Intl.DateTimeFormat(one, { dateStyle: "medium" })).format(new Date(time));
}

/** As {@link dateTime}, without the day. */
export function clock(time: string | number | Date): string {
  return format("clock", (one) => new Intl.DateTimeFormat(one, { timeStyle: "medium" })).format(new Date(time));
}

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
];

/** "3 minutes ago", "in 5 days". */
export function ago(time: string | number | Date, now = Date.now()): string {
  const seconds = Math.round((new Date(time).getTime() - now) / 1000);
  const [unit, size] = STEPS.find(([, size]) => Math.abs(seconds) >= size) ?? ["second", 1];
  const made = format("ago", (one) => new Intl.RelativeTimeFormat(one, { numeric: "auto" }));
  return made.format(Math.trunc(seconds / size), unit);
}
