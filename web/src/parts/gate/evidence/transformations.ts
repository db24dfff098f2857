/**
 * SecLang transformations on mapped bytes, as in crates/waf, so that a match in a transformed value can be located in the bytes
 * as sent. Transformations that do not keep the order (hashes, lengths) are missing.
 */
import { byteAt, hexDigit, hexPair, Mapped, MappedBuilder } from "../../../bytes/bytes";

export type Transformation = (value: Mapped) => Mapped;

const NBSP = 0xa0;

function isSpace(byte: number): boolean {
  return byte === 0x20 || (byte >= 9 && byte <= 13);
}

/** A step of a decoder: the byte, and the number of bytes that it replaces; byte -1 for none. */
type Step = [byte: number, length: number];

function decoder(step: (bytes: Uint8Array, at: number) => Step): Transformation {
  return (value) => {
    const out = new MappedBuilder(value);
    for (let at = 0; at < value.length; ) {
      const [byte, length] = step(value.bytes, at);
      if (byte >= 0) {
        out.push(byte, at, at + length);
      }
      at += Math.max(length, 1);
    }
    return out.done();
  };
}

/** Decodes `%uFF01` to `%uFF5E`, the full-width forms of ASCII; other codes keep their lower byte. */
function narrow(high: number, low: number): number {
  return high === 0xff && low > 0 && low < 0x5f ? low + 0x20 : low;
}

/** Decodes `%hh` and `+`, as in forms and queries. */
export const formDecode = decoder((bytes, at) => {
  const byte = byteAt(bytes, at);
  if (byte === 0x2b) {
    return [0x20, 1];
  }
  const pair = byte === 0x25 ? hexPair(bytes, at + 1) : -1;
  return pair < 0 ? [byte, 1] : [pair, 3];
});

/** Decodes `%hh` and keeps `+`, as in paths. */
export const percentDecode = decoder((bytes, at) => {
  const byte = byteAt(bytes, at);
  const pair = byte === 0x25 ? hexPair(bytes, at + 1) : -1;
  return pair < 0 ? [byte, 1] : [pair, 3];
});

const urlDecodeUni = decoder((bytes, at) => {
  const byte = byteAt(bytes, at);
  if (byte === 0x2b) {
    return [0x20, 1];
  }
  if (byte !== 0x25) {
    return [byte, 1];
  }
  if ((byteAt(bytes, at + 1) | 0x20) === 0x75) {
    const high = hexPair(bytes, at + 2);
    const low = hexPair(bytes, at + 4);
    if (high >= 0 && low >= 0) {
      return [narrow(high, low), 6];
    }
  }
  const pair = hexPair(bytes, at + 1);
  return pair < 0 ? [byte, 1] : [pair, 3];
});

const ENTITIES: Record<string, number> = { quot: 0x22, amp: 0x26, lt: 0x3c, gt: 0x3e, nbsp: NBSP };

const htmlEntityDecode = decoder((bytes, at) => {
  const byte = byteAt(bytes, at);
  if (byte !== 0x26) {
    return [byte, 1];
  }
  let end = at + 1;
  let decoded = -1;
  if (byteAt(bytes, end) === 0x23) {
    const hex = (byteAt(bytes, end + 1) | 0x20) === 0x78;
    end += hex ? 2 : 1;
    const radix = hex ? 16 : 10;
    for (let digit = hexDigit(byteAt(bytes, end)); digit >= 0 && digit < radix; ) {
      decoded = (Math.max(decoded, 0) * radix + digit) % 0x1000000;
      end += 1;
      digit = hexDigit(byteAt(bytes, end));
    }
    decoded = decoded < 0 ? -1 : decoded & 0xff;
  } else {
    let name = "";
    while (/[a-z0-9]/i.test(String.fromCharCode(Math.max(byteAt(bytes, end), 0))) && name.length < 8) {
      name += String.fromCharCode(byteAt(bytes, end)).toLowerCase();
      end += 1;
    }
    decoded = Object.hasOwn(ENTITIES, name) ? (ENTITIES[name] ?? -1) : -1;
  }
  if (decoded < 0) {
    return [byte, 1];
  }
  return [decoded, end - at + (byteAt(bytes, end) === 0x3b ? 1 : 0)];
});

const LETTERS: Record<string, number> = { a: 7, b: 8, f: 12, n: 10, r: 13, t: 9, v: 11 };

const jsDecode = decoder((bytes, at) => {
  const byte = byteAt(bytes, at);
  const escaped = byteAt(bytes, at + 1);
  if (byte !== 0x5c || escaped < 0) {
    return [byte, 1];
  }
  if (escaped === 0x75) {
    const high = hexPair(bytes, at + 2);
    const low = hexPair(bytes, at + 4);
    if (high >= 0 && low >= 0) {
      return [narrow(high, low), 6];
    }
  }
  if (escaped === 0x78 && hexPair(bytes, at + 2) >= 0) {
    return [hexPair(bytes, at + 2), 4];
  }
  let value = 0;
  let digits = 0;
  while (digits < 3 && byteAt(bytes, at + 1 + digits) >= 0x30 && byteAt(bytes, at + 1 + digits) <= 0x37) {
    value = value * 8 + byteAt(bytes, at + 1 + digits) - 0x30;
    digits += 1;
  }
  if (digits > 0) {
    return value > 0xff ? [value >> 3, 3] : [value, 1 + digits];
  }
  return [LETTERS[String.fromCharCode(escaped)] ?? escaped, 2];
});

const cssDecode = decoder((bytes, at) => {
  const byte = byteAt(bytes, at);
  if (byte !== 0x5c) {
    return [byte, 1];
  }
  let digits = 0;
  while (digits < 6 && hexDigit(byteAt(bytes, at + 1 + digits)) >= 0) {
    digits += 1;
  }
  const end = at + 1 + digits;
  if (digits === 0) {
    const next = byteAt(bytes, end);
    return next < 0 ? [-1, 1] : [next === 10 ? -1 : next, 2];
  }
  const low = digits === 1 ? hexDigit(byteAt(bytes, end - 1)) : hexPair(bytes, end - 2);
  let leading = 0;
  for (let digit = at + 1; digit < end - 4; digit += 1) {
    leading += hexDigit(byteAt(bytes, digit));
  }
  const decoded = digits >= 4 && leading === 0 ? narrow(hexPair(bytes, end - 4), low) : low;
  return [decoded, end - at + (isSpace(byteAt(bytes, end)) ? 1 : 0)];
});

const utf8ToUnicode: Transformation = (value) => {
  const out = new MappedBuilder(value);
  for (let at = 0; at < value.length; ) {
    const lead = byteAt(value.bytes, at);
    const length = lead >= 0xf0 && lead <= 0xf7 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    if (length === 1 || lead > 0xf7) {
      if (lead !== 0) {
        out.push(lead, at, at + 1);
      }
      at += 1;
      continue;
    }
    let code = lead & (0xff >> (length + 1));
    let valid = true;
    for (let more = 1; more < length; more += 1) {
      const byte = byteAt(value.bytes, at + more);
      valid &&= byte >= 0x80 && byte < 0xc0;
      code = code * 64 + (byte & 0x3f);
    }
    if (!valid) {
      at += 1;
      continue;
    }
    for (const character of `%u${code.toString(16).padStart(4, "0")}`) {
      out.push(character.charCodeAt(0), at, at + length);
    }
    at += length;
  }
  return out.done();
};

const lowercase: Transformation = (value) =>
  new Mapped(
    value.bytes.map((byte) => (byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte)),
    value.starts,
    value.ends,
  );

function without(dropped: (byte: number) => boolean): Transformation {
  return decoder((bytes, at) => {
    const byte = byteAt(bytes, at);
    return [dropped(byte) ? -1 : byte, 1];
  });
}

const removeNulls = without((byte) => byte === 0);
const isBlank = (byte: number): boolean => isSpace(byte) || byte === NBSP;
const removeWhitespace = without(isBlank);

const compressWhitespace = decoder((bytes, at) => {
  const byte = byteAt(bytes, at);
  if (!isBlank(byte)) {
    return [byte, 1];
  }
  let end = at + 1;
  while (isBlank(byteAt(bytes, end))) {
    end += 1;
  }
  return [0x20, end - at];
});

const trim: Transformation = (value) => {
  let from = 0;
  let to = value.length;
  while (from < to && isSpace(byteAt(value.bytes, from))) {
    from += 1;
  }
  while (to > from && isSpace(byteAt(value.bytes, to - 1))) {
    to -= 1;
  }
  return value.slice(from, to);
};

const cmdLine: Transformation = (value) => {
  const out = new MappedBuilder(value);
  for (let at = 0; at < value.length; at += 1) {
    const byte = byteAt(value.bytes, at);
    const character = String.fromCharCode(byte);
    if (byte === 0) {
      break;
    }
    if ("\"'\\^".includes(character)) {
      continue;
    }
    if (" ,;\t\r\n".includes(character)) {
      if (out.last() !== 0x20) {
        out.push(0x20, at, at + 1);
      }
      continue;
    }
    if ("/(".includes(character) && out.last() === 0x20) {
      out.pop();
    }
    out.push(byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte, at, at + 1);
  }
  return out.done();
};

const replaceComments: Transformation = (value) => {
  const out = new MappedBuilder(value);
  for (let at = 0; at < value.length; ) {
    if (byteAt(value.bytes, at) !== 0x2f || byteAt(value.bytes, at + 1) !== 0x2a) {
      out.push(byteAt(value.bytes, at), at, at + 1);
      at += 1;
      continue;
    }
    let end = at + 2;
    while (end < value.length && (byteAt(value.bytes, end) !== 0x2a || byteAt(value.bytes, end + 1) !== 0x2f)) {
      end += 1;
    }
    end = Math.min(end + 2, value.length);
    out.push(0x20, at, end);
    at = end;
  }
  return out.done();
};

/** Removes `.` and `..` segments and doubled separators. */
function normalizePath(windows: boolean): Transformation {
  const separates = (byte: number): boolean => byte === 0x2f || (windows && byte === 0x5c);
  return (value) => {
    const out = new MappedBuilder(value);
    const absolute = separates(byteAt(value.bytes, 0));
    /** Lengths of `out` before each segment that `..` may remove. */
    const before: number[] = [];
    for (let at = 0; at < value.length; ) {
      if (separates(byteAt(value.bytes, at))) {
        if (out.last() !== 0x2f && (absolute || out.length > 0)) {
          out.push(0x2f, at, at + 1);
        }
        at += 1;
        continue;
      }
      let end = at;
      while (end < value.length && !separates(byteAt(value.bytes, end))) {
        end += 1;
      }
      const dots = value.bytes.subarray(at, end).every((byte) => byte === 0x2e) ? end - at : 0;
      if (dots === 2 && (before.length > 0 || absolute)) {
        out.truncate(before.pop() ?? Math.min(out.length, 1));
      } else if (dots !== 1) {
        if (dots !== 2) {
          before.push(out.length);
        }
        for (let byte = at; byte < end; byte += 1) {
          out.push(byteAt(value.bytes, byte), byte, byte + 1);
        }
      }
      at = end;
    }
    if (!separates(byteAt(value.bytes, value.length - 1)) && out.last() === 0x2f && out.length > 1) {
      out.pop();
    }
    return out.done();
  };
}

function base64Digit(byte: number): number {
  return "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".indexOf(String.fromCharCode(byte));
}

/** Decodes standard and URL-safe digits up to the first other byte. Each byte maps to the digits that contain its bits. */
export const base64Decode: Transformation = (value) => {
  const out = new MappedBuilder(value);
  let bits = 0;
  let held = 0;
  for (let at = 0; at < value.length; at += 1) {
    const byte = byteAt(value.bytes, at);
    const digit = base64Digit(byte === 0x2d ? 0x2b : byte === 0x5f ? 0x2f : byte);
    if (digit < 0) {
      break;
    }
    bits = ((bits << 6) | digit) & 0xffff;
    held += 6;
    if (held >= 8) {
      held -= 8;
      out.push((bits >> held) & 0xff, at - 1, at + 1);
    }
  }
  return out.done();
};

/** All transformations by their SecLang names. */
export const TRANSFORMATIONS: Readonly<Record<string, Transformation>> = {
  urlDecodeUni,
  lowercase,
  htmlEntityDecode,
  utf8toUnicode: utf8ToUnicode,
  removeNulls,
  jsDecode,
  cssDecode,
  cmdLine,
  compressWhitespace,
  removeWhitespace,
  replaceComments,
  normalizePath: normalizePath(false),
  normalizePathWin: normalizePath(true),
  trim,
  base64Decode,
};
