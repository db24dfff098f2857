// Texts in the visitor's language. Each part has its own texts; a table is fetched with the first page of its part, only in the
// language of the page. English defines the keys; a missing Japanese text does not compile.
import { signal } from "@preact/signals";
import type english from "./en";

/** The same keys with other texts. */
export type Texts<T> = { [K in keyof T]: T[K] extends string ? string : Texts<T[K]> };

/** The dotted name of a text in a table: `events.title`. */
export type Paths<T> = {
  [K in keyof T & string]: T[K] extends string ? K : `${K}.${Paths<T[K]>}`;
}[keyof T & string];

/** The name of a text that all parts share. */
export type Key = Paths<typeof english>;

export type Language = "en" | "ja";
export const LANGUAGES: Record<Language, string> = { en: "English", ja: "日本語" };
const STORED = "monban.language";

/** A text in both languages, such as the title of a page. */
export type Bilingual = Readonly<Record<Language, string>>;

/** The language of the page. */
export const language = signal<Language>("en");

/** Values for `{name}` in a text; numbers are formatted for the language. */
export type Values = Record<string, string | number>;

/** The functions that fetch the tables of a part. */
export interface Loaders<T> {
  en: () => Promise<{ default: T }>;
  ja: () => Promise<{ default: Texts<T> }>;
}

/** Tables that are fetched when they are needed. */
export interface Fetched {
  /** Fetches the table of `chosen`, unless it is loaded. */
  load: (chosen?: Language) => Promise<void>;
  /** Returns whether the table of the page's language is loaded. Reads a signal. */
  ready: () => boolean;
}

/** The texts of a part. */
export interface TextSet<K extends string> extends Fetched {
  /**
   * Returns the text of `key`. `{name}` becomes a value; `{n|event|events}` becomes one of two words, the first if n is 1.
   */
  t: (key: K | Key, values?: Values) => string;
  /** Returns whether a text exists, for keys built from words of the API such as `outcome.blocked`. */
  has: (key: string) => key is K | Key;
}

/** The sets whose texts have been fetched. When the language changes, each fetches its texts in the new language. */
const used = new Set<Fetched>();

/** Makes the set of a part's texts. Nothing is fetched yet. */
export function texts<T extends object>(loaders: Loaders<T>): TextSet<Paths<T>> {
  const tables: Partial<Record<Language, object>> = {};
  const find = (key: string): string | undefined => textIn(tables[language.value], key) ?? textIn(common[language.value], key);
  const set: TextSet<Paths<T>> = {
    load: async (chosen = language.value) => {
      tables[chosen] ??= (await loaders[chosen]()).default;
      used.add(set);
    },
    ready: () => tables[language.value] !== undefined,
    t: (key, values = {}) => {
      const found = find(key);
      if (found === undefined) throw new Error(`no text ${key}`);
      return fill(found, values);
    },
    has: (key): key is Paths<T> | Key => find(key) !== undefined,
  };
  return set;
}

/** The tables that all parts share. */
const common: Partial<Record<Language, object>> = {};

/** The texts that all parts share. */
export const { t, has } = texts<object>({ en: async () => ({ default: {} }), ja: async () => ({ default: {} }) });

function textIn(table: object | undefined, key: string): string | undefined {
  let found: unknown = table;
  for (const part of key.split(".")) found = (found as Record<string, unknown> | undefined)?.[part];
  return typeof found === "string" ? found : undefined;
}

/** Replaces every `{name}` in a text. */
export function fill(text: string, values: Values): string {
  return text.replace(/\{(\w+)(?:\|([^|}]*)\|([^}]*))?\}/g, (whole, name: string, one?: string, more?: string) => {
    const value = values[name];
    if (value === undefined) return whole;
    if (one !== undefined && more !== undefined) return value === 1 ? one : more;
    return typeof value === "number" ? number(value) : value;
  });
}

/** Changes the language in this browser after fetching all texts in use. Throws if they can't be fetched. */
export async function setLanguage(chosen: Language, remember = true): Promise<void> {
  const fetched = (async () => {
    common[chosen] ??= (await (chosen === "en" ? import("./en") : import("./ja"))).default;
  })();
  await Promise.all([fetched, ...[...used].map((set) => set.load(chosen))]);
  language.value = chosen;
  document.documentElement.lang = chosen;
  if (remember) localStorage.setItem(STORED, chosen);
}

/** Starts with the remembered language, else the browser's. */
export function startLanguage(): Promise<void> {
  const stored = localStorage.getItem(STORED);
  const wanted = stored ?? navigator.languages.map((one) => one.slice(0, 2)).find((one) => one in LANGUAGES);
  return setLanguage(wanted !== undefined && wanted in LANGUAGES ? (wanted as Language) : "en", false);
}

/** Returns a bilingual text in the page's language. */
export function say(text: Bilingual): string {
  return text[language.value];
}

const formats = new Map<string, Intl.DateTimeFormat | Intl.NumberFormat | Intl.RelativeTimeFormat>();
function format<T extends Intl.DateTimeFormat | Intl.NumberFormat | Intl.RelativeTimeFormat>(
  name: string,
  make: (language: string) => T,
): T {
  const key = `${language.value} ${name}`;
  let made = formats.get(key) as T | undefined;
  if (!made) formats.set(key, (made = make(locale())));
  return made;
}

/** Returns the name of the page's language for `Intl`. */
export function locale(): string {
  return language.value === "ja" ? "ja-JP" : "en-GB";
}

/** Formats a number: 12,345. */
export function number(value: number): string {
  return format("number", (one) => new Intl.NumberFormat(one)).format(value);
}

/** Formats a ratio: 0.42 becomes 42 %. */
export function percent(value: number): string {
  return format("percent", (one) => new Intl.NumberFormat(one, { style: "percent" })).format(value);
}

const CLOCK = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" } as const;

/** Returns the format of days in the page's language: 3 Nov 2026, 2026/11/03. */
function day(): Intl.DateTimeFormatOptions {
  return { year: "numeric", month: language.value === "ja" ? "2-digit" : "short", day: "2-digit" };
}

/** Formats a time of the API (RFC 3339) or of the browser, in the browser's zone, to the second. */
export function dateTime(time: string | number | Date): string {
  return format("time", (one) => new Intl.DateTimeFormat(one, { ...day(), ...CLOCK })).format(new Date(time));
}

/** Formats only the day, otherwise like {@link dateTime}. */
export function date(time: string | number | Date): string {
  return format("day", (one) => new Intl.DateTimeFormat(one, day())).format(new Date(time));
}

/** Formats only the time of day, otherwise like {@link dateTime}. */
export function clock(time: string | number | Date): string {
  return format("clock", (one) => new Intl.DateTimeFormat(one, CLOCK)).format(new Date(time));
}

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
];

/** Formats a time relative to now: "3 minutes ago", "in 5 days". */
export function ago(time: string | number | Date, now = Date.now()): string {
  const seconds = Math.round((new Date(time).getTime() - now) / 1000);
  const [unit, size] = STEPS.find(([, size]) => Math.abs(seconds) >= size) ?? ["second", 1];
  const made = format("ago", (one) => new Intl.RelativeTimeFormat(one, { numeric: "auto" }));
  return made.format(Math.trunc(seconds / size), unit);
}
