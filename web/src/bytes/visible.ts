/**
 * Untrusted bytes as readable text: control characters, invisible characters and those that change the
 * direction of text become escapes. The text holds nothing that a terminal or a browser interprets.
 */
import { escapeOf, visible as visibleOf } from "../ui/untrusted";
import { byteAt, type Span } from "./bytes";

/** Returns whether a character is invisible or misleading. */
function hidden(character: string): boolean {
  return (character < " " || character > "~") && visibleOf(character) !== character;
}

export interface Piece {
  text: string;
  /** Whether the text is an escape. */
  escape: boolean;
  /** The bytes that it shows. */
  from: number;
  to: number;
}

/** Bytes beyond which escapes are not marked, so that a page of NULs needs no million elements. */
const TOLD_APART = 64 * 1024;

/**
 * Returns the bytes of a span in pieces. `lines` keeps line ends and tabs. A piece ends at each of `cuts` (ascending, at
 * [`boundary`]s).
 */
export function pieces(bytes: Uint8Array, span: Span, cuts: number[], lines: boolean): Piece[] {
  const out: Piece[] = [];
  const tellApart = span.to - span.from <= TOLD_APART;
  let cut = 0;
  let current: Piece | undefined;
  for (let at = span.from; at < span.to; ) {
    const { code, length } = characterAt(bytes, at, span.to);
    // the line feed ends the line; the hex view shows the CR
    const lineEnd = lines && code === 13 && byteAt(bytes, at + 1) === 10 && at + 1 < span.to;
    const plain = code >= 0 && ((lines && (code === 10 || code === 9)) || !hidden(String.fromCodePoint(code)));
    let text = "";
    if (plain) text = String.fromCodePoint(code);
    else if (code < 0) text = `\\x${byteAt(bytes, at).toString(16).padStart(2, "0")}`;
    else if (!lineEnd) text = escapeOf(String.fromCodePoint(code));
    while ((cuts[cut] ?? span.to) < at) {
      cut += 1;
    }
    const escape = !plain && !lineEnd && tellApart;
    if (current && cuts[cut] !== at && current.escape === escape) {
      current.text += text;
      current.to = at + length;
    } else {
      current = { text, escape, from: at, to: at + length };
      out.push(current);
    }
    at += length;
  }
  return out;
}

/** Returns the index, or the beginning or end of the character around it. */
export function boundary(bytes: Uint8Array, at: number, side: "begin" | "end"): number {
  for (let back = 1; back < 4 && back <= at; back += 1) {
    const { length } = characterAt(bytes, at - back, bytes.length);
    if (length > back) {
      return side === "begin" ? at - back : at - back + length;
    }
  }
  return at;
}

/** Returns the character at an index and its length in UTF-8 (RFC 3629); code -1 and length 1 for an invalid byte. */
export function characterAt(bytes: Uint8Array, at: number, end: number): { code: number; length: number } {
  const lead = byteAt(bytes, at);
  if (lead < 0x80) {
    return { code: lead, length: 1 };
  }
  const length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  const least = [0, 0, 0x80, 0x800, 0x10000][length] ?? 0;
  let code = lead & (0xff >> (length + 1));
  for (let more = 1; more < length; more += 1) {
    const byte = at + more < end ? byteAt(bytes, at + more) : -1;
    if (byte < 0x80 || byte > 0xbf) {
      return { code: -1, length: 1 };
    }
    code = code * 64 + (byte & 0x3f);
  }
  const valid = lead >= 0xc2 && lead <= 0xf4 && code >= least && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
  return valid ? { code, length } : { code: -1, length: 1 };
}
