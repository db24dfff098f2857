// Messages as text and as hex, with marks; long ones folded.
import { byteAt, type Span } from "../../../bytes/bytes";
import type { Location } from "./locate";
import { boundary, pieces } from "../../../bytes/visible";

export interface Marked {
  text: string;
  escape: boolean;
  /** Numbers of the matches that include these bytes. */
  marks: number[];
}

/** A span and the number of its match. */
export interface Mark {
  span: Span;
  match: number;
}

export function marksOf(locations: Location[], side: Location["side"]): Mark[] {
  return locations.flatMap((location, match) =>
    location.side === side ? location.spans.map((span) => ({ span, match })) : [],
  );
}

/** Returns the matches that overlap a span. */
function matchesIn(marks: Mark[], span: Span): number[] {
  const found = marks.filter((mark) => mark.span.from < span.to && mark.span.to > span.from);
  return [...new Set(found.map((mark) => mark.match))];
}

/** Returns the bytes of a span as text. */
export function textView(bytes: Uint8Array, span: Span, marks: Mark[]): Marked[] {
  const within = marks
    .map(({ span: { from, to }, match }) => ({
      span: { from: boundary(bytes, from, "begin"), to: boundary(bytes, to, "end") },
      match,
    }))
    .filter((mark) => mark.span.from < span.to && mark.span.to > span.from);
  const cuts = [...new Set(within.flatMap((mark) => [mark.span.from, mark.span.to]))].sort((a, b) => a - b);
  return pieces(bytes, span, cuts, true).map(({ text, escape, from, to }) => ({
    text,
    escape,
    marks: matchesIn(within, { from, to }),
  }));
}

/** Returns the bytes of a span as rows of offset, hex and ASCII; rows start at multiples of `width`. */
export function hexView(bytes: Uint8Array, span: Span, width: number, marks: Mark[]): Marked[] {
  const out: Marked[] = [];
  const add = (text: string, matches: number[]): void => {
    const last = out[out.length - 1];
    if (last && last.marks.length === matches.length && last.marks.every((match, at) => match === matches[at])) {
      last.text += text;
    } else {
      out.push({ text, escape: false, marks: matches });
    }
  };
  const inside = (at: number): boolean => at >= span.from && at < span.to;
  for (let row = span.from - (span.from % width); row < span.to; row += width) {
    const inRow = marks.filter((mark) => mark.span.from < row + width && mark.span.to > row);
    const of = (at: number): number[] => (inside(at) ? matchesIn(inRow, { from: at, to: at + 1 }) : []);
    add(`${row.toString(16).padStart(8, "0")} `, []);
    let before: number[] = [];
    for (let at = row; at < row + width; at += 1) {
      const now = of(at);
      add(at > row && at % 8 === 0 ? "  " : " ", now.filter((match) => before.includes(match)));
      add(inside(at) ? byteAt(bytes, at).toString(16).padStart(2, "0") : "  ", now);
      before = now;
    }
    add("  ", []);
    for (let at = row; at < Math.min(row + width, span.to); at += 1) {
      const byte = byteAt(bytes, at);
      add(inside(at) ? (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".") : " ", of(at));
    }
    add("\n", []);
  }
  return out;
}

/** Bytes shown from the beginning of a long message. */
export const FOLDED_HEAD = 4096;
/** Bytes shown around each further mark. */
const AROUND = 256;
/** Most marks that are shown in a long message. */
const MOST_PLACES = 20;

/** Returns the visible parts of a folded span: its beginning, and the bytes around marks; ascending, without overlap. */
export function folded(span: Span, marks: Mark[], head = FOLDED_HEAD): Span[] {
  if (span.to - span.from <= head + 2 * AROUND) {
    return [span];
  }
  const around = marks
    .filter((mark) => mark.span.from < span.to && mark.span.to > span.from)
    .flatMap(({ span: { from, to } }) => [
      { from: from - AROUND, to: Math.min(to, from + AROUND) },
      { from: Math.max(from, to - AROUND), to: to + AROUND },
    ])
    .map(({ from, to }) => ({ from: Math.max(from, span.from), to: Math.min(to, span.to) }))
    .sort((a, b) => a.from - b.from);
  const shown: Span[] = [{ from: span.from, to: span.from + head }];
  for (const place of around) {
    const last = shown[shown.length - 1];
    if (last && place.from <= last.to) {
      last.to = Math.max(last.to, place.to);
    } else if (shown.length < MOST_PLACES) {
      shown.push(place);
    }
  }
  return shown;
}
