/**
 * Locates the match of a rule in the bytes as sent.
 *
 * An event contains the variable (`ARGS:name`), its value after the rule's transformations, and the part that matched, but not
 * the transformations. This module searches for a chain of transformations that turns the bytes into the value, and traces the
 * match back through the chain.
 */
import { bytesOf, equal, find, lower, Mapped, type Span, startsWith, textOf, utf8 } from "../../../bytes/bytes";
import type { Event } from "../../../api/event";
import { type MatchedRule, type RequestEvidence, requestOf } from "./request";
import { type Decoded, decoded, type Field } from "./fields";
import { type Message, requestMessage, responseMessage, target } from "./message";
import { percentDecode, TRANSFORMATIONS } from "./transformations";

/** The accuracy of the marks. */
export type Certainty =
  /** These bytes matched. */
  | "bytes"
  /** The operator tests the whole value, or does not report which part. */
  | "whole"
  /** The match can't be traced back through the transformations: the whole value is marked. */
  | "value"
  /** A secret was redacted: the whole value is marked. */
  | "redacted"
  /** The variable was computed, not sent: nothing is marked. */
  | "computed"
  /** The variable is not in the stored part of the request: nothing is marked. */
  | "missing";

export interface Location {
  side: "request" | "response";
  /** Spans of the message's bytes. */
  spans: Span[];
  certainty: Certainty;
}

/** A request and its response, with intermediate results. */
export interface Messages {
  request: Message;
  response: Message | undefined;
  decoded: Decoded;
  /** The values of each variable. */
  candidates: Map<string, Candidates | undefined>;
  search: Search;
}

/** Bytes that may be searched and transformed for one event: one or two seconds. Beyond it whole values are marked. */
const WORK = 24_000_000;

class Search {
  /** Bytes used so far. */
  done = 0;

  /** Returns whether the budget allows another search, and spends it. */
  affords(bytes: number): boolean {
    if (this.done >= WORK) {
      return false;
    }
    this.done += bytes;
    return true;
  }
}

export function messages(request: RequestEvidence): Messages {
  const message = requestMessage(request);
  return {
    request: message,
    response: request.response && responseMessage(request.response),
    decoded: decoded(message),
    candidates: new Map(),
    search: new Search(),
  };
}

/** Bytes of a transformed value that events store. */
const KEPT = 4096;
/** Bytes of a value on which chains of transformations are tried. */
const TRIED = 8192;
/** Number of chains tried. */
const CHAINS = 160;

/** Returns the location of each match of an event. */
export function locateAll(event: Event): Location[] {
  const request = requestOf(event);
  if (!request) {
    return [];
  }
  const all = messages(request);
  return (request.rules ?? []).map((rule) => locate(all, rule));
}

export function locate(all: Messages, rule: MatchedRule): Location {
  const variable = textOf(bytesOf(rule.variable));
  if (!all.candidates.has(variable)) {
    all.candidates.set(variable, candidates(all, variable));
  }
  const found = all.candidates.get(variable);
  if (!found) {
    return { side: "request", spans: [], certainty: "computed" };
  }
  const { side } = found;
  const { values } = found;
  if (values.length === 0) {
    return { side, spans: [], certainty: "missing" };
  }
  const value = bytesOf(rule.value);
  const redacted = find(value, utf8(REDACTED)) >= 0;
  const explained = explain(values, value);
  const spans = redacted ? undefined : explained ? matchedSpans(explained, rule) : searched(values, rule);
  if (spans) {
    return { side, spans, certainty: "bytes" };
  }
  const marked = explained ? [explained] : (redacted ? values : closest(values, value)).map(({ value }) => value);
  const certainty = redacted ? "redacted" : explained && !needle(rule) ? "whole" : "value";
  return { side, spans: marked.map((value) => value.span()).filter((span) => span !== undefined), certainty };
}

const REDACTED = "[redacted]";

/** Chooses among several values: those that contain the transformed one, ignoring case, else all. */
function closest(values: Candidate[], value: Uint8Array): Candidate[] {
  if (value.length === 0 || values.length === 1) {
    return values;
  }
  const near = values.filter((one) => one.affords() && find(lower(one.value.bytes), lower(value)) >= 0);
  return near.length > 0 ? near : values;
}

/** Returns the first value that a chain of transformations turns into `value`, transformed. */
function explain(values: Candidate[], value: Uint8Array): Mapped | undefined {
  if (value.length === 0) {
    return undefined;
  }
  const fits = (made: Mapped, cut: boolean): boolean => {
    if (equal(made.bytes, value)) {
      return true;
    }
    if (value.length >= KEPT && startsWith(made.bytes, value)) {
      return true;
    }
    return cut && made.length > TRIED / 4 && startsWith(value, made.bytes.subarray(0, Math.min(made.length - 16, KEPT)));
  };
  for (const candidate of values) {
    for (const chain of candidate) {
      if (fits(chain.made, candidate.value.length > TRIED)) {
        return candidate.whole(chain);
      }
    }
  }
  return undefined;
}

interface Chain {
  names: string[];
  /** The chain's result for the first [`TRIED`] bytes of the value. */
  made: Mapped;
  /** The chain's result for the whole value, computed on demand. */
  whole?: Mapped;
}

/**
 * A value and the results of chains of transformations: the shortest first, no result twice. Results are computed on demand
 * and cached for the next rule that matched on the value.
 */
class Candidate implements Iterable<Chain> {
  private readonly chains: Chain[];
  private expanded = 0;
  private readonly seen = new Map<number, Uint8Array[]>();

  constructor(
    readonly value: Mapped,
    private readonly search: Search,
  ) {
    const made = value.slice(0, TRIED);
    this.chains = [{ names: [], made }];
    this.isNew(made.bytes);
  }

  *[Symbol.iterator](): Iterator<Chain> {
    for (let at = 0; ; at += 1) {
      while (at >= this.chains.length && this.expand()) {
        // repeats until one more result exists, or no chain is left
      }
      const chain = this.chains[at];
      if (!chain) {
        return;
      }
      yield chain;
    }
  }

  /** Returns whether the budget allows a search of the value. */
  affords(): boolean {
    return this.search.affords(this.value.length);
  }

  whole(chain: Chain): Mapped {
    if (this.value.length <= TRIED) {
      return chain.made;
    }
    chain.whole ??= chain.names.reduce((whole, name) => TRANSFORMATIONS[name]?.(whole) ?? whole, this.value);
    return chain.whole;
  }

  private isNew(bytes: Uint8Array): boolean {
    const same = this.seen.get(bytes.length) ?? [];
    if (same.some((other) => equal(other, bytes))) {
      return false;
    }
    this.seen.set(bytes.length, [...same, bytes]);
    return true;
  }

  /** Tries every transformation on the next chain. Returns false if there is none. */
  private expand(): boolean {
    const chain = this.chains[this.expanded];
    if (!chain || this.chains.length > CHAINS) {
      return false;
    }
    this.expanded += 1;
    for (const [name, transformation] of Object.entries(TRANSFORMATIONS)) {
      // other text decodes to random bytes, which need no further steps
      if (chain.names.includes("base64Decode") || (name === "base64Decode" && chain.names.length > 1)) {
        continue;
      }
      if (!this.search.affords(chain.made.length)) {
        return false;
      }
      const made = transformation(chain.made);
      if (made.length > 0 && this.isNew(made.bytes)) {
        this.chains.push({ names: [...chain.names, name], made });
      }
    }
    return true;
  }
}

/** Returns the part of the transformed value that matched, if the event holds it. */
export function needle(rule: MatchedRule): Uint8Array | undefined {
  const matched = bytesOf(rule.matched);
  if (matched.length > 0) {
    return matched;
  }
  if (rule.negated) {
    return undefined;
  }
  if (["pm", "pmFromFile", "pmf"].includes(rule.operator)) {
    const phrase = /^Matched phrase "((?:[^"\\]|\\.)*)" at /.exec(textOf(bytesOf(rule.detail)));
    return phrase?.[1] && !phrase[1].includes("\\") ? utf8(phrase[1]) : undefined;
  }
  if (["contains", "containsWord", "beginsWith", "endsWith", "strmatch"].includes(rule.operator)) {
    const argument = bytesOf(rule.argument);
    return argument.length > 0 ? argument : undefined;
  }
  return undefined;
}

/** Returns the spans of the match in a transformed value. */
function matchedSpans(value: Mapped, rule: MatchedRule): Span[] | undefined {
  if (rule.operator === "validateByteRange") {
    return outside(value, textOf(bytesOf(rule.argument)));
  }
  const what = needle(rule);
  if (!what) {
    return undefined;
  }
  const at = findInAnyCase(value.bytes, what);
  const span = at < 0 ? undefined : value.span(at, at + what.length);
  return span && [span];
}

function findInAnyCase(bytes: Uint8Array, what: Uint8Array): number {
  const exact = find(bytes, what);
  return exact >= 0 ? exact : find(lower(bytes), lower(what));
}

/** Locates the match in a value whose transformed form is unknown. */
function searched(values: Candidate[], rule: MatchedRule): Span[] | undefined {
  const what = needle(rule);
  // a short match occurs anywhere, so it is searched only if there is just one value
  if (!what || (what.length < 3 && values.length > 1)) {
    return undefined;
  }
  for (const candidate of values) {
    const span = candidate.affords() ? spanOf(candidate.value, what) : undefined;
    if (span) {
      return [span];
    }
  }
  for (const candidate of values) {
    for (const { made } of candidate) {
      const span = spanOf(made, what);
      if (span) {
        return [span];
      }
    }
  }
  return undefined;
}

function spanOf(value: Mapped, what: Uint8Array): Span | undefined {
  const at = findInAnyCase(value.bytes, what);
  return at < 0 ? undefined : value.span(at, at + what.length);
}

/** Returns the bytes that `@validateByteRange` refuses: `32-126,9`. */
function outside(value: Mapped, ranges: string): Span[] | undefined {
  const allowed = new Uint8Array(256);
  for (const range of ranges.split(",")) {
    const [first, last] = range.trim().split("-").map(Number);
    if (first === undefined || !Number.isInteger(first)) {
      return undefined;
    }
    allowed.fill(1, first, (last ?? first) + 1);
  }
  const spans: Span[] = [];
  value.bytes.forEach((byte, at) => {
    const span = allowed[byte] ? undefined : value.span(at, at + 1);
    const before = spans[spans.length - 1];
    if (span && before && before.to >= span.from) {
      before.to = Math.max(before.to, span.to);
    } else if (span && spans.length < MOST_SPANS) {
      spans.push(span);
    }
  });
  return spans.length > 0 ? spans : undefined;
}

const MOST_SPANS = 1000;

interface Candidates {
  side: "request" | "response";
  values: Candidate[];
}

/** Returns the values that a variable may mean; undefined for a variable that was not sent. */
function candidates(all: Messages, variable: string): Candidates | undefined {
  const colon = variable.indexOf(":");
  const collection = (colon < 0 ? variable : variable.slice(0, colon)).toUpperCase();
  const selector = colon < 0 ? undefined : variable.slice(colon + 1);
  if (collection === "MATCHED_VARS" && selector) {
    return candidates(all, selector);
  }
  const of = (side: Candidates["side"], values: Mapped[]): Candidates => ({
    side,
    values: values.filter((value) => value.length > 0).map((value) => new Candidate(value, all.search)),
  });
  const request = (values: Mapped[]): Candidates => of("request", values);
  const response = (values: Mapped[]): Candidates => of("response", values);
  const { query, cookies, body, parts } = all.decoded;
  const message = all.request;
  const at = target(message);
  const bytes = (span: Span | undefined): Mapped[] => (span ? [Mapped.of(message.bytes, span)] : []);
  const ofResponse = (span: Span | undefined): Mapped[] =>
    span && all.response ? [Mapped.of(all.response.bytes, span)] : [];
  const headers = (message: Message | undefined): Field[] =>
    (message?.headers ?? []).map((line) => ({
      name: Mapped.of(message?.bytes ?? new Uint8Array(), line.name),
      value: Mapped.of(message?.bytes ?? new Uint8Array(), line.value),
    }));
  // the stored parts of a long body around matches, whose fields are unknown
  const windows = (message: Message | undefined): Mapped[] =>
    message ? message.windows.map(({ span }) => Mapped.of(message.bytes, span)) : [];
  const files = parts.filter((part) => part.filename !== undefined);
  const named = (fields: Field[]): Mapped[] => pick(fields, selector).map((field) => field.value);
  const names = (fields: Field[]): Mapped[] => pick(fields, selector).map((field) => field.name);
  switch (collection) {
    case "ARGS":
      return request([...named([...query, ...body]), ...windows(message)]);
    case "ARGS_GET":
      return request(named(query));
    case "ARGS_POST":
      return request([...named(body), ...windows(message)]);
    case "ARGS_NAMES":
      return request(names([...query, ...body]));
    case "ARGS_GET_NAMES":
      return request(names(query));
    case "ARGS_POST_NAMES":
      return request(names(body));
    case "REQUEST_COOKIES":
      return request(named(cookies));
    case "REQUEST_COOKIES_NAMES":
      return request(names(cookies));
    case "REQUEST_HEADERS":
      return request(named(headers(message)));
    case "REQUEST_HEADERS_NAMES":
      return request(names(headers(message)));
    case "FILES":
    case "MULTIPART_FILENAME":
      return request(pick(files, selector).flatMap((file) => (file as (typeof files)[number]).filename ?? []));
    case "FILES_NAMES":
    case "MULTIPART_NAME":
      return request(names(files));
    case "FILES_TMP_CONTENT":
      return request([...named(files), ...windows(message)]);
    case "MULTIPART_PART_HEADERS":
      return request(pick(parts, selector).flatMap((part) => (part as (typeof parts)[number]).headers));
    case "REQUEST_LINE":
      return request(bytes(message.start));
    case "REQUEST_METHOD":
      return request(bytes(at.method));
    case "REQUEST_PROTOCOL":
      return request(bytes(at.protocol));
    case "REQUEST_URI_RAW":
      return request(bytes(at.target));
    case "REQUEST_URI":
      return request([...bytes(at.uri), decodedUri(message, at)]);
    case "REQUEST_FILENAME":
      return request(bytes(at.path).flatMap((path) => [path, percentDecode(path)]));
    case "REQUEST_BASENAME":
      return request(bytes(at.base).flatMap((base) => [base, percentDecode(base)]));
    case "QUERY_STRING":
      return request(bytes(at.query));
    case "REQUEST_BODY":
    case "XML":
      return request([...bytes(message.body), ...windows(message)]);
    case "FULL_REQUEST":
      return request(bytes({ from: 0, to: message.bytes.length }));
    case "RESPONSE_BODY":
      return response([...ofResponse(all.response?.body), ...windows(all.response)]);
    case "RESPONSE_HEADERS":
      return response(named(headers(all.response)));
    case "RESPONSE_HEADERS_NAMES":
      return response(names(headers(all.response)));
    case "RESPONSE_STATUS":
    case "STATUS_LINE":
      return response(ofResponse(all.response?.start));
    case "RESPONSE_CONTENT_TYPE":
      return response(pick(headers(all.response), "content-type").map((field) => field.value));
    default:
      return undefined;
  }
}

/** From phase 2 on, rules see the decoded path. */
function decodedUri(message: Message, at: ReturnType<typeof target>): Mapped {
  const path = percentDecode(Mapped.of(message.bytes, at.path));
  const rest = Mapped.of(message.bytes, { from: at.path.to, to: at.uri.to });
  const join = (a: Uint32Array, b: Uint32Array): Uint32Array => Uint32Array.from([...a, ...b]);
  const bytes = new Uint8Array(path.length + rest.length);
  bytes.set(path.bytes);
  bytes.set(rest.bytes, path.length);
  return new Mapped(bytes, join(path.starts, rest.starts), join(path.ends, rest.ends));
}

/** Returns the fields with a name. If none matches exactly, ignores case and the prefix that other engines add to JSON names. */
function pick<T extends Field>(fields: T[], selector: string | undefined): T[] {
  if (selector === undefined) {
    return fields;
  }
  const wanted = utf8(selector);
  const same = fields.filter((field) => equal(field.name.bytes, wanted));
  if (same.length > 0) {
    return same;
  }
  const anyCase = fields.filter((field) => equal(lower(field.name.bytes), lower(wanted)));
  if (anyCase.length > 0) {
    return anyCase;
  }
  const plain = (name: string): string =>
    name
      .replace(/^json\./, "")
      .split(".")
      .filter((word) => !/^(?:array_)?[0-9]+$/.test(word))
      .filter((word, at, words) => word !== words[at - 1])
      .join(".");
  return fields.filter((field) => plain(textOf(field.name.bytes)) === plain(selector));
}
