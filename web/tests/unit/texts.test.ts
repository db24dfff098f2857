// The style of texts in each language, for all parts.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import commonEn from "../../src/i18n/en";
import commonJa from "../../src/i18n/ja";
import parts from "parts:texts";

/** Returns every text of a table with its dotted name. */
function flat(table: object, at = ""): [string, string][] {
  return Object.entries(table).flatMap(([key, value]) =>
    typeof value === "string" ? ([[`${at}${key}`, value]] as [string, string][]) : flat(value as object, `${at}${key}.`),
  );
}

const ENGLISH = [commonEn, ...parts.map((part) => part.en)].flatMap((table) => flat(table));
const JAPANESE = [commonJa, ...parts.map((part) => part.ja)].flatMap((table) => flat(table));

/** Most words in a sentence on a page. */
const MOST_WORDS = 15;

test("no English sentence is longer than fifteen words", () => {
  assert.ok(ENGLISH.length > 300);
  const long: string[] = [];
  for (const [key, text] of ENGLISH) {
    // only one of two words is shown; a command counts as one word
    const shown = text.replace(/\{\w+\|([^|}]*)\|[^}]*\}/g, "$1").replace(/`[^`]*`/g, "command");
    for (const sentence of shown.split(/(?<=[.?!:;])\s+/)) {
      if (sentence.split(/\s+/).length > MOST_WORDS) long.push(`${key}: ${sentence}`);
    }
  }
  assert.deepEqual(long, []);
});

test("Japanese texts use full-width brackets and spaces between digits and letters", () => {
  const letters = "ぁ-んァ-ヶー一-龠";
  for (const [key, text] of JAPANESE) {
    assert.doesNotMatch(text, new RegExp(`[${letters}][(?!)]|[(][${letters}]|[${letters}]\\)`), `${key}: ${text}`);
    assert.doesNotMatch(text, new RegExp(`[0-9][${letters}]|[${letters}][0-9]`), `${key}: ${text}`);
    assert.doesNotMatch(text, new RegExp(`\\{(?:n|m|max|min|done|total|changed|clients|events|honest)\\}[${letters}]`), `${key}: ${text}`);
    assert.doesNotMatch(text, /\.\.\.|〜/, `${key}: ${text}`);
  }
});

test("both languages fill the same places", () => {
  const places = (text: string): string[] => [...new Set([...text.matchAll(/\{(\w+)/g)].map(([, name]) => name ?? ""))].sort();
  const japanese = new Map(JAPANESE);
  for (const [key, text] of ENGLISH) {
    const missing = places(japanese.get(key) ?? "").filter((name) => !places(text).includes(name));
    assert.deepEqual(missing, [], key);
  }
});

/** Keys that the code builds from words of the API. */
const BUILT = /^(audit\.(did|how|via)|outcome|severity|attack|role|scope|mode|shell\.forbidden|request\.uninspected)\./;

test("every text is used", () => {
  const root = join(process.cwd(), "src");
  const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter(
    (name) => /\.tsx?$/.test(name) && !/texts\.|i18n\/|types\.ts/.test(name),
  );
  assert.ok(files.length > 50);
  const code = files.map((name) => readFileSync(join(root, name), "utf8")).join("\n");
  const unused = ENGLISH.map(([key]) => key).filter(
    (key) => !BUILT.test(key) && !code.includes(`"${key}"`) && !code.includes(`\`${key.slice(0, key.lastIndexOf("."))}.$`),
  );
  assert.deepEqual(unused, []);
});
