// Matches are located in the bytes as sent.
import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "../../src/bytes/bytes";
import type { Header, MatchedRule, RequestEvidence } from "../../src/parts/gate/evidence/request";
import { type Certainty, locate, messages } from "../../src/parts/gate/evidence/locate";

interface Case {
  what: string;
  line?: RequestEvidence["line"];
  headers?: Header[];
  body?: string | { escaped: string };
  response?: RequestEvidence["response"];
  rule: Partial<MatchedRule>;
  /** The marked text. */
  marked: string[];
  certainty: Certainty;
}

const FORM: Header[] = [["Content-Type", "application/x-www-form-urlencoded"]];
const JSON_TYPE: Header[] = [["content-type", "application/json; charset=utf-8"]];
const MULTIPART: Header[] = [["Content-Type", 'multipart/form-data; boundary="b-1"']];
const rx = { operator: "rx" };

const CASES: Case[] = [
  {
    what: "a plain argument",
    line: "GET /?name=<script>alert(1)</script>&x=1 HTTP/1.1",
    rule: { ...rx, variable: "ARGS:name", value: "<script>alert(1)</script>", matched: "<script" },
    marked: ["<script"],
    certainty: "bytes",
  },
  {
    what: "percent escapes",
    line: "GET /?a=%3Cscript%3Ealert(1) HTTP/1.1",
    rule: { ...rx, variable: "ARGS:a", value: "<script>alert(1)", matched: "<script>" },
    marked: ["%3Cscript%3E"],
    certainty: "bytes",
  },
  {
    what: "plus signs",
    line: "GET /?q=1+union+select+2&q2=x HTTP/1.1",
    rule: { ...rx, variable: "ARGS:q", value: "1 union select 2", matched: "union select" },
    marked: ["union+select"],
    certainty: "bytes",
  },
  {
    what: "an escaped name",
    line: "GET /?%61=1&b%20c=%27%20or%201 HTTP/1.1",
    rule: { ...rx, variable: "ARGS:b c", value: "' or 1", matched: "' or" },
    marked: ["%27%20or"],
    certainty: "bytes",
  },
  {
    what: "lower case and double escapes",
    line: "GET /?f=%252E%252E%2FETC HTTP/1.1",
    rule: { ...rx, variable: "ARGS:f", value: "../etc", matched: "../" },
    marked: ["%252E%252E%2F"],
    certainty: "bytes",
  },
  {
    what: "HTML entities, then JavaScript escapes",
    line: "GET /?h=%26lt;img%20src=\\x6aavascript: HTTP/1.1",
    rule: { ...rx, variable: "ARGS:h", value: "<img src=javascript:", matched: "javascript:" },
    marked: ["\\x6aavascript:"],
    certainty: "bytes",
  },
  {
    what: "numeric entities",
    line: "GET /?h=&#x3c;b HTTP/1.1",
    rule: { ...rx, variable: "ARGS:&#x3c;b", value: "", matched: "" },
    marked: [],
    certainty: "missing",
  },
  {
    what: "a shell's quotes",
    line: "GET /?c=;c'a't%20%20/etc/passwd HTTP/1.1",
    rule: { ...rx, variable: "ARGS:c", value: " cat/etc/passwd", matched: "cat/etc" },
    marked: ["c'a't%20%20/etc"],
    certainty: "bytes",
  },
  {
    what: "the second of two arguments of one name",
    line: "GET /?a=harmless&a=%3cscript HTTP/1.1",
    rule: { ...rx, variable: "ARGS:a", value: "<script", matched: "<script" },
    marked: ["%3cscript"],
    certainty: "bytes",
  },
  {
    what: "full-width letters and UTF-8 to Unicode",
    line: "GET /?a=\uff1cscript HTTP/1.1",
    rule: { ...rx, variable: "ARGS:a", value: "<script", matched: "<scr" },
    marked: ["\uff1cscr"],
    certainty: "bytes",
  },
  {
    what: "a name",
    line: "GET /?x%5b%24ne%5d=1 HTTP/1.1",
    rule: { ...rx, variable: "ARGS_NAMES:x[$ne]", value: "x[$ne]", matched: "[$ne]" },
    marked: ["%5b%24ne%5d"],
    certainty: "bytes",
  },
  {
    what: "a form's field, not the query's",
    line: "POST /?a=1 HTTP/1.1",
    headers: FORM,
    body: "b=2&a=sleep%2810%29",
    rule: { ...rx, variable: "ARGS:a", value: "sleep(10)", matched: "sleep(" },
    marked: ["sleep%28"],
    certainty: "bytes",
  },
  {
    what: "ARGS_POST",
    line: "POST /?a=evil HTTP/1.1",
    headers: FORM,
    body: "a=evil&b=evil",
    rule: { ...rx, variable: "ARGS_POST:a", value: "evil", matched: "evil" },
    marked: ["evil"],
    certainty: "bytes",
  },
  {
    what: "a header in another case",
    headers: [
      ["Host", "x"],
      ["user-AGENT", "Nikto/2.1"],
    ],
    rule: { ...rx, variable: "REQUEST_HEADERS:User-Agent", value: "nikto/2.1", matched: "nikto" },
    marked: ["Nikto"],
    certainty: "bytes",
  },
  {
    what: "a header's name",
    headers: [["X-Evil", "1"]],
    rule: { ...rx, variable: "REQUEST_HEADERS_NAMES:X-Evil", value: "X-Evil", matched: "Evil" },
    marked: ["Evil"],
    certainty: "bytes",
  },
  {
    what: "a cookie",
    headers: [["Cookie", "sid=1; t=<b>; u=2"]],
    rule: { ...rx, variable: "REQUEST_COOKIES:t", value: "<b>", matched: "<b" },
    marked: ["<b"],
    certainty: "bytes",
  },
  {
    what: "a cookie that was redacted",
    headers: [["Cookie", "sid=[redacted]"]],
    rule: { ...rx, variable: "REQUEST_COOKIES:sid", value: "[redacted]", matched: "[redacted]" },
    marked: ["[redacted]"],
    certainty: "redacted",
  },
  {
    what: "a redacted piece of a value",
    line: "GET /?u=x HTTP/1.1",
    rule: { ...rx, variable: "ARGS:u", value: "x [redacted]", matched: "x [redacted]" },
    marked: ["x"],
    certainty: "redacted",
  },
  {
    what: "REQUEST_URI as sent",
    line: "GET /a%2e/?b=<svg HTTP/1.1",
    rule: { ...rx, variable: "REQUEST_URI", value: "/a%2e/?b=<svg", matched: "<svg" },
    marked: ["<svg"],
    certainty: "bytes",
  },
  {
    what: "REQUEST_URI with its path decoded",
    line: "GET /%2e%2e/etc?b=%41 HTTP/1.1",
    rule: { ...rx, variable: "REQUEST_URI", value: "/../etc?b=%41", matched: "/../" },
    marked: ["/%2e%2e/"],
    certainty: "bytes",
  },
  {
    what: "REQUEST_URI of an absolute target",
    line: "GET http://h:1/p?<x HTTP/1.1",
    rule: { ...rx, variable: "REQUEST_URI", value: "/p?<x", matched: "<x" },
    marked: ["<x"],
    certainty: "bytes",
  },
  {
    what: "REQUEST_FILENAME and REQUEST_BASENAME",
    line: "GET /dir/%2ehtaccess HTTP/1.1",
    rule: { ...rx, variable: "REQUEST_BASENAME", value: ".htaccess", matched: ".ht" },
    marked: ["%2eht"],
    certainty: "bytes",
  },
  {
    what: "a target with spaces",
    line: "GET /?x=a b c HTTP/1.1",
    rule: { ...rx, variable: "ARGS:x", value: "a b c", matched: "b c" },
    marked: ["b c"],
    certainty: "bytes",
  },
  {
    what: "the method and the protocol",
    line: "TRACK / HTTP/0.9",
    rule: { operator: "within", negated: true, variable: "REQUEST_METHOD", value: "TRACK" },
    marked: ["TRACK"],
    certainty: "whole",
  },
  {
    what: "a JSON string with escapes",
    line: "POST / HTTP/1.1",
    headers: JSON_TYPE,
    body: '{"user":{"name":"\\u003cscript\\u003E","n":[1,"x"]}}',
    rule: { ...rx, variable: "ARGS:user.name", value: "<script>", matched: "<script>" },
    marked: ["\\u003cscript\\u003E"],
    certainty: "bytes",
  },
  {
    what: "a JSON array's value, in ModSecurity 2's words",
    line: "POST / HTTP/1.1",
    headers: JSON_TYPE,
    body: '{"a":[1,"or 1=1"],"b":null}',
    rule: { ...rx, variable: "ARGS:a.a", value: "or 1=1", matched: "1=1" },
    marked: ["1=1"],
    certainty: "bytes",
  },
  {
    what: "a JSON array's value, in libmodsecurity's words",
    line: "POST / HTTP/1.1",
    headers: JSON_TYPE,
    body: '{"a":[{"b":"x"},{"b":"evil"}]}',
    rule: { ...rx, variable: "ARGS:json.a.array_1.b", value: "evil", matched: "evil" },
    marked: ["evil"],
    certainty: "bytes",
  },
  {
    what: "objects in arrays, in ModSecurity 2's words",
    line: "POST / HTTP/1.1",
    headers: JSON_TYPE,
    body: '{"a":[{"b":"x"},{"b":"evil"}],"c":2}',
    rule: { ...rx, variable: "ARGS:a.a.b", value: "evil", matched: "vil" },
    marked: ["vil"],
    certainty: "bytes",
  },
  {
    what: "an outermost array",
    line: "POST / HTTP/1.1",
    headers: JSON_TYPE,
    body: '[1, true, "<b>"]',
    rule: { ...rx, variable: "ARGS:array.array", value: "<b>", matched: "<b>" },
    marked: ["<b>"],
    certainty: "bytes",
  },
  {
    what: "a JSON number",
    line: "POST / HTTP/1.1",
    headers: JSON_TYPE,
    body: '{"n": -12.5e3 }',
    rule: { operator: "lt", variable: "ARGS:n", value: "-12.5e3" },
    marked: ["-12.5e3"],
    certainty: "whole",
  },
  {
    what: "JSON that is cut off",
    line: "POST / HTTP/1.1",
    headers: JSON_TYPE,
    body: '{"a":"<script>", "b":{"c":"d',
    rule: { ...rx, variable: "ARGS:a", value: "<script>", matched: "<script" },
    marked: ["<script"],
    certainty: "bytes",
  },
  {
    what: "a surrogate pair in JSON",
    line: "POST / HTTP/1.1",
    headers: JSON_TYPE,
    body: '{"a":"\\ud83d\\ude00<x"}',
    rule: { ...rx, variable: "ARGS:a", value: "\u{1f600}<x", matched: "\u{1f600}<" },
    marked: ["\\ud83d\\ude00<"],
    certainty: "bytes",
  },
  {
    what: "a multipart field",
    line: "POST / HTTP/1.1",
    headers: MULTIPART,
    body: '--b-1\r\nContent-Disposition: form-data; name="t"\r\n\r\n<?php x\r\n--b-1--\r\n',
    rule: { ...rx, variable: "ARGS_POST:t", value: "<?php x", matched: "<?php" },
    marked: ["<?php"],
    certainty: "bytes",
  },
  {
    what: "a file's name",
    line: "POST / HTTP/1.1",
    headers: MULTIPART,
    body: '--b-1\r\nContent-Disposition: form-data; name="f"; filename="a\\".php"\r\n\r\nx\r\n--b-1--\r\n',
    rule: { ...rx, variable: "FILES:f", value: 'a".php', matched: '".php' },
    marked: ['\\".php'],
    certainty: "bytes",
  },
  {
    what: "a body as a whole",
    line: "POST / HTTP/1.1",
    headers: [["Content-Type", "text/xml"]],
    body: "<a>&lt;!ENTITY</a>",
    rule: { ...rx, variable: "XML:/*", value: "<!ENTITY", matched: "<!ENTITY" },
    marked: ["&lt;!ENTITY"],
    certainty: "bytes",
  },
  {
    what: "bytes that are no UTF-8",
    line: { escaped: "GET /?a=\\xff\\xfe%3Cx HTTP/1.1" },
    rule: { ...rx, variable: "ARGS:a", value: { escaped: "\\xff\\xfe<x" }, matched: { escaped: "\\xfe<" } },
    marked: ["\\xfe%3C"],
    certainty: "bytes",
  },
  {
    what: "bytes outside a range",
    line: { escaped: "GET /?a=x%00y\\x80\\x81z HTTP/1.1" },
    rule: { operator: "validateByteRange", argument: "1-127", variable: "ARGS:a", value: { escaped: "x\0y\\x80\\x81z" } },
    marked: ["%00", "\\x80\\x81"],
    certainty: "bytes",
  },
  {
    what: "a phrase that only the detail tells",
    line: "GET /?a=x/etc/passwdy HTTP/1.1",
    rule: {
      operator: "pm",
      variable: "ARGS:a",
      value: "x/etc/passwdy",
      detail: 'Matched phrase "etc/passwd" at ARGS:a.',
    },
    marked: ["etc/passwd"],
    certainty: "bytes",
  },
  {
    what: "an operator's own argument",
    line: "GET /?a=xyz HTTP/1.1",
    rule: { operator: "contains", argument: "yz", variable: "ARGS:a", value: "xyz" },
    marked: ["yz"],
    certainty: "bytes",
  },
  {
    what: "an operator that judges the whole",
    line: "GET /?a=1'or'1 HTTP/1.1",
    rule: { operator: "detectSQLi", variable: "ARGS:a", value: "1'or'1" },
    marked: ["1'or'1"],
    certainty: "whole",
  },
  {
    what: "a transformation that keeps no order",
    line: "GET /?a=secret&b=x HTTP/1.1",
    rule: { ...rx, variable: "ARGS:a", value: "e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4", matched: "e5e9fa" },
    marked: ["secret"],
    certainty: "value",
  },
  {
    what: "a sensor that tells no value",
    line: "GET /?a=1&b=%3Cscript%3E HTTP/1.1",
    rule: { ...rx, variable: "ARGS:b", matched: "<script>" },
    marked: ["%3Cscript%3E"],
    certainty: "bytes",
  },
  {
    what: "a computed variable",
    rule: { operator: "ge", argument: "5", variable: "TX:ANOMALY_SCORE", value: "10" },
    marked: [],
    certainty: "computed",
  },
  {
    what: "a body that was not kept",
    line: "POST / HTTP/1.1",
    rule: { ...rx, variable: "REQUEST_BODY", value: "x", matched: "x" },
    marked: [],
    certainty: "missing",
  },
  {
    what: "a chain's variable",
    line: "GET /?a=%3Cx HTTP/1.1",
    rule: { ...rx, variable: "MATCHED_VARS:ARGS:a", value: "<x", matched: "<x" },
    marked: ["%3Cx"],
    certainty: "bytes",
  },
  {
    what: "a response's body",
    response: {
      status: 200,
      headers: [["Content-Type", "text/html"]],
      body: { bytes: "<p>ORA-00933: error</p>", total: 23 },
    },
    rule: { ...rx, phase: 4, variable: "RESPONSE_BODY", value: "<p>ora-00933: error</p>", matched: "ora-00933" },
    marked: ["ORA-00933"],
    certainty: "bytes",
  },
  {
    what: "a response's header",
    response: { status: 302, headers: [["Location", "http://evil"]] },
    rule: { ...rx, phase: 3, variable: "RESPONSE_HEADERS:location", value: "http://evil", matched: "evil" },
    marked: ["evil"],
    certainty: "bytes",
  },
  {
    what: "a match beyond the 4 KiB of the value that are kept",
    line: `GET /?a=${"x".repeat(9000)}%3Cscript HTTP/1.1`,
    rule: { ...rx, variable: "ARGS:a", value: "x".repeat(4096), matched: "<script" },
    marked: ["%3Cscript"],
    certainty: "bytes",
  },
  {
    what: "base64 within an argument",
    line: "GET /?a=PHNjcmlwdD4= HTTP/1.1",
    rule: { ...rx, variable: "ARGS:a", value: "<script>", matched: "<scri" },
    marked: ["PHNjcml"],
    certainty: "bytes",
  },
  {
    what: "paths that are normalised",
    line: "GET /?f=/a/./b/../../etc/passwd HTTP/1.1",
    rule: { ...rx, variable: "ARGS:f", value: "/etc/passwd", matched: "etc/passwd" },
    marked: ["etc/passwd"],
    certainty: "bytes",
  },
  {
    what: "SQL comments and white space",
    line: "GET /?q=union/**/select%09%09%0a1 HTTP/1.1",
    rule: { ...rx, variable: "ARGS:q", value: "union select 1", matched: "union select 1" },
    marked: ["union/**/select%09%09%0a1"],
    certainty: "bytes",
  },
  {
    what: "IIS's escapes",
    line: "GET /?q=%u003cscript HTTP/1.1",
    rule: { ...rx, variable: "ARGS:q", value: "<script", matched: "<s" },
    marked: ["%u003cs"],
    certainty: "bytes",
  },
  {
    what: "CSS escapes",
    line: "GET /?q=\\65 xpression( HTTP/1.1",
    rule: { ...rx, variable: "ARGS:q", value: "expression(", matched: "expression" },
    marked: ["\\65 xpression"],
    certainty: "bytes",
  },
];

function shown(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byte < 0x80 ? String.fromCharCode(byte) : `\\x${byte.toString(16)}`;
  return text;
}

for (const { what, line = "GET / HTTP/1.1", headers = [], body, response, rule, marked, certainty } of CASES) {
  test(what, () => {
    const request: RequestEvidence = { line, headers, engine: "on" };
    if (body !== undefined) request.body = { bytes: body, total: 0 };
    if (response) request.response = response;
    const all = messages(request);
    const found = locate(all, { id: 1, phase: 2, line: 1, operator: "rx", ...rule });
    const bytes = (found.side === "request" ? all.request : all.response)?.bytes ?? new Uint8Array();
    const texts = found.spans.map(({ from, to }) => shown(bytes.subarray(from, to)));
    const expected = marked.map((text) => (text.includes("\\x") ? text : shown(utf8(text))));
    assert.deepEqual({ texts, certainty: found.certainty }, { texts: expected, certainty });
  });
}

test("a match behind what is kept of a body is marked in its window", () => {
  const all = messages({
    line: "POST / HTTP/1.1",
    headers: FORM,
    body: {
      bytes: `a=${"x".repeat(100)}`,
      total: 5000,
      truncated: true,
      windows: [
        { offset: 1000, bytes: "yyy" },
        { offset: 2000, bytes: "b=1&c=%3Cscript%3Ealert(1)" },
      ],
    },
    engine: "on",
  });
  assert.deepEqual(
    all.request.windows.map(({ missing }) => missing),
    [898, 997],
  );
  const rule = { id: 1, phase: 2, line: 1, operator: "rx", variable: "ARGS:c", value: "<script>alert(1)", matched: "<script>" };
  const found = locate(all, rule);
  const texts = found.spans.map(({ from, to }) => shown(all.request.bytes.subarray(from, to)));
  assert.deepEqual({ texts, certainty: found.certainty }, { texts: ["%3Cscript%3E"], certainty: "bytes" });
});

test("there are enough cases", () => assert.ok(CASES.length >= 50, `${CASES.length}`));

test("a thousand matches on a large value take bounded work", () => {
  const all = messages({
    line: "POST / HTTP/1.1",
    headers: FORM,
    body: { bytes: `a=${"%253c\\u0041&lt;".replaceAll("&", "%26").repeat(60_000)}`, total: 0 },
    engine: "on",
  });
  for (let match = 0; match < 1000; match += 1) {
    const rule = { id: 1, phase: 2, line: 1, operator: "rx", variable: "ARGS:a", value: `zz${match}`, matched: "zz" };
    assert.equal(locate(all, rule).certainty, "value");
  }
  // a thousand full searches would read a thousand million bytes
  assert.ok(all.search.done > 1_000_000 && all.search.done < 26_000_000, `${all.search.done}`);
});

test("hostile bodies take no long time and no deep stack", () => {
  const hostile = [
    "[".repeat(65536),
    '{"a":'.repeat(13000),
    `{"${"k".repeat(30000)}":`.repeat(2),
    "a=1&".repeat(16000),
    "%".repeat(65536),
    `"${"\\u".repeat(30000)}`,
    "&#".repeat(30000),
  ];
  for (const bytes of hostile) {
    for (const type of ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a"]) {
      const all = messages({
        line: "POST / HTTP/1.1",
        headers: [["Content-Type", type]],
        body: { bytes, total: bytes.length },
        engine: "on",
      });
      const rule = { id: 1, phase: 2, line: 1, operator: "rx", variable: "REQUEST_BODY", value: "zzz", matched: "zzz" };
      assert.equal(locate(all, rule).certainty, "value");
    }
  }
});
