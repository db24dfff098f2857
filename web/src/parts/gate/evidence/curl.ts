/** A request as a command line for curl that a person can paste into a shell. */
import { byteAt, lower, textOf, utf8 } from "../../../bytes/bytes";
import type { Event } from "../../../api/event";
import { headerText, type Message, part, requestMessage, target } from "./message";

export interface Curl {
  command: string;
  /** Header names that curl can't be given, such as one with a line end. */
  left: string[];
  /** Whether the event kept only part of the body. */
  cut: boolean;
  /** Whether a secret was taken out. */
  redacted: boolean;
}

/** Undefined where the event has no request of a form that can be asked again. */
export function curl(event: Event): Curl | undefined {
  const request = event.evidence.request;
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
  // A target that curl would change is given apart from the URL.
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

/** Headers that curl makes itself. */
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
  // What curl would add.
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
  const request = event.evidence.request;
  return request?.protocol === "HTTP/2.0" || /:443$/.test(request?.server ?? "") ? "https" : "http";
}

function host(message: Message, server: string | undefined): string {
  const host = headerText(message, "host");
  const valid = /^(?:[A-Za-z0-9_](?:[A-Za-z0-9._-]*)|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$/.test(host);
  return valid ? host : (server ?? "localhost");
}

/**
 * One word of a shell command: in single quotes, or where there is more than printable ASCII, in `$'…'` with octal escapes
 * (bash, zsh, ksh and busybox know them). Never holds a byte that a terminal obeys.
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

/** For `printf`, which unlike arguments can write NUL. */
function printfText(bytes: Uint8Array): string {
  let text = "'";
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = byteAt(bytes, at);
    const printable = byte >= 0x20 && byte < 0x7f && !"'\\%".includes(String.fromCharCode(byte));
    text += printable ? String.fromCharCode(byte) : octal(byte);
  }
  // `printf` takes a first `-` for an option.
  return text.startsWith("'-") ? `'\\055${text.slice(2)}'` : `${text}'`;
}

function octal(byte: number): string {
  return `\\${byte.toString(8).padStart(3, "0")}`;
}

/** The bytes of the request line as one line for lists, at most `most` of them. */
export function methodAndPath(event: Event, most = 300): { method: Uint8Array; path: Uint8Array } {
  const message = lineOf(event);
  const line = target(message);
  return { method: part(message, line.method), path: part(message, line.target).subarray(0, most) };
}

/** The path without the query as queries of events take it; nothing where it is not UTF-8. */
export function pathText(event: Event): string | undefined {
  const message = lineOf(event);
  const bytes = part(message, target(message).path);
  const text = textOf(bytes);
  return text === "" || text.includes("\ufffd") || text.endsWith("*") ? undefined : text;
}

function lineOf(event: Event): Message {
  const request = event.evidence.request;
  return requestMessage({ ...request, line: request?.line ?? "", headers: [], engine: "off" });
}
