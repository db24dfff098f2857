// Queries: typed, as conditions, in addresses.
import assert from "node:assert/strict";
import { test } from "node:test";
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

const short = ({ property, value, inverted }: Condition): string => `${inverted ? "not " : ""}${property} ${value}`;

test("typed queries", () => {
  const cases: [string, string[]][] = [
    ["", []],
    ["   ", []],
    ["site=shop", ["site shop"]],
    [" site=shop  action=!passed ", ["site shop", "not action passed"]],
    ["action!=passed", ["not action passed"]],
    ["action!=!passed", ["action passed"]],
    ["union", ["text union"]],
    ["!union", ["not text union"]],
    ['"union select"', ["text union select"]],
    ['!"union select"', ["not text union select"]],
    ['text="say \\"hi\\" \\\\"', ['text say "hi" \\']],
    ["text=\\!x", ["text !x"]],
    ['text="!x"', ["text !x"]],
    ['text=!"!x"', ["not text !x"]],
    ["SITE=Shop", ["site Shop"]],
    ["client=192.0.2.0/24 client=!2001:db8::/32", ["client 192.0.2.0/24", "not client 2001:db8::/32"]],
    ["client=::1 client=::ffff:192.0.2.1", ["client ::1", "client ::ffff:192.0.2.1"]],
    ["since=2h until=2026-11-23", ["since 2h", "until 2026-11-23"]],
    ["since=2026-11-23T09:04:46.454636Z", ["since 2026-11-23T09:04:46.454636Z"]],
    ["text=a=b", ["text a=b"]],
    ["<script>", ["text <script>"]],
    ["rule=942100 status=403 method=GET gate=request severity=error node=n", [
      "rule 942100",
      "status 403",
      "method GET",
      "gate request",
      "severity error",
      "node n",
    ]],
    ["status=4xx status=200-399 path=/admin/* path!=/admin/health tag=attack-sqli kind=scanner score=10 host=a.test", [
      "status 4xx",
      "status 200-399",
      "path /admin/*",
      "not path /admin/health",
      "tag attack-sqli",
      "kind scanner",
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
    ["site=shop colour=red", "unknownProperty", "colour=red"],
    ["site=", "noValue", ""],
    ["site=!", "noValue", "!"],
    ['text="open', "openQuote", '"open'],
    ["since=yesterday", "notTime", "yesterday"],
    ["since=2026-13-01", "notTime", "2026-13-01"],
    ["client=example.org", "notAddress", "example.org"],
    ["client=192.0.2.256", "notAddress", "192.0.2.256"],
    ["client=192.0.2.0/33", "notAddress", "192.0.2.0/33"],
    ["client=1:2:3", "notAddress", "1:2:3"],
    ["client=::1::", "notAddress", "::1::"],
    ["rule=x", "notNumber", "x"],
    ["score=-1", "notNumber", "-1"],
    ["status=99", "notStatus", "99"],
    ["status=4x", "notStatus", "4x"],
    ["status=4xx-500", "notStatus", "4xx-500"],
    ["status=399-200", "notStatus", "399-200"],
    ["action=eaten", "notAction", "eaten"],
    ["severity=bad", "notSeverity", "bad"],
    [`text=${"é".repeat(2049)}`, "tooLong", "é".repeat(2049)],
  ];
  for (const [text, problem, word] of cases) {
    const { errors } = parse(text);
    assert.deepEqual(errors.map((error) => [error.problem, error.word]), [[problem, word]], text);
    const [error] = errors;
    assert.equal(text.slice(error?.from, error?.to), word);
  }
  const mixed = parse("site=shop nonsense=1 action=blocked");
  assert.deepEqual(mixed.conditions.map(short), ["site shop", "action blocked"]);
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
  const api = toApi(parse("since=2h text=!!x site=\\!y").conditions, now);
  assert.equal(api.toString(), "since=2026-11-24T10%3A00%3A00.000Z&text=%21%21x&site=%5C%21y");
});

test("addresses", () => {
  const { conditions, unknown } = fromParams(new URLSearchParams("site=shop&action=!passed&colour=red&rule=x&text="));
  assert.deepEqual(conditions.map(short), ["site shop", "not action passed"]);
  assert.deepEqual(unknown, ["colour=red", "rule=x", "text="]);
});

test("conditions are clicked together", () => {
  const { conditions } = parse("site=shop action=!passed since=2h");
  const added = (text: string): string[] => {
    const [condition] = parse(text).conditions;
    assert.ok(condition);
    return withCondition(conditions, condition).map(short);
  };
  assert.deepEqual(added("rule=1"), ["site shop", "not action passed", "since 2h", "rule 1"]);
  assert.deepEqual(added("site=shop"), ["site shop", "not action passed", "since 2h"]);
  assert.deepEqual(added("action=passed"), ["site shop", "action passed", "since 2h"]);
  assert.deepEqual(added("since=7d"), ["site shop", "not action passed", "since 7d"]);
  assert.deepEqual(added("site=blog"), ["site shop", "not action passed", "since 2h", "site blog"]);
  assert.deepEqual(inverted(conditions, 0).map(short), ["not site shop", "not action passed", "since 2h"]);
  assert.deepEqual(without(conditions, 1).map(short), ["site shop", "since 2h"]);
});

test("completions", () => {
  const texts = (text: string, cursor = text.length): string[] =>
    completions(text, cursor, { site: ["shop", "blog", "my shop"] }).map((one) => one.text);
  assert.deepEqual(texts("s"), ["since=", "site=", "severity=", "score=", "status="]);
  assert.deepEqual(texts("action=b"), ["action=blocked"]);
  assert.deepEqual(texts("action=!p"), ["action=!passed"]);
  assert.deepEqual(texts("action!=p"), ["action=!passed"]);
  assert.deepEqual(texts("site="), ["site=shop", "site=blog", 'site="my shop"']);
  assert.deepEqual(texts("site=shop"), []);
  assert.deepEqual(texts("colour="), []);
  assert.equal(texts("").length, 17);
  const [middle] = completions("site=s action=blocked", 6, { site: ["shop"] });
  assert.deepEqual([middle?.text, middle?.from, middle?.to], ["site=shop", 0, 6]);
});
