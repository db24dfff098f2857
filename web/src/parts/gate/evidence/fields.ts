// Names and values of queries, forms, cookies, multipart and JSON bodies, each byte mapped to its position in the message.
import { byteAt, find, lower, Mapped, MappedBuilder, type Span, startsWith, textOf, utf8 } from "../../../bytes/bytes";
import { headerText, indexOf, type Message, part, target } from "./message";
import { formDecode } from "./transformations";

export interface Field {
  name: Mapped;
  value: Mapped;
}

/** Number of fields shown of a message. SecArgumentsLimit is 1,000. */
export const MOST_FIELDS = 1000;

/** Parses `application/x-www-form-urlencoded` as the rules do. */
export function form(source: Uint8Array, span: Span): Field[] {
  const fields: Field[] = [];
  for (let at = span.from; at < span.to && fields.length < MOST_FIELDS; ) {
    const end = indexOf(source, 0x26, at, span.to);
    const equals = indexOf(source, 0x3d, at, end);
    fields.push({
      name: formDecode(Mapped.of(source, { from: at, to: equals })),
      value: formDecode(Mapped.of(source, { from: Math.min(equals + 1, end), to: end })),
    });
    at = end + 1;
  }
  return fields;
}

/** Parses the Cookie header in the form that browsers send. */
export function cookies(source: Uint8Array, span: Span): Field[] {
  const fields: Field[] = [];
  const comma = indexOf(source, 0x2c, span.from, span.to);
  const byComma =
    indexOf(source, 0x3b, span.from, span.to) === span.to && comma < span.to && byteAt(source, comma + 1) === 0x20;
  for (let at = span.from; at < span.to && fields.length < MOST_FIELDS; ) {
    const end = indexOf(source, byComma ? 0x2c : 0x3b, at, span.to);
    while (at < end && byteAt(source, at) <= 0x20) {
      at += 1;
    }
    const equals = indexOf(source, 0x3d, at, end);
    if (equals > at) {
      fields.push({
        name: Mapped.of(source, { from: at, to: equals }),
        value: Mapped.of(source, { from: Math.min(equals + 1, end), to: end }),
      });
    }
    at = end + 1;
  }
  return fields;
}

export interface Part extends Field {
  /** The file name; undefined for other fields. */
  filename: Mapped | undefined;
  headers: Mapped[];
}

/** Parses `multipart/form-data`; undefined for another content type or one without a boundary. */
export function multipart(source: Uint8Array, span: Span, contentType: string): Part[] | undefined {
  const boundary = /^\s*multipart\/[^;]*;(?:.*;)?\s*boundary\s*=\s*(?:"([^"]+)"|([^;\s]+))/i.exec(contentType);
  if (!boundary) {
    return undefined;
  }
  const delimiter = utf8(`--${boundary[1] ?? boundary[2] ?? ""}`);
  const body = source.subarray(0, span.to);
  const next = (from: number): number => {
    let at = find(body, delimiter, from);
    while (at > span.from && byteAt(body, at - 1) !== 10) {
      at = find(body, delimiter, at + 1);
    }
    return at;
  };
  const parts: Part[] = [];
  let at = next(span.from);
  while (at >= 0 && parts.length < MOST_FIELDS) {
    const after = at + delimiter.length;
    if (byteAt(body, after) === 0x2d && byteAt(body, after + 1) === 0x2d) {
      break;
    }
    at = next(after);
    const begin = Math.min(indexOf(body, 10, after, span.to) + 1, span.to);
    parts.push(partOf(body, { from: begin, to: at < 0 ? span.to : at }, at >= 0));
  }
  return parts;
}

function partOf(body: Uint8Array, span: Span, complete: boolean): Part {
  const headers: Mapped[] = [];
  let name = Mapped.of(body, { from: span.to, to: span.to });
  let filename: Mapped | undefined;
  let at = span.from;
  while (at < span.to) {
    const end = indexOf(body, 10, at, span.to);
    const lineEnd = byteAt(body, end - 1) === 13 && end > at ? end - 1 : end;
    const line = { from: at, to: lineEnd };
    at = Math.min(end + 1, span.to);
    if (line.from === line.to) {
      break;
    }
    headers.push(Mapped.of(body, line));
    if (startsWith(lower(body.subarray(line.from, line.to)), utf8("content-disposition:"))) {
      name = parameter(body, line, "name") ?? name;
      filename = parameter(body, line, "filename") ?? filename;
    }
  }
  let to = span.to;
  if (complete && to > at && byteAt(body, to - 1) === 10) {
    to -= 1;
    if (to > at && byteAt(body, to - 1) === 13) {
      to -= 1;
    }
  }
  return { name, filename, headers, value: Mapped.of(body, { from: Math.min(at, to), to }) };
}

/** Returns the `; name="value"` parameter of a header, without quotes and their escapes. */
function parameter(source: Uint8Array, line: Span, name: string): Mapped | undefined {
  let at = indexOf(source, 0x3b, line.from, line.to) + 1;
  while (at > 0 && at < line.to) {
    const equals = indexOf(source, 0x3d, at, line.to);
    const key = textOf(source.subarray(at, equals)).trim().toLowerCase();
    let from = Math.min(equals + 1, line.to);
    while (from < line.to && byteAt(source, from) === 0x20) {
      from += 1;
    }
    const quoted = byteAt(source, from) === 0x22 && from < line.to;
    const value = new MappedBuilder(Mapped.of(source));
    let end = quoted ? from + 1 : from;
    while (end < line.to && byteAt(source, end) !== (quoted ? 0x22 : 0x3b)) {
      const escaped = quoted && byteAt(source, end) === 0x5c && end + 1 < line.to;
      value.push(byteAt(source, escaped ? end + 1 : end), end, end + (escaped ? 2 : 1));
      end += escaped ? 2 : 1;
    }
    if (key === name) {
      return value.done();
    }
    at = indexOf(source, 0x3b, end, line.to) + 1;
  }
  return undefined;
}

/** Most bytes of all names of a JSON body together. */
const JSON_NAME_BYTES = 1_000_000;

/**
 * Returns the scalars of a JSON body, named as in ModSecurity 2: the names of enclosing objects and arrays, joined by dots.
 * Stops at a syntax error; undefined if the body does not start as JSON. Does not recurse.
 */
export function json(source: Uint8Array, span: Span): Field[] | undefined {
  const fields: Field[] = [];
  const all = Mapped.of(source.subarray(0, span.to));
  /** The enclosing names, and whether each level is an array. */
  const prefix: Mapped[] = [];
  const levels: { array: boolean; named: boolean }[] = [];
  let key: Mapped | undefined;
  let expectsKey = false;
  let nameBytes = 0;
  let at = span.from;
  const skip = (): number => {
    while (at < span.to && (byteAt(source, at) === 0x20 || (byteAt(source, at) >= 9 && byteAt(source, at) <= 13))) {
      at += 1;
    }
    return at < span.to ? byteAt(source, at) : -1;
  };
  const value = (value: Mapped): void => {
    const name = dotted(key ? [...prefix, key] : prefix);
    nameBytes += name.length;
    fields.push({ name, value });
  };
  if (skip() !== 0x7b && byteAt(source, at) !== 0x5b) {
    return undefined;
  }
  while (fields.length < MOST_FIELDS && nameBytes < JSON_NAME_BYTES) {
    const byte = skip();
    const level = levels[levels.length - 1];
    if (byte < 0) {
      break;
    }
    if (byte === 0x7b || byte === 0x5b) {
      const array = byte === 0x5b;
      if (array && !key && prefix.length === 0) {
        key = new Mapped(utf8("array"), new Uint32Array(5).fill(at), new Uint32Array(5).fill(at + 1));
      }
      if (key) {
        prefix.push(key);
      }
      nameBytes += prefix.length;
      levels.push({ array, named: key !== undefined });
      expectsKey = !array;
      at += 1;
    } else if (byte === 0x7d || byte === 0x5d) {
      if (!level) {
        break;
      }
      levels.pop();
      if (level.named) {
        key = prefix.pop();
      }
      expectsKey = false;
      at += 1;
    } else if (byte === 0x2c) {
      expectsKey = level !== undefined && !level.array;
      at += 1;
    } else if (byte === 0x3a) {
      expectsKey = false;
      at += 1;
    } else if (byte === 0x22) {
      const { text, end } = jsonString(all, at);
      if (expectsKey) {
        key = text;
      } else {
        value(text);
      }
      at = end;
    } else {
      const from = at;
      while (at < span.to && /[-+.0-9a-z]/i.test(String.fromCharCode(byteAt(source, at)))) {
        at += 1;
      }
      if (at === from) {
        break;
      }
      const word = { from, to: textOf(source.subarray(from, at)) === "null" ? from : at };
      value(Mapped.of(source, word));
    }
  }
  return fields;
}

function dotted(names: Mapped[]): Mapped {
  const bytes: number[] = [];
  const starts: number[] = [];
  const ends: number[] = [];
  for (const name of names) {
    if (bytes.length > 0 || name !== names[0]) {
      const place = name.span()?.from ?? starts[starts.length - 1] ?? 0;
      bytes.push(0x2e);
      starts.push(place);
      ends.push(place);
    }
    for (let at = 0; at < name.length; at += 1) {
      bytes.push(byteAt(name.bytes, at));
      starts.push(name.starts[at] ?? 0);
      ends.push(name.ends[at] ?? 0);
    }
  }
  return new Mapped(Uint8Array.from(bytes), Uint32Array.from(starts), Uint32Array.from(ends));
}

const ESCAPES: Record<string, number> = { b: 8, f: 12, n: 10, r: 13, t: 9 };

/** Returns the string whose opening quote is at `at`, without escapes; `end` is after its closing quote. */
function jsonString(all: Mapped, at: number): { text: Mapped; end: number } {
  const source = all.bytes;
  const out = new MappedBuilder(all);
  const code = (from: number): number => {
    const digits = textOf(source.subarray(from, from + 4));
    return /^[0-9a-f]{4}$/i.test(digits) ? Number.parseInt(digits, 16) : -1;
  };
  let end = at + 1;
  while (end < source.length && byteAt(source, end) !== 0x22) {
    const byte = byteAt(source, end);
    const next = byteAt(source, end + 1);
    if (byte !== 0x5c || next < 0) {
      out.push(byte, end, end + 1);
      end += 1;
      continue;
    }
    let length = 2;
    let bytes = [ESCAPES[String.fromCharCode(next)] ?? next];
    if (next === 0x75 && code(end + 2) >= 0) {
      let point = code(end + 2);
      length = 6;
      if (point >= 0xd800 && point < 0xdc00 && byteAt(source, end + 6) === 0x5c && byteAt(source, end + 7) === 0x75) {
        const low = code(end + 8);
        if (low >= 0xdc00 && low < 0xe000) {
          point = 0x10000 + ((point & 0x3ff) << 10) + (low & 0x3ff);
          length = 12;
        }
      }
      bytes = [...utf8(point >= 0xd800 && point < 0xe000 ? "?" : String.fromCodePoint(point))];
    }
    for (const decoded of bytes) {
      out.push(decoded, end, end + length);
    }
    end += length;
  }
  return { text: out.done(), end: Math.min(end + 1, source.length) };
}

/** The type of a body as the rules parse it. */
export type BodyKind = "form" | "multipart" | "json" | "other";

export interface Decoded {
  query: Field[];
  cookies: Field[];
  body: Field[];
  kind: BodyKind;
  parts: Part[];
}

/** Returns all named values of a request. */
export function decoded(message: Message): Decoded {
  const { query } = target(message);
  const result: Decoded = { query: [], cookies: [], body: [], kind: "other", parts: [] };
  result.query = query ? form(message.bytes, query) : [];
  result.cookies = message.headers
    .filter((line) => textOf(lower(part(message, line.name))) === "cookie")
    .flatMap((line) => cookies(message.bytes, line.value));
  if (!message.body) {
    return result;
  }
  const type = headerText(message, "content-type");
  const parts = multipart(message.bytes, message.body, type);
  if (parts) {
    return { ...result, kind: "multipart", parts, body: parts.filter((part) => !part.filename) };
  }
  const values = /json/i.test(type) ? json(message.bytes, message.body) : undefined;
  if (values) {
    return { ...result, kind: "json", body: values };
  }
  if (/x-www-form-urlencoded/i.test(type)) {
    return { ...result, kind: "form", body: form(message.bytes, message.body) };
  }
  return result;
}
