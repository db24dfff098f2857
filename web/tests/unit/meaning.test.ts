// Decoded values with their marks, base64, formatted JSON; the choice of proposals.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ExclusionProposal } from "../../src/api";
import { Mapped, utf8 } from "../../src/bytes/bytes";
import { layOut, markedValue, plausibleBase64 } from "../../src/parts/gate/evidence/meaning";
import { formDecode } from "../../src/parts/gate/evidence/transformations";
import { chosenProposals, scopeOf, type Width, WIDTHS } from "../../src/parts/tuning/proposals";

test("marks follow decoded bytes", () => {
  const value = formDecode(Mapped.of(utf8("a%3Cb%E9%96%80c")));
  const marks = [
    { span: { from: 1, to: 5 }, match: 0 },
    { span: { from: 5, to: 14 }, match: 1 },
  ];
  const pieces = markedValue(value, marks).map(({ text, marks }) => [text, marks]);
  assert.deepEqual(pieces, [
    ["a", []],
    ["<b", [0]],
    ["門", [1]],
    ["c", []],
  ]);
});

test("base64 where it is likely", () => {
  const cases: [string, string | undefined][] = [
    ["PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==", "<script>alert(1)</script>"],
    ["eyJhIjoxfQ", '{"a":1}'],
    ["password", undefined],
    ["short", undefined],
    ["0123456789abcdef", undefined],
    ["not base64!", undefined],
  ];
  for (const [text, expected] of cases) assert.equal(plausibleBase64(Mapped.of(utf8(text))), expected, text);
});

test("formatting JSON changes white space alone", () => {
  assert.equal(
    layOut('{"a":[1.50,"x\\u003c, {"],"a":{},"b":[],"c":null}'),
    '{\n  "a": [\n    1.50,\n    "x\\u003c, {"\n  ],\n  "a": {},\n  "b": [],\n  "c": null\n}',
  );
  assert.throws(() => layOut('{"a":'), SyntaxError);
  assert.throws(() => layOut(`${"[".repeat(90_000)}${"]".repeat(90_000)}`), RangeError);
});

function proposal(rule: number, variable: string, width: Width, refused?: string): ExclusionProposal {
  const path = width === "narrowest" || width === "path" ? "/p" : null;
  const parameter = width === "narrowest" || width === "parameter" ? variable : null;
  const found: ExclusionProposal = {
    rule,
    variable,
    width,
    message: "",
    path_match: "exact",
    seclang: "",
    scope: { site: "shop", path, parameter },
  };
  return refused ? { ...found, refused: { error: refused, code: "refused", values: {} } } : found;
}

test("the proposals that let an event pass together", () => {
  const all = (rule: number, variable: string): ExclusionProposal[] =>
    WIDTHS.map((width) => proposal(rule, variable, width));
  const text = (list: ExclusionProposal[]): string[] =>
    list.map((one) => {
      const { rule, path, parameter } = scopeOf(one);
      return `${rule} ${path ?? "*"} ${parameter ?? "*"}`;
    });
  const two = [...all(1, "ARGS:a"), ...all(1, "ARGS:b").slice(0, 2), ...all(2, "ARGS:a")];
  const byWidth = (list: ExclusionProposal[]): ExclusionProposal[] =>
    [...list].sort((a, b) => WIDTHS.indexOf(a.width) - WIDTHS.indexOf(b.width));
  const cases: [ExclusionProposal[], Width, string[]][] = [
    [two, "narrowest", ["1 /p ARGS:a", "1 /p ARGS:b", "2 /p ARGS:a"]],
    [two, "parameter", ["1 * ARGS:a", "1 * ARGS:b", "2 * ARGS:a"]],
    [two, "path", ["1 /p *", "2 /p *"]],
    [two, "site", ["1 * *", "2 * *"]],
    // if the narrowest proposal of a variable is refused, the next one; if all are, the whole rule
    [[proposal(1, "ARGS:a", "narrowest", "why"), ...all(1, "ARGS:a").slice(1)], "narrowest", ["1 * ARGS:a"]],
    [
      [
        proposal(1, "ARGS:a", "narrowest"),
        proposal(1, "ARGS_NAMES", "narrowest", "why"),
        proposal(1, "ARGS_NAMES", "parameter", "why"),
        proposal(1, "ARGS:a", "path"),
      ],
      "narrowest",
      ["1 /p *"],
    ],
    [[proposal(949110, "TX:x", "site", "it blocks")], "narrowest", []],
    [[], "site", []],
  ];
  for (const [list, width, expected] of cases) assert.deepEqual(text(chosenProposals(byWidth(list), width)), expected);
});
