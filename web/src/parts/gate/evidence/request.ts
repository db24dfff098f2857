// The JSON of a request's evidence, as written by crates/event, with the fields that the pages show.
import type { ByteText } from "../../../bytes/bytes";
import type { Event, Severity } from "../../../api/event";

export interface Body {
  bytes: ByteText;
  /** Bytes of the whole body. */
  total: number;
  truncated?: boolean;
  /** The stored parts after `bytes`, around matches; in order and disjoint. */
  windows?: { offset: number; bytes: ByteText }[];
}

export type Header = [ByteText, ByteText];

export interface MatchedRule {
  id: number;
  phase: number;
  message?: ByteText;
  data?: ByteText;
  severity?: Severity;
  tags?: string[];
  file?: string;
  line: number;
  operator: string;
  argument?: ByteText;
  negated?: boolean;
  detail?: ByteText;
  /** `ARGS:name` */
  variable?: ByteText;
  /** The value after the transformations, at most 4 KiB. */
  value?: ByteText;
  matched?: ByteText;
  disruptive?: unknown;
}

export interface Response {
  status: number;
  reason?: ByteText;
  protocol?: string;
  headers: Header[];
  body?: Body;
}

export interface RequestEvidence {
  line: ByteText;
  headers: Header[];
  body?: Body;
  response?: Response;
  rules?: MatchedRule[];
  scores?: { inbound: number; outbound: number; categories?: Record<string, number> };
  durations?: { phases_us: number[]; upstream_us?: number; total_us: number };
  not_inspected?: { what: string; bytes?: number; protocol?: string }[];
  faults?: string[];
  server?: string;
  protocol?: string;
  upstream?: string;
  engine: "on" | "detection_only" | "off";
  /** The parts that were dropped from a large event. */
  omitted?: { headers: number; rules: number; texts: number };
}

/** Returns the request of an event; undefined for an event of another kind. */
export function requestOf(event: Event): RequestEvidence | undefined {
  return event.evidence?.request as RequestEvidence | undefined;
}
