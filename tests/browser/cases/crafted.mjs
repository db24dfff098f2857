// Crafted events, imported from an audit log: an attack in every field, NUL, invalid UTF-8, a megabyte.
// Every page shows each as text, in full on demand, on a phone too.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { stickingOut } from "../look.mjs";

const MARKUP = `"'><img src=x onerror=alert(1)><script>alert(1)</script><svg/onload=alert(1)>`;
const HIDDEN = "\u202e\u2066\u200b\u001b[31m\u001b]0;x\u0007\u0000\u0085\u2028\ufeff";
const SHOWN = "\\u{202e}\\u{2066}\\u{200b}\\x1b[31m\\x1b]0;x\\x07\\x00\\x85\\u{2028}\\u{feff}";
const bad = (name) => `${name}:${MARKUP}${HIDDEN}`;

/** One line of libmodsecurity's JSON, as bytes: the character after `raw` in a text becomes a byte that is not UTF-8. */
function line(number, change) {
  const entry = {
    transaction: {
      client_ip: "203.0.113.66",
      time_stamp: "Mon Nov 23 09:05:01 2026",
      server_id: "x",
      client_port: 52740,
      host_ip: "127.0.0.1",
      host_port: 80,
      unique_id: `1795424701${number}.730237`,
      request: {
        method: "POST",
        http_version: 1.1,
        uri: `/?name=${bad("uri")}`,
        headers: { Host: "crafted.example", [bad("header-name")]: bad("header-value") },
        body: bad("body"),
      },
      response: { body: bad("answer"), http_code: 403, headers: { "X-Answer": bad("answer-header") } },
      producer: { secrules_engine: "Enabled" },
      messages: [
        {
          message: bad("message"),
          details: {
            match: `Matched "Operator \`Rx' with parameter \`(?i)<s' against variable \`ARGS:name' (Value: \`${bad("uri")}' )`,
            ruleId: "941110",
            file: bad("file"),
            lineNumber: "64",
            data: `Matched Data: <script> found within ARGS:name: ${bad("uri")}`,
            severity: "2",
            ver: bad("ver"),
            tags: [bad("tag")],
          },
        },
      ],
      ...change,
    },
  };
  return JSON.stringify(entry);
}

export default async (bench) => {
  const visitor = await bench.owner();
  const long = "L".repeat(1_000_000);
  const file = join(bench.folder, "crafted.json");
  const request = { method: "POST", http_version: 1.1, uri: "/long", headers: { Host: "crafted.example" } };
  const texts = [
    line(1, {}),
    line(2, { request: { ...request, body: long } }),
    line(3, { request: { ...request, uri: "/raw", body: "RAWBYTES" } }),
  ];
  const bytes = Buffer.from(`${texts.join("\n")}\n`, "utf8");
  const at = bytes.indexOf("RAWBYTES");
  bytes.set([0xff, 0xfe, 0xc0, 0xaf, 0xed, 0xa0, 0x80, 0x80], at);
  writeFileSync(file, bytes);
  const imported = bench.command("events", "import", file, "--sensor", "crafted");
  bench.ok(/\b3\b/.test(imported), imported);
  const events = await visitor.events(3, "node=crafted");
  const find = (path) => events.find(({ evidence }) => JSON.stringify(evidence.request.line).includes(path));

  for (const options of [{}, { width: 360, height: 740, locale: "ja-JP", scheme: "dark" }]) {
    const looker = await bench.owner(options);
    const { page } = looker;
    const literal = async (what) => {
      const found = await page.evaluate(() => {
        const hidden = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/;
        const seen = [];
        for (const element of document.querySelectorAll("*")) {
          for (const name of ["title", "aria-label", "alt"]) {
            if (hidden.test(element.getAttribute(name) ?? "")) seen.push(`${element.tagName} ${name}`);
          }
          for (const node of element.childNodes) {
            if (node.nodeType === Node.TEXT_NODE && hidden.test(node.data)) seen.push(node.data.slice(0, 80));
          }
        }
        if (document.querySelector("main img, main script, main iframe, main [onload], main [onerror]")) seen.push("an element");
        return seen;
      });
      bench.equal(found, [], what);
      bench.equal(await stickingOut(page), [], what);
    };
    const crafted = find("uri:");
    await looker.open(`/events/${crafted.id}`);
    const text = await looker.text("main");
    for (const field of ["uri", "header-name", "header-value", "body", "answer", "answer-header", "message"]) {
      bench.ok(text.includes(`${field}:${MARKUP}${SHOWN}`), `${field} stands there as it was sent`);
    }
    await literal("text");
    for (const view of ["hex", "decoded"]) {
      await page.keyboard.press("v");
      await page.keyboard.press("j");
      await literal(view);
    }
    await page.locator("summary").last().click();
    await literal("JSON");

    await looker.open(`/events/${find("/raw").id}`);
    bench.ok((await looker.text("main")).includes("\\xff\\xfe\\xc0\\xaf\\xed\\xa0\\x80\\x80"), "bytes that are no UTF-8");
    await literal("raw");

    await looker.open(`/events/${find("/long").id}`);
    const shown = () => page.evaluate(() => document.querySelector(".message").textContent.length);
    bench.ok((await shown()) < 10_000, "a long body is folded");
    await page.locator(".message > .button").first().click();
    await page.waitForFunction(() => document.querySelector(".message").textContent.length > 60_000);
    await literal("a long body");

    for (const path of ["/events?node=crafted", "/incidents", "/", "/live?node=crafted"]) {
      await looker.open(path);
      await literal(path);
    }
  }
};
