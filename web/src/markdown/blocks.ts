// The Markdown of monban's own docs as blocks: headings, paragraphs, lists, tables, code. Not a reader of other Markdown.

export type Block =
  | { kind: "heading"; level: number; text: string; id: string }
  | { kind: "text"; text: string }
  | { kind: "code"; text: string }
  | { kind: "list"; ordered: boolean; items: Block[][] }
  | { kind: "table"; head: string[]; rows: string[][] };

/** Returns the anchor of a heading, as GitHub makes it. */
export function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, "")
    .trim()
    .replace(/\s/g, "-");
}

const ITEM = /^(\s*)(?:[-*]|(\d+)\.)\s+/;

/** Returns the cells of a line of a table. `|` in code, or after a backslash, is no border. */
function cellsOf(line: string): string[] {
  const cells = line.trim().slice(1, -1).match(/(?:\\.|`[^`]*`|[^|\\])*/g) ?? [];
  return cells.filter((_, at) => at % 2 === 0 || cells[at] !== "").map((cell) => cell.trim().replaceAll("\\|", "|"));
}

/** Parses a text. */
export function blocksOf(text: string): Block[] {
  return parsed(text.replace(/<!--.*?-->/gs, "").split("\n"));
}

function parsed(lines: readonly string[]): Block[] {
  const blocks: Block[] = [];
  let at = 0;
  const line = (): string => lines[at] ?? "";
  /** Takes lines while `fits`, at least one. */
  const take = (fits: (line: string) => boolean): string[] => {
    const taken = [line()];
    for (at++; at < lines.length && fits(line()); at++) taken.push(line());
    return taken;
  };
  while (at < lines.length) {
    const heading = /^(#{1,4}) (.*)$/.exec(line());
    const item = ITEM.exec(line());
    if (line().trim() === "") at++;
    else if (heading) {
      const [, marks = "", title = ""] = heading;
      blocks.push({ kind: "heading", level: marks.length, text: title, id: anchorOf(title) });
      at++;
    } else if (line().startsWith("```")) {
      at++;
      const code = at < lines.length && !line().startsWith("```") ? take((one) => !one.startsWith("```")) : [];
      at++;
      blocks.push({ kind: "code", text: code.join("\n") });
    } else if (/^ {4}/.test(line())) {
      const code = take((one) => /^ {4}/.test(one) || one.trim() === "");
      blocks.push({ kind: "code", text: code.map((one) => one.slice(4)).join("\n").trimEnd() });
    } else if (/^\|/.test(line())) {
      const [head = "", , ...rows] = take((one) => /^\|/.test(one));
      blocks.push({ kind: "table", head: cellsOf(head), rows: rows.map(cellsOf) });
    } else if (item) {
      const indent = (item[1] ?? "").length;
      const mine = (one: string): boolean => {
        const next = ITEM.exec(one);
        return next !== null && (next[1] ?? "").length === indent;
      };
      const all = take((one) => mine(one) || /^\s+\S/.test(one) || (one.trim() === "" && /^\s+\S/.test(lines[at + 1] ?? "")));
      const items: string[][] = [];
      for (const one of all) {
        const width = ITEM.exec(one)?.[0].length;
        if (mine(one)) items.push([one.slice(width)]);
        else items.at(-1)?.push(one.replace(new RegExp(`^\\s{0,${indent + (item[2] ? 3 : 2)}}`), ""));
      }
      blocks.push({ kind: "list", ordered: item[2] !== undefined, items: items.map(parsed) });
    } else {
      const words = take((one) => one.trim() !== "" && !/^(?:#{1,4} |```|\||\s*[-*] )/.test(one));
      blocks.push({ kind: "text", text: words.map((one) => one.trim()).join(" ") });
    }
  }
  return blocks;
}

export type Inline = { kind: "plain" | "code" | "strong" | "em"; text: string } | { kind: "link"; text: string; to: string };

const INLINE = /`([^`]+)`|!\[[^\]]*\]\([^)\s]+\)|\[((?:`[^`]*`|[^\]])+)\]\(([^)\s]+)\)|\*\*([^*]+)\*\*|\*([^*\s][^*]*)\*|<(https?:[^>]+)>/g;

/** Parses the text of a paragraph, a heading or a cell. Pictures are left out: they are not in the binary. */
export function inlineOf(text: string): Inline[] {
  const found: Inline[] = [];
  let end = 0;
  for (const match of text.matchAll(INLINE)) {
    const [whole, code, label, to, strong, em, address] = match;
    if (match.index > end) found.push({ kind: "plain", text: text.slice(end, match.index) });
    end = match.index + whole.length;
    if (code !== undefined) found.push({ kind: "code", text: code });
    else if (to !== undefined) found.push({ kind: "link", text: (label ?? "").replaceAll("`", ""), to });
    else if (strong !== undefined) found.push({ kind: "strong", text: strong });
    else if (em !== undefined) found.push({ kind: "em", text: em });
    else if (address !== undefined) found.push({ kind: "link", text: address, to: address });
  }
  if (end < text.length) found.push({ kind: "plain", text: text.slice(end) });
  return found;
}
