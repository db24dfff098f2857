// Marks in decoded values, base64, formatted JSON.
import { byteAt, type Mapped, textOf } from "../../../bytes/bytes";
import { headerText, type Message, part } from "./message";
import { base64Decode } from "./transformations";
import type { Mark, Marked } from "./view";
import { pieces } from "../../../bytes/visible";

/** Returns the value in pieces; a piece is marked if its bytes come from marked bytes. */
export function markedValue(value: Mapped, marks: Mark[]): Marked[] {
  const whole = value.span();
  const near = whole ? marks.filter((mark) => mark.span.from < whole.to && mark.span.to > whole.from) : [];
  const of = (at: number): number[] => {
    const from = value.starts[at] ?? 0;
    const to = value.ends[at] ?? 0;
    return [...new Set(near.filter(({ span }) => span.from < to && span.to > from).map(({ match }) => match))];
  };
  const cuts: number[] = [];
  if (near.length > 0) {
    let before = "";
    for (let at = 0; at < value.length; at += 1) {
      const now = of(at).join();
      // a continuation byte starts no piece
      if (now !== before && (byteAt(value.bytes, at) & 0xc0) !== 0x80) {
        cuts.push(at);
        before = now;
      }
    }
  }
  return pieces(value.bytes, { from: 0, to: value.length }, cuts, true).map(({ text, escape, from }) => ({
    text,
    escape,
    marks: near.length > 0 ? of(from) : [],
  }));
}

/** Most bytes of a value that are tried as base64. */
const MOST_BASE64 = 2000;

/** Returns the text of a value that looks like base64; undefined otherwise. */
export function plausibleBase64(value: Mapped): string | undefined {
  const text = textOf(value.bytes.subarray(0, MOST_BASE64));
  if (value.length < 8 || value.length > MOST_BASE64 || !/^[A-Za-z0-9+/_-]+={0,2}$/.test(text)) return undefined;
  const bytes = base64Decode(value).bytes;
  const printable = bytes.filter((byte) => (byte >= 0x20 && byte < 0x7f) || byte === 10 || byte === 13 || byte === 9);
  return bytes.length > 4 && printable.length === bytes.length ? textOf(bytes) : undefined;
}

/** Most characters of formatted JSON. */
const MOST_LAID_OUT = 1_000_000;

/** Returns a formatted JSON body; undefined if it is not JSON, or truncated. */
export function prettyJson(message: Message): string | undefined {
  if (!message.body || !/json/i.test(headerText(message, "content-type"))) return undefined;
  const text = textOf(part(message, message.body));
  if (text.length > 200_000) return undefined;
  try {
    return layOut(text);
  } catch {
    return undefined;
  }
}

/** Formats JSON. Only white space changes: numbers, escapes and duplicate keys stay as sent. Throws if it is not JSON. */
export function layOut(json: string): string {
  JSON.parse(json);
  let out = "";
  let depth = 0;
  const line = (): string => `\n${"  ".repeat(Math.min(depth, 40))}`;
  for (const [token] of json.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/gsu)) {
    if (out.length > MOST_LAID_OUT) throw new RangeError("too deep to be laid out");
    if (token === "{" || token === "[") {
      depth += 1;
      out += token + line();
    } else if (token === "}" || token === "]") {
      depth -= 1;
      out = out.endsWith(`${line()}  `) ? out.slice(0, -(line().length + 2)) + token : out + line() + token;
    } else if (token === ",") {
      out += token + line();
    } else {
      out += token === ":" ? ": " : token;
    }
  }
  return out;
}
