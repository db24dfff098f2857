// The docs of users as the console shows them.
import assert from "node:assert/strict";
import { test } from "node:test";
import docs, { version } from "docs:all";
import { anchorOf, type Block, blocksOf, inlineOf } from "../../src/markdown/blocks";

test("blocks", () => {
  const text = "# Title\n\nOne\ntwo.\n\n    code\n\n    more\n\n- a\n  b\n  - c\n- d\n\n1. x\n\n| h | i |\n|---|---|\n| `a|b` | c \\| d |\n\n```sh\nrun\n```\n";
  const item = (text: string): Block => ({ kind: "text", text });
  assert.deepEqual(blocksOf(text), [
    { kind: "heading", level: 1, text: "Title", id: "title" },
    { kind: "text", text: "One two." },
    { kind: "code", text: "code\n\nmore" },
    { kind: "list", ordered: false, items: [[item("a b"), { kind: "list", ordered: false, items: [[item("c")]] }], [item("d")]] },
    { kind: "list", ordered: true, items: [[item("x")]] },
    { kind: "table", head: ["h", "i"], rows: [["`a|b`", "c | d"]] },
    { kind: "code", text: "run" },
  ]);
});

test("words", () => {
  assert.deepEqual(inlineOf("a `b*c*` *d* **e** [`f` g](h.md#i) <https://x.test/>."), [
    { kind: "plain", text: "a " },
    { kind: "code", text: "b*c*" },
    { kind: "plain", text: " " },
    { kind: "em", text: "d" },
    { kind: "plain", text: " " },
    { kind: "strong", text: "e" },
    { kind: "plain", text: " " },
    { kind: "link", text: "f g", to: "h.md#i" },
    { kind: "plain", text: " " },
    { kind: "link", text: "https://x.test/", to: "https://x.test/" },
    { kind: "plain", text: "." },
  ]);
  assert.deepEqual(inlineOf("![a picture](x.png)"), []);
  assert.equal(anchorOf("`monban check`: what, and why?"), "monban-check-what-and-why");
});

test("every page of the docs is inside, and its links lead somewhere", async () => {
  assert.match(version, /^\d+\.\d+\.\d+/);
  assert.ok(docs.length > 15);
  const anchors = new Map<string, Set<string>>();
  const links: [string, string][] = [];
  const walk = (name: string, blocks: Block[]): void => {
    for (const block of blocks) {
      const texts = "text" in block && block.kind !== "code" ? [block.text] : block.kind === "table" ? [...block.head, ...block.rows.flat()] : [];
      if (block.kind === "heading") anchors.get(name)?.add(block.id);
      if (block.kind === "table") for (const row of block.rows) assert.equal(row.length, block.head.length, `${name}: ${row.join(" | ")}`);
      if (block.kind === "list") for (const item of block.items) walk(name, item);
      for (const text of texts) {
        for (const one of inlineOf(text)) {
          if (one.kind === "link") links.push([name, one.to]);
          else if (one.kind === "plain") assert.doesNotMatch(one.text, /\]\(|```/, `${name}: ${one.text}`);
        }
      }
    }
  };
  for (const { name, load } of docs) {
    anchors.set(name, new Set());
    walk(name, blocksOf((await load()).default));
  }
  for (const [from, to] of links) {
    const [, name, hash] = /^([a-zA-Z-]*)(?:\.md)?(?:#(.*))?$/.exec(to) ?? [];
    if (name === undefined || to.includes("/")) continue;
    const found = anchors.get(name === "" ? from : name.toLowerCase());
    assert.ok(found && (hash === undefined || found.has(hash)), `${from} links to ${to}`);
  }
});
