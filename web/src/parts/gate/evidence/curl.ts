// A request as a curl command to paste into a shell.
import { byteAt, lower, textOf, utf8 } from "../../../bytes/bytes";
import type { Event } from "../../../api/event";
import { headerText, type Message, part, requestMessage, target } from "./message";
import { requestOf } from "./request";

export interface Curl {
  command: string;
  /** Names of headers that curl can't send, such as one with a line end. */
  left: string[];
  /** Whether only part of the body is stored. */
  cut: boolean;
  /** Whether a secret was redacted. */
  redacted: boolean;
}

/** Returns the command; undefined if the request can't be sent again. */
export function curl(event: Event): Curl | undefined {
  const request = requestOf(event);
  if (!request) {
    return undefined;
  }
  const message = requestMessage(request);
  const line = target(message);
  const method = part(message, line.method);
  const asked = part(message, line.target);
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(textOf(method)) || asked.length === 0 || hasControls(asked)) {
    return undefined;
  }
  const words = ["curl", "-i", "-g", "--path-as-is"];
  const body = message.body && part(message, message.body);
  if (textOf(method) === "HEAD") {
    words.push("-I");
  } else if (textOf(method) !== (body ? "POST" : "GET")) {
    words.push("-X", quoted(method));
  }
  const { headers, left } = headerWords(message, body !== undefined);
  words.push(...headers);
  let before = "";
  if (body) {
    const piped = body.includes(0);
    before = piped ? `printf ${printfText(body)} | ` : "";
    words.push(...(piped ? ["--data-binary", "@-"] : ["--data-raw", quoted(body)]));
  }
  const origin = `${scheme(event)}://${host(message, request.server)}`;
  // a target that curl would change goes into a separate option
  const plain = /^\/[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*$/.test(textOf(asked));
  if (!plain) {
    words.push("--request-target", quoted(asked));
  }
  words.push(quoted(utf8(plain ? origin + textOf(asked) : `${origin}/`)));
  const text = [textOf(message.bytes), ...headers].join("\n");
  return {
    command: before + words.join(" "),
    left,
    cut: request.body?.truncated === true,
    redacted: text.includes("[redacted]"),
  };
}

/** Headers that curl sets itself. */
const OWN = ["content-length", "transfer-encoding", "connection", "expect"];

function headerWords(message: Message, hasBody: boolean): { headers: string[]; left: string[] } {
  const headers: string[] = [];
  const left: string[] = [];
  for (const line of message.headers) {
    const name = part(message, line.name);
    const value = part(message, line.value);
    if (OWN.includes(textOf(lower(name)))) {
      continue;
    }
    const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(textOf(name));
    if (!token || hasControls(value)) {
      left.push(textOf(name));
      continue;
    }
    const word = new Uint8Array([...name, ...utf8(value.length > 0 ? ": " : ";"), ...value]);
    headers.push("-H", quoted(word));
  }
  const names = message.headers.map((line) => textOf(lower(part(message, line.name))));
  // curl would add these headers
  for (const name of ["User-Agent", "Accept", ...(hasBody ? ["Content-Type"] : [])]) {
    if (!names.includes(name.toLowerCase())) {
      headers.push("-H", `'${name}:'`);
    }
  }
  return { headers, left };
}

function hasControls(bytes: Uint8Array): boolean {
  return bytes.some((byte) => (byte < 0x20 && byte !== 9) || byte === 0x7f);
}

function scheme(event: Event): string {
  const request = requestOf(event);
  return request?.protocol === "HTTP/2.0" || /:443$/.test(request?.server ?? "") ? "https" : "http";
}

function host(message: Message, server: string | undefined): string {
  const host = headerText(message, "host");
  const valid = /^(?:[A-Za-z0-9_](?:[A-Za-z0-9._-]*)|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$/.test(host);
  return valid ? host : (server ?? "localhost");
}

/**
 * Quotes a word for a shell: in single quotes, or, unless it is printable ASCII, in `$'…'` with octal escapes (which bash, zsh,
 * ksh and busybox support). The result has no control characters.
 */
export function quoted(bytes: Uint8Array): string {
  if (bytes.every((byte) => byte >= 0x20 && byte < 0x7f)) {
    return `'${textOf(bytes).replaceAll("'", "'\\''")}'`;
  }
  let word = "$'";
  for (const byte of bytes) {
    const printable = byte >= 0x20 && byte < 0x7f && !"'\\!".includes(String.fromCharCode(byte));
    word += printable ? String.fromCharCode(byte) : octal(byte);
  }
  return `${word}'`;
}

/** Quotes bytes for `printf`, which unlike arguments can write NUL. */
function printfText(bytes: Uint8Array): string {
  let text = "'";
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = byteAt(bytes, at);
    const printable = byte >= 0x20 && byte < 0x7f && !"'\\%".includes(String.fromCharCode(byte));
    text += printable ? String.fromCharCode(byte) : octal(byte);
  }
  // `printf` treats a leading `-` as an option
  return text.startsWith("'-") ? `'\\055${text.slice(2)}'` : `${text}'`;
}

function octal(byte: number): string {
  return `\\${byte.toString(8).padStart(3, "0")}`;
}

/** Returns method and target of the request line for lists, at most `most` bytes of the target. */
export function methodAndPath(event: Event, most = 300): { method: Uint8Array; path: Uint8Array } {
  const message = lineOf(event);
  const line = target(message);
  return { method: part(message, line.method), path: part(message, line.target).subarray(0, most) };
}

/** Returns the path without the query, for queries of events; undefined if it is not UTF-8. */
export function pathText(event: Event): string | undefined {
  const message = lineOf(event);
  const bytes = part(message, target(message).path);
  const text = textOf(bytes);
  return text === "" || text.includes("\ufffd") || text.endsWith("*") ? undefined : text;
}

function lineOf(event: Event): Message {
  const request = requestOf(event);
  return requestMessage({ ...request, line: request?.line ?? "", headers: [], engine: "off" });
}
