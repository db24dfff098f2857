// Bytes of events: parsing, display, scores, curl commands.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { bytesOf, utf8 } from "../../src/bytes/bytes";
import { curl, quoted } from "../../src/parts/gate/evidence/curl";
import { type Event } from "../../src/api/event";
import type { RequestEvidence } from "../../src/parts/gate/evidence/request";
import { arithmetic } from "../../src/parts/gate/evidence/score";
import { folded, hexView, textView } from "../../src/parts/gate/evidence/view";
import { pieces } from "../../src/bytes/visible";

test("both JSON forms give back every byte", () => {
  const cases: [Parameters<typeof bytesOf>[0], number[]][] = [
    [undefined, []],
    ["é\\x", [0xc3, 0xa9, 0x5c, 0x78]],
    [{ escaped: "a\\xff\\\\x00" }, [0x61, 0xff, 0x5c, 0x78, 0x30, 0x30]],
    [{ escaped: "\\xe3\\x81é" }, [0xe3, 0x81, 0xc3, 0xa9]],
    [{ escaped: "\\q\\" }, [0x5c, 0x71, 0x5c]],
    [{ base64: "AP9h" }, [0x00, 0xff, 0x61]],
  ];
  for (const [text, expected] of cases) assert.deepEqual([...bytesOf(text)], expected);
});

test("misleading and invisible characters become escapes", () => {
  const cases: [Uint8Array, boolean, string][] = [
    [utf8("plain <b>&amp;"), false, "plain <b>&amp;"],
    [utf8("a\r\n\tb"), false, "a\\r\\n\\tb"],
    [utf8("a\r\n\tb\r"), true, "a\n\tb\\r"],
    [utf8("\x1b[31m\x07\x00\x7f"), false, "\\x1b[31m\\x07\\x00\\x7f"],
    [utf8("x\u202ey\u2066z\u200b"), false, "x\\u{202e}y\\u{2066}z\\u{200b}"],
    [utf8("\u{e0041}\ufeff"), false, "\\u{e0041}\\u{feff}"],
    [Uint8Array.from([0x61, 0xff, 0xe3, 0x81, 0x62]), false, "a\\xff\\xe3\\x81b"],
    [Uint8Array.from([0xc0, 0xaf, 0xed, 0xa0, 0x80, 0xf5]), false, "\\xc0\\xaf\\xed\\xa0\\x80\\xf5"],
    [utf8("門番😀"), false, "門番😀"],
  ];
  for (const [bytes, lines, expected] of cases) {
    const found = pieces(bytes, { from: 0, to: bytes.length }, [], lines);
    assert.equal(found.map((piece) => piece.text).join(""), expected);
    assert.equal(found[0]?.from ?? 0, 0);
    assert.equal(found.at(-1)?.to ?? 0, bytes.length);
  }
});

test("a million bytes of escapes need few elements", () => {
  const bytes = Uint8Array.from({ length: 1_000_000 }, (_, at) => (at % 2 ? 0x61 : 0));
  assert.equal(pieces(bytes, { from: 0, to: bytes.length }, [], true).length, 1);
});

test("marks in text and hex, whole characters, several matches on one byte", () => {
  const bytes = utf8("GET /門<x");
  const marks = [
    { span: { from: 6, to: 7 }, match: 0 },
    { span: { from: 7, to: 9 }, match: 1 },
  ];
  const text = textView(bytes, { from: 0, to: bytes.length }, marks).map((piece) => [piece.text, piece.marks]);
  assert.deepEqual(text, [
    ["GET /", []],
    ["門", [0, 1]],
    ["<", [1]],
    ["x", []],
  ]);
  const hex = hexView(bytes, { from: 0, to: bytes.length }, 8, [{ span: { from: 5, to: 9 }, match: 3 }]);
  assert.equal(
    hex.map((piece) => (piece.marks.length > 0 ? `[${piece.text}]` : piece.text)).join(""),
    "00000000  47 45 54 20 2f [e9 96 80]  GET /[...]\n00000008  [3c] 78                    [<]x\n",
  );
});

test("rows of hex keep their places if a span starts within one", () => {
  const bytes = utf8("0123456789abcdefghij");
  const rows = hexView(bytes, { from: 6, to: 18 }, 16, []).map((piece) => piece.text).join("");
  assert.equal(
    rows,
    "00000000                    36 37  38 39 61 62 63 64 65 66        6789abcdef\n" +
      "00000010  67 68                                             gh\n",
  );
});

test("long messages are folded to their beginning and the bytes around marks", () => {
  const span = { from: 0, to: 100_000 };
  assert.deepEqual(folded({ from: 0, to: 4000 }, []), [{ from: 0, to: 4000 }]);
  assert.deepEqual(folded(span, []), [{ from: 0, to: 4096 }]);
  assert.deepEqual(folded(span, [{ span: { from: 50_000, to: 50_010 }, match: 0 }]), [
    { from: 0, to: 4096 },
    { from: 49_744, to: 50_266 },
  ]);
  assert.deepEqual(folded(span, [{ span: { from: 10_000, to: 90_000 }, match: 0 }]), [
    { from: 0, to: 4096 },
    { from: 9_744, to: 10_256 },
    { from: 89_744, to: 90_256 },
  ]);
  const many = Array.from({ length: 90 }, (_, match) => ({ span: { from: 5000 + match * 1000, to: 5001 + match * 1000 }, match }));
  assert.equal(folded(span, many).length, 20);
});

const RULE = { phase: 2, line: 1, operator: "rx" };

test("the score's arithmetic", () => {
  const request: RequestEvidence = {
    line: "GET / HTTP/1.1",
    headers: [],
    engine: "on",
    scores: { inbound: 13, outbound: 0, categories: { xss: 10 } },
    rules: [
      { ...RULE, id: 941100, severity: "critical", message: "XSS", tags: ["attack-xss", "paranoia-level/1"] },
      { ...RULE, id: 941100, severity: "critical", message: "XSS" },
      { ...RULE, id: 920272, severity: "warning", tags: ["paranoia-level/3"] },
      { ...RULE, id: 900, message: "adds nothing" },
      { ...RULE, id: 950100, phase: 4, severity: "error" },
      { ...RULE, id: 949110, severity: "critical", operator: "ge", argument: "5", value: "13" },
    ],
  };
  const found = arithmetic(request, "inbound");
  assert.deepEqual(
    found?.contributions.map(({ rule, matches, points, paranoia }) => [rule, matches, points, paranoia]),
    [
      [941100, 2, 10, 1],
      [920272, 1, 3, 3],
    ],
  );
  assert.deepEqual([found?.sum, found?.total, found?.threshold, found?.categories], [13, 13, 5, [["xss", 10]]]);
  assert.equal(arithmetic(request, "outbound"), undefined);
});

function event(request: Partial<RequestEvidence>): Event {
  return {
    v: 2,
    id: "0".repeat(26),
    time: "2026-11-24T00:00:00Z",
    node: "n",
    gate: "request",
    severity: "info",
    kind: "request.passed",
    outcome: "passed",
    evidence: { request: { line: "GET / HTTP/1.1", headers: [["Host", "a.test:8080"]], engine: "on", ...request } },
  };
}

test("curl's words", () => {
  const host = ["Host", "a.test:8080"] as const;
  const bare = "-H 'User-Agent:' -H 'Accept:'";
  const cases: [Partial<RequestEvidence>, string | undefined][] = [
    [{}, `curl -i -g --path-as-is -H 'Host: a.test:8080' ${bare} 'http://a.test:8080/'`],
    [
      { line: "GET /?name=\"><script>'x' HTTP/1.1" },
      `curl -i -g --path-as-is -H 'Host: a.test:8080' ${bare} --request-target '/?name="><script>'\\''x'\\''' 'http://a.test:8080/'`,
    ],
    [
      { line: "POST /a HTTP/1.1", body: { bytes: "@x=1", total: 4 } },
      `curl -i -g --path-as-is -H 'Host: a.test:8080' ${bare} -H 'Content-Type:' --data-raw '@x=1' 'http://a.test:8080/a'`,
    ],
    [
      { line: "PUT /a HTTP/1.1", body: { bytes: "%n\0'\n", total: 5 } },
      `printf '%%n\\000\\047\\012' | curl`.replace("%%", "\\045"),
    ],
    [{ headers: [[...host], ["A", "x\u202e\x1b"], ["B", ""], ["Accept", "*/*"]] }, `-H 'B;' -H 'Accept: */*'`],
    [{ headers: [[...host], ["A", "é!"]] }, `-H $'A: \\303\\251\\041'`],
    [{ headers: [["Host", "x'; rm -rf /"]], server: "127.0.0.1:8080" }, `'http://127.0.0.1:8080/'`],
    [{ line: "GET /a\x1b[2J HTTP/1.1" }, undefined],
    [{ line: "GARBAGE" }, undefined],
    [{ line: "$(id) / HTTP/1.1" }, undefined],
  ];
  for (const [request, expected] of cases) {
    const found = curl(event(request));
    if (expected === undefined) assert.equal(found, undefined);
    else assert.ok(found?.command.includes(expected), `${found?.command}\nhas not\n${expected}`);
    assert.ok(/^[\x20-\x7e]*$/.test(found?.command ?? ""), "printable ASCII only");
  }
  assert.deepEqual(curl(event({ headers: [["A\r\nB", "1"]] }))?.left, ["A\r\nB"]);
});

test("a shell gives back what was quoted", () => {
  const words = ["it's $HOME `id` $(id) !! \\ \"", "\t\x1b[0m é \u202e ' \\n", "a\nb", "--", "%s"];
  for (const word of words) {
    const { stdout } = spawnSync("bash", ["-c", `printf %s ${quoted(utf8(word))}`]);
    assert.equal(stdout.toString(), word);
  }
  const body = curl(event({ line: "POST / HTTP/1.1", body: { bytes: "-e %d\0\\x41'é\r\n", total: 0 } }))?.command ?? "";
  const { stdout } = spawnSync("bash", ["-c", body.slice(0, body.indexOf(" | curl"))]);
  assert.equal(stdout.toString(), "-e %d\0\\x41'é\r\n");
});
