// Bytes of events, and bytes mapped to their source.

/** Bytes as they were sent: text, or, if they are not UTF-8, text with `\xhh` and doubled backslashes, or base64. */
export type ByteText = string | { escaped: string } | { base64: string };

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** Decodes UTF-8, lossily. */
export function textOf(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** Returns the bytes of a text. A backslash that starts no escape is literal. */
export function bytesOf(text: ByteText | undefined): Uint8Array {
  if (text === undefined) {
    return new Uint8Array(0);
  }
  if (typeof text === "string") {
    return utf8(text);
  }
  if ("base64" in text) {
    return Uint8Array.from(atob(text.base64), (character) => character.charCodeAt(0));
  }
  const escaped = utf8(text.escaped);
  const bytes = new Uint8Array(escaped.length);
  let length = 0;
  for (let at = 0; at < escaped.length; at += 1) {
    let byte = byteAt(escaped, at);
    if (byte === BACKSLASH) {
      const next = byteAt(escaped, at + 1);
      if (next === BACKSLASH) {
        at += 1;
      } else if (next === LOWER_X && hexPair(escaped, at + 2) >= 0) {
        byte = hexPair(escaped, at + 2);
        at += 3;
      }
    }
    bytes[length] = byte;
    length += 1;
  }
  return bytes.subarray(0, length);
}

const BACKSLASH = 0x5c;
const LOWER_X = 0x78;

/** Returns the byte at an index; -1 beyond the end. */
export function byteAt(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? -1;
}

/** Returns the value of a hexadecimal digit; -1 for any other byte. */
export function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) {
    return byte - 0x30;
  }
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** Returns the byte of two hexadecimal digits; -1 for other bytes. */
export function hexPair(bytes: Uint8Array, at: number): number {
  const high = hexDigit(byteAt(bytes, at));
  const low = hexDigit(byteAt(bytes, at + 1));
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

export function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  return bytes.length >= prefix.length && prefix.every((byte, at) => byte === bytes[at]);
}

/** Returns the bytes with ASCII letters in lower case. */
export function lower(bytes: Uint8Array): Uint8Array {
  return bytes.map((byte) => (byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte));
}

/** Returns the first occurrence from `from` on; -1 if there is none. */
export function find(bytes: Uint8Array, what: Uint8Array, from = 0): number {
  const first = byteAt(what, 0);
  if (first < 0) {
    return from <= bytes.length ? from : -1;
  }
  for (let at = bytes.indexOf(first, from); at >= 0; at = bytes.indexOf(first, at + 1)) {
    if (at + what.length > bytes.length) {
      return -1;
    }
    let same = 1;
    while (same < what.length && bytes[at + same] === what[same]) {
      same += 1;
    }
    if (same === what.length) {
      return at;
    }
  }
  return -1;
}

/** A range; `to` is exclusive. */
export interface Span {
  from: number;
  to: number;
}

/**
 * Bytes derived from a source: byte `i` comes from `starts[i]` up to, but not including, `ends[i]`. Both arrays are
 * non-decreasing, so that a part of the bytes comes from one part of the source.
 */
export class Mapped {
  constructor(
    readonly bytes: Uint8Array,
    readonly starts: Uint32Array,
    readonly ends: Uint32Array,
  ) {}

  /** Returns the bytes of `span` in the source, unchanged. */
  static of(source: Uint8Array, span: Span = { from: 0, to: source.length }): Mapped {
    const bytes = source.subarray(span.from, span.to);
    const starts = new Uint32Array(bytes.length).map((_, at) => span.from + at);
    return new Mapped(bytes, starts, starts.map((start) => start + 1));
  }

  get length(): number {
    return this.bytes.length;
  }

  slice(from: number, to: number): Mapped {
    return new Mapped(this.bytes.subarray(from, to), this.starts.subarray(from, to), this.ends.subarray(from, to));
  }

  /** Returns the source of a part; undefined for an empty part. */
  span(from = 0, to = this.length): Span | undefined {
    const start = this.starts[from];
    const end = this.ends[to - 1];
    return from >= to || start === undefined || end === undefined ? undefined : { from: start, to: end };
  }
}

/** Builds mapped bytes from others. */
export class MappedBuilder {
  private readonly bytes: number[] = [];
  private readonly starts: number[] = [];
  private readonly ends: number[] = [];

  constructor(private readonly source: Mapped) {}

  get length(): number {
    return this.bytes.length;
  }

  last(): number {
    return this.bytes[this.bytes.length - 1] ?? -1;
  }

  pop(): void {
    this.bytes.pop();
    this.starts.pop();
    this.ends.pop();
  }

  truncate(length: number): void {
    this.bytes.length = length;
    this.starts.length = length;
    this.ends.length = length;
  }

  /** Adds a byte for the bytes `from` to `to` of the source. */
  push(byte: number, from: number, to: number): void {
    this.bytes.push(byte);
    this.starts.push(this.source.starts[from] ?? 0);
    this.ends.push(this.source.ends[to - 1] ?? 0);
  }

  done(): Mapped {
    return new Mapped(Uint8Array.from(this.bytes), Uint32Array.from(this.starts), Uint32Array.from(this.ends));
  }
}
