// Reasons and expiry of exclusions.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Exclusion } from "../../src/api";
import { composedReason } from "../../src/parts/tuning/reason";
import { TEXTS } from "../../src/parts/tuning/texts";
import { dayFrom, type Ends, endOf } from "../../src/parts/tuning/until";

await TEXTS.load();

const one = (change: Partial<Exclusion> = {}): Exclusion => ({
  rule: 941100,
  path_match: "exact",
  site: "shop",
  path: "/search",
  parameter: "ARGS:name",
  ...change,
});

test("a reason made of what is excluded", () => {
  const kinds: Record<number, string> = { 941100: "XSS", 941110: "XSS", 942100: "SQL injection" };
  const kindOf = (rule: number): string | undefined => kinds[rule];
  const cases: [Exclusion[], string][] = [
    [[one(), one({ rule: 941110 })], "XSS rules on ARGS:name of shop /search"],
    [[one(), one({ rule: 942100, parameter: "ARGS:q" })], "XSS, SQL injection rules on ARGS:name, ARGS:q of shop /search"],
    [[one({ rule: 5 })], "rule 5 on ARGS:name of shop /search"],
    [[one({ rule: 5 }), one()], "rules 5, 941100 on ARGS:name of shop /search"],
    [[1, 2, 3, 4].map((rule) => one({ rule })), "4 rules on ARGS:name of shop /search"],
    [[one({ parameter: null })], "XSS rules of shop /search"],
    [[one({ path: "/a/", path_match: "prefix" })], "XSS rules on ARGS:name of shop /a/…"],
    [[one({ site: "*" })], "XSS rules on ARGS:name of /search"],
    [[one({ site: null, path: null })], "XSS rules on ARGS:name of all sites"],
    [[one(), one({ path: "/other" })], "XSS rules on ARGS:name of 2 places"],
    [["a", "b", "c", "d"].map((name) => one({ parameter: `ARGS:${name}` })), "XSS rules on 4 parameters of shop /search"],
    // control characters become escapes, and no reason is too long
    [[one({ path: "/\u202e" })], "XSS rules on ARGS:name of shop /\\u{202e}"],
  ];
  for (const [add, expected] of cases) assert.equal(composedReason(add, kindOf), expected);
  const long = one({ site: "s".repeat(300), path: "/".repeat(1000), parameter: `ARGS:${"p".repeat(300)}` });
  assert.ok(composedReason([long, { ...long, parameter: "b".repeat(99) }], kindOf).length < 500);
});

test("until when", () => {
  const end = (choice: Ends["choice"], day = "", kept?: string) => endOf({ choice, day }, kept);
  assert.deepEqual(end("never"), {});
  assert.deepEqual(end("30"), { expires_days: 30 });
  assert.deepEqual(end("keep", "", "2031-01-01T00:00:00Z"), { expires: "2031-01-01T00:00:00Z" });
  assert.deepEqual(end("keep"), {});
  assert.deepEqual(end("day", "2131-02-03"), { expires: new Date(2131, 1, 3, 23, 59, 59).toISOString() });
  for (const wrong of ["", "soon", "2020-01-01"]) assert.equal(end("day", wrong), undefined, wrong);
  assert.ok(end("day", dayFrom(0)) !== undefined, "today is not over yet");
  assert.equal(dayFrom(30, new Date(2027, 0, 31)), "2027-03-02");
});
