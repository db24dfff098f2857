// Queries: typed, as conditions, in addresses.
import assert from "node:assert/strict";
import { test } from "node:test";
import { properties, setProperties } from "../../src/query/properties";
import table from "./properties.json";
import { type MatchedRule } from "../../src/parts/gate/evidence/request";
import { groupMatches } from "../../src/parts/gate/evidence/groups";
import { reversed } from "../../src/ui/diff";
import { Offsets } from "../../src/ui/window";
import { completions } from "../../src/ui/filter/completion";
import {
  type Condition,
  fromParams,
  inLocalTime,
  inUniversalTime,
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

test("writings of other programs", () => {
  const cases: [string, string[]][] = [
    ["site:shop ip=192.0.2.1", ["subject shop", "client 192.0.2.1"]],
    ["192.0.2.0/24 2001:db8::1", ["client 192.0.2.0/24", "client 2001:db8::1"]],
    ["status>400 status>=500 status<300 status<=299", ["status 401-", "status 500-", "status 0-299", "status 0-299"]],
    ["score>5 score>=5 score<5 score<=5", ["score 6", "score 5", "not score 5", "not score 6"]],
    ["status==403 status!=404", ["status 403", "not status 404"]],
    ["NOT site:shop AND status:403", ["not subject shop", "status 403"]],
    ["-site:shop !status:403", ["not subject shop", "not status 403"]],
    ["status:403 OR status:404 path:/x", ["status 403", "status 404", "path /x"]],
    ['path:"/a b" "OR"', ["path /a b", "text OR"]],
    ["http://example.org/ localhost:8080 a<b", ["text http://example.org/", "text localhost:8080", "text a<b"]],
    ["1.2.3 12:30", ["text 1.2.3", "text 12:30"]],
    ["from:2h to:1h url:/a code:403", ["since 2h", "until 1h", "path /a", "status 403"]],
  ];
  for (const [text, expected] of cases) {
    const { conditions, errors } = parse(text);
    assert.deepEqual([conditions.map(short), errors.map(({ problem }) => problem)], [expected, []], text);
    // in the own writing, it is the same
    assert.deepEqual(parse(queryText(conditions)).conditions.map(short), expected, queryText(conditions));
  }
  for (const [text, problem, word] of [
    ["site:shop OR status:403", "notOr", "OR"],
    ["union OR select", "notOr", "OR"],
    ["NOT site:a OR site:b", "notOr", "OR"],
    ["status:403 OR", "notOr", "OR"],
    ["colour:red", "unknownProperty", "colour:red"],
    ["site>shop", "notOperator", "site>shop"],
    ["path~foo", "notOperator", "path~foo"],
    ["status<0", "notOperator", "status<0"],
    ["(status:403", "notGroup", "(status:403"],
    ["status:ninety", "notNumbers", "ninety"],
  ] as const) {
    const { errors } = parse(text);
    assert.deepEqual(errors.map((one) => [one.problem, text.slice(one.from, one.to)]), [[problem, word]], text);
  }
});

test("times are those of the browser in texts, and complete in addresses", () => {
  const at = (value: string) => [{ property: "since", value, inverted: false }];
  for (const value of ["2h", "2026-11-23", "2026-11-23T09:04:46.454636Z"]) assert.equal(inLocalTime(at(value))[0]?.value, value);
  for (const value of ["2026-11-23T09:04:00.000Z", "2026-11-23T09:04:46.000Z", "2026-11-23T09:04:46.454Z"]) {
    const local = inLocalTime(at(value));
    assert.doesNotMatch(local[0]?.value ?? "Z", /Z/);
    assert.equal(inUniversalTime(local)[0]?.value, value);
  }
});

test("matches of one rule in one place are one group; rules that only block are apart", () => {
  const rule = (id: number, variable: string): MatchedRule => ({ id, variable }) as MatchedRule;
  const { deciding, blocking } = groupMatches([rule(941100, "ARGS:a"), rule(949110, "TX:x"), rule(941100, "ARGS:b"), rule(941100, "ARGS:a")]);
  assert.deepEqual(deciding.map(({ matches }) => matches), [[0, 3], [2]]);
  assert.deepEqual(blocking.map(({ matches }) => matches), [[1]]);
});

test("the rows of a long table", () => {
  const rows = new Offsets(100_000, [0, 50_000], { row: 34, mark: 30 });
  assert.equal(rows.height, 100_000 * 34 + 60);
  assert.equal(rows.top(0), 0);
  assert.equal(rows.top(50_000), 50_000 * 34 + 30);
  assert.equal(rows.top(50_001), 50_001 * 34 + 60);
  for (const row of [0, 1, 49_999, 50_000, 50_001, 99_999]) assert.equal(rows.at(rows.top(row) + 1), row);
  const { from, to, above, below } = rows.between(rows.top(50_000), rows.top(50_000) + 900);
  assert.ok(from <= 50_000 - 12 && to >= 50_000 + 26 && to - from < 80, `${from} ${to}`);
  assert.equal(above, rows.top(from));
  assert.equal(below, rows.height - rows.top(to));
  assert.deepEqual(new Offsets(0, [], { row: 34, mark: 30 }).between(0, 900), { from: 0, to: 0, above: 0, below: 0 });
});

test("a reversed difference shows what an undo changes", () => {
  const diff = "--- a\n+++ b\n@@ -1,2 +1,3 @@\n same\n-old\n+new\n+newer\n";
  assert.equal(reversed(diff), "--- a\n+++ b\n@@ -1,3 +1,2 @@\n same\n-new\n-newer\n+old\n");
  assert.equal(reversed(reversed(diff)), diff);
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
