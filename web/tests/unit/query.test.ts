// Queries: typed, as conditions, in addresses.
import assert from "node:assert/strict";
import { test } from "node:test";
import { properties, setProperties } from "../../src/query/properties";
import table from "./properties.json";
import { completions } from "../../src/parts/events/query/completion";
import {
  type Condition,
  fromParams,
  inverted,
  parse,
  queryText,
  timeOf,
  toApi,
  toParams,
  withCondition,
  without,
} from "../../src/query/query";

setProperties(table.properties);

const short = ({ property, value, inverted }: Condition): string => `${inverted ? "not " : ""}${property} ${value}`;

test("typed queries", () => {
  const cases: [string, string[]][] = [
    ["", []],
    ["   ", []],
    ["subject=shop", ["subject shop"]],
    [" subject=shop  outcome=!passed ", ["subject shop", "not outcome passed"]],
    ["outcome!=passed", ["not outcome passed"]],
    ["outcome!=!passed", ["outcome passed"]],
    ["union", ["text union"]],
    ["!union", ["not text union"]],
    ['"union select"', ["text union select"]],
    ['!"union select"', ["not text union select"]],
    ['text="say \\"hi\\" \\\\"', ['text say "hi" \\']],
    ["text=\\!x", ["text !x"]],
    ['text="!x"', ["text !x"]],
    ['text=!"!x"', ["not text !x"]],
    ["SUBJECT=Shop", ["subject Shop"]],
    ["client=192.0.2.0/24 client=!2001:db8::/32", ["client 192.0.2.0/24", "not client 2001:db8::/32"]],
    ["client=::1 client=::ffff:192.0.2.1", ["client ::1", "client ::ffff:192.0.2.1"]],
    ["since=2h until=2026-11-23", ["since 2h", "until 2026-11-23"]],
    ["since=2026-11-23T09:04:46.454636Z", ["since 2026-11-23T09:04:46.454636Z"]],
    ["text=a=b", ["text a=b"]],
    ["<script>", ["text <script>"]],
    ["fact=cups=3 fact!=pot=blue*", ["fact cups=3", "not fact pot=blue*"]],
    ["rule=942xxx status=500- status=-5--1", ["rule 942xxx", "status 500-", "status -5--1"]],
    ["rule=942100 status=403 method=GET gate=request severity=error node=n", [
      "rule 942100",
      "status 403",
      "method GET",
      "gate request",
      "severity error",
      "node n",
    ]],
    ["status=4xx status=200-399 path=/admin/* path!=/admin/health tag=attack-sqli category=scanner score=10 host=a.test", [
      "status 4xx",
      "status 200-399",
      "path /admin/*",
      "not path /admin/health",
      "tag attack-sqli",
      "category scanner",
      "score 10",
      "host a.test",
    ]],
  ];
  for (const [text, expected] of cases) {
    const { conditions, errors } = parse(text);
    assert.deepEqual([conditions.map(short), errors], [expected, []], text);
    const again = parse(queryText(conditions));
    assert.deepEqual([again.conditions.map(short), again.errors], [expected, []], queryText(conditions));
    assert.deepEqual(fromParams(toParams(conditions)).conditions.map(short), expected);
  }
});

test("errors say where", () => {
  const cases: [string, string, string][] = [
    ["subject=shop colour=red", "unknownProperty", "colour=red"],
    ["subject=", "noValue", ""],
    ["subject=!", "noValue", "!"],
    ['text="open', "openQuote", '"open'],
    ["since=yesterday", "notTime", "yesterday"],
    ["since=2026-13-01", "notTime", "2026-13-01"],
    ["client=example.org", "notAddress", "example.org"],
    ["client=192.0.2.256", "notAddress", "192.0.2.256"],
    ["client=192.0.2.0/33", "notAddress", "192.0.2.0/33"],
    ["client=1:2:3", "notAddress", "1:2:3"],
    ["client=::1::", "notAddress", "::1::"],
    ["rule=x", "notNumbers", "x"],
    ["score=high", "notNumber", "high"],
    ["fact=cups", "notFact", "cups"],
    ["rule=500--", "notNumbers", "500--"],
    ["status=x4", "notNumbers", "x4"],
    ["status=4xx-500", "notNumbers", "4xx-500"],
    ["status=399-200", "notNumbers", "399-200"],
    ["outcome=eaten", "notOutcome", "eaten"],
    ["severity=bad", "notSeverity", "bad"],
    [`text=${"é".repeat(2049)}`, "tooLong", "é".repeat(2049)],
  ];
  for (const [text, problem, word] of cases) {
    const { errors } = parse(text);
    assert.deepEqual(errors.map((error) => [error.problem, error.word]), [[problem, word]], text);
    const [error] = errors;
    assert.equal(text.slice(error?.from, error?.to), word);
  }
  const mixed = parse("subject=shop nonsense=1 outcome=blocked");
  assert.deepEqual(mixed.conditions.map(short), ["subject shop", "outcome blocked"]);
});

test("times", () => {
  const now = Date.parse("2026-11-24T12:00:00Z");
  const cases: [string, string | undefined][] = [
    ["2h", "2026-11-24T10:00:00.000Z"],
    ["7d", "2026-11-17T12:00:00.000Z"],
    ["2026-11-23T09:04:46.454636Z", "2026-11-23T09:04:46.454636Z"],
    ["2026-11-23T09:04:46+09:00", "2026-11-23T09:04:46+09:00"],
    ["2026-11-23T09:04Z", "2026-11-23T09:04:00.000Z"],
    ["2026-11-23", new Date("2026-11-23T00:00:00").toISOString()],
    ["2026-11-23T09:04", new Date("2026-11-23T09:04").toISOString()],
    ["soon", undefined],
    ["-1h", undefined],
    ["2026-11-23T25:00:00Z", undefined],
  ];
  for (const [value, expected] of cases) assert.equal(timeOf(value, now), expected, value);
  const api = toApi(parse("since=2h text=!!x subject=\\!y").conditions, now);
  assert.equal(api.toString(), "since=2026-11-24T10%3A00%3A00.000Z&text=%21%21x&subject=%5C%21y");
});

test("addresses", () => {
  const { conditions, unknown } = fromParams(new URLSearchParams("subject=shop&outcome=!passed&colour=red&rule=x&text="));
  assert.deepEqual(conditions.map(short), ["subject shop", "not outcome passed"]);
  assert.deepEqual(unknown, ["colour=red", "rule=x", "text="]);
});

test("conditions are clicked together", () => {
  const { conditions } = parse("subject=shop outcome=!passed since=2h");
  const added = (text: string): string[] => {
    const [condition] = parse(text).conditions;
    assert.ok(condition);
    return withCondition(conditions, condition).map(short);
  };
  assert.deepEqual(added("rule=1"), ["subject shop", "not outcome passed", "since 2h", "rule 1"]);
  assert.deepEqual(added("subject=shop"), ["subject shop", "not outcome passed", "since 2h"]);
  assert.deepEqual(added("outcome=passed"), ["subject shop", "outcome passed", "since 2h"]);
  assert.deepEqual(added("since=7d"), ["subject shop", "not outcome passed", "since 7d"]);
  assert.deepEqual(added("subject=blog"), ["subject shop", "not outcome passed", "since 2h", "subject blog"]);
  assert.deepEqual(inverted(conditions, 0).map(short), ["not subject shop", "not outcome passed", "since 2h"]);
  assert.deepEqual(without(conditions, 1).map(short), ["subject shop", "since 2h"]);
});

test("completions", () => {
  const texts = (text: string, cursor = text.length): string[] =>
    completions(text, cursor, { subject: ["shop", "blog", "my shop"] }).map((one) => one.text);
  assert.deepEqual(texts("s"), ["since=", "severity=", "subject=", "score=", "status="]);
  assert.deepEqual(texts("outcome=b"), ["outcome=blocked"]);
  assert.deepEqual(texts("outcome=!p"), ["outcome=!passed"]);
  assert.deepEqual(texts("outcome!=p"), ["outcome=!passed"]);
  assert.deepEqual(texts("subject="), ["subject=shop", "subject=blog", 'subject="my shop"']);
  assert.deepEqual(texts("subject=shop"), []);
  assert.deepEqual(texts("colour="), []);
  assert.equal(texts("").length, properties().length);
  const [middle] = completions("subject=s outcome=blocked", 9, { subject: ["shop"] });
  assert.deepEqual([middle?.text, middle?.from, middle?.to], ["subject=shop", 0, 9]);
});
