// The JSON of an event, as crates/event writes it: what of it the pages show.
import type { RequestEvidence } from "../parts/gate/evidence/request";

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
