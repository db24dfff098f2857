// A request or a response as one array of bytes, with the spans of its parts.
import { byteAt, bytesOf, find, lower, type Span, textOf, utf8 } from "../../../bytes/bytes";
import type { Body, Header, RequestEvidence, Response } from "./request";

export interface Line {
  name: Span;
  value: Span;
}

export interface Message {
  /**
   * Start line, headers, empty line, body. Header lines are rebuilt as `Name: value`, without the white space that
   * the client may have sent around the value.
   */
  bytes: Uint8Array;
  start: Span;
  headers: Line[];
  /** The stored beginning; undefined if nothing is stored. */
  body: Span | undefined;
  /** The other stored parts of the body, after it in `bytes`; `missing` bytes before each are not stored. */
  windows: { span: Span; missing: number }[];
}

export function requestMessage(request: RequestEvidence): Message {
  return compose(bytesOf(request.line), request.headers, request.body);
}

export function responseMessage(response: Response): Message {
  const head = `${response.protocol || "HTTP/1.1"} ${response.status} `;
  const reason = bytesOf(response.reason);
  const line = joined([utf8(reason.length > 0 ? head : head.trimEnd()), reason]);
  return compose(line, response.headers, response.body);
}

function compose(start: Uint8Array, headers: Header[], body: Body | undefined): Message {
  const pieces: Uint8Array[] = [];
  let length = 0;
  const add = (piece: Uint8Array): Span => {
    pieces.push(piece);
    const span = { from: length, to: length + piece.length };
    length = span.to;
    return span;
  };
  const lineEnd = utf8("\r\n");
  const startSpan = add(start);
  add(lineEnd);
  const lines = headers.map(([name, value]) => {
    const nameSpan = add(bytesOf(name));
    add(utf8(": "));
    const valueSpan = add(bytesOf(value));
    add(lineEnd);
    return { name: nameSpan, value: valueSpan };
  });
  add(lineEnd);
  const bodySpan = body && add(bytesOf(body.bytes));
  let shown = bodySpan ? bodySpan.to - bodySpan.from : 0;
  const windows = (body?.windows ?? []).map(({ offset, bytes }) => {
    const span = add(bytesOf(bytes));
    const missing = Math.max(offset - shown, 0);
    shown = offset + span.to - span.from;
    return { span, missing };
  });
  return { bytes: joined(pieces), start: startSpan, headers: lines, body: bodySpan, windows };
}

export function joined(pieces: Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

export function part(message: Message, span: Span): Uint8Array {
  return message.bytes.subarray(span.from, span.to);
}

/** Returns the value of the first header with this name (lower case), as text. */
export function headerText(message: Message, name: string): string {
  const line = message.headers.find((line) => textOf(lower(part(message, line.name))) === name);
  return line ? textOf(part(message, line.value)) : "";
}

/** The parts of a request line. */
export interface Target {
  method: Span;
  /** The target as sent. */
  target: Span;
  /** The target without scheme and authority. */
  uri: Span;
  path: Span;
  /** The part after the last slash or backslash. */
  base: Span;
  query: Span | undefined;
  protocol: Span;
}

export function target(message: Message): Target {
  const { from, to } = message.start;
  const space = indexOf(message.bytes, 0x20, from, to);
  const method = { from, to: space };
  let targetEnd = to;
  const last = message.bytes.lastIndexOf(0x20, to - 1);
  if (last > space && find(message.bytes.subarray(last + 1, to), utf8("HTTP/")) === 0) {
    targetEnd = last;
  }
  const whole = { from: Math.min(space + 1, to), to: Math.max(targetEnd, Math.min(space + 1, to)) };
  const uri = { from: authorityEnd(message.bytes, whole), to: whole.to };
  const question = indexOf(message.bytes, 0x3f, uri.from, uri.to);
  const path = { from: uri.from, to: question };
  let base = path.to;
  while (base > path.from && byteAt(message.bytes, base - 1) !== 0x2f && byteAt(message.bytes, base - 1) !== 0x5c) {
    base -= 1;
  }
  return {
    method,
    target: whole,
    uri,
    path,
    base: { from: base, to: path.to },
    query: question < uri.to ? { from: question + 1, to: uri.to } : undefined,
    protocol: { from: Math.min(whole.to + 1, to), to },
  };
}

/** Returns the index of the first occurrence of a byte; `to` if there is none. */
export function indexOf(bytes: Uint8Array, byte: number, from: number, to: number): number {
  const at = bytes.indexOf(byte, from);
  return at < 0 || at > to ? to : at;
}

/** Returns the start of the path: after `http://authority` (RFC 9112 §3.2.2). */
function authorityEnd(bytes: Uint8Array, target: Span): number {
  const scheme = /^[a-z0-9+.-]+:\/\//i.exec(textOf(bytes.subarray(target.from, Math.min(target.to, target.from + 64))));
  if (!scheme) {
    return target.from;
  }
  let at = target.from + scheme[0].length;
  while (at < target.to && !"/?#".includes(String.fromCharCode(byteAt(bytes, at)))) {
    at += 1;
  }
  return at;
}
