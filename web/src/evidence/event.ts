/** The JSON of an event, as crates/event writes it: what of it the pages show. */

/** Bytes as they were sent: text, or where they are no UTF-8, text with `\xhh` and doubled backslashes. */
export type ByteText = string | { escaped: string };

export type Action = "blocked" | "detected" | "passed" | "refused" | "failed";
export type Severity =
  | "emergency"
  | "alert"
  | "critical"
  | "error"
  | "warning"
  | "notice"
  | "info"
  | "debug";
export type Gate = "request" | "mlogc" | "firewall" | "vpn" | "login" | "acme" | "packet";

export const ACTIONS: readonly Action[] = ["blocked", "detected", "passed", "refused", "failed"];
/** The worst first. */
export const SEVERITIES: readonly Severity[] = [
  "emergency",
  "alert",
  "critical",
  "error",
  "warning",
  "notice",
  "info",
  "debug",
];
export const GATES: readonly Gate[] = ["request", "mlogc", "firewall", "vpn", "login", "acme", "packet"];

export interface Body {
  bytes: ByteText;
  /** Bytes of the whole body. */
  total: number;
  truncated?: boolean;
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
  /** After the transformations, at most 4 KiB. */
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
}

export interface Event {
  v: number;
  id: string;
  time: string;
  node: string;
  site?: string;
  gate: Gate;
  severity: Severity;
  client?: { address: string; port?: number };
  action: Action;
  reason?: string;
  origin_id?: string;
  evidence: { request?: RequestEvidence };
}
