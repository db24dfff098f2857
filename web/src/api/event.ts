// The JSON of an event, as crates/event writes it.

/** Outcomes, which are the same for all gates. */
export const OUTCOMES = ["blocked", "detected", "passed", "refused", "failed", "accepted", "denied", "changed", "expired"] as const;

/** The worst first. */
export const SEVERITIES = ["emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"] as const;
export type Severity = (typeof SEVERITIES)[number];

/** The actor of an event: the fields that the gate knows. */
export interface Actor {
  address?: string;
  port?: number;
  user?: string;
  device?: string;
  certificate?: string;
}

/** A name and a value by which an event is found. */
export type Fact = [name: string, value: string | number];

/** An event of any gate. */
export interface Event {
  v: number;
  id: string;
  time: string;
  node: string;
  /** The gate, such as `request` or `login`. New words may be added. */
  gate: string;
  /** The kind, such as `request.blocked` or `login.accepted`. New words may be added. */
  kind: string;
  outcome: string;
  severity: Severity;
  /** The subject: the site of a request, the service of a login. */
  subject?: string;
  actor?: Actor;
  /** One sentence for people. */
  summary?: string;
  origin_id?: string;
  facts?: Fact[];
  /** The gate's observations, by the name of the evidence. */
  evidence?: Record<string, unknown>;
}

/** Returns the names of the evidence of an event. */
export function evidenceNames(event: Event): string[] {
  return Object.keys(event.evidence ?? {});
}

/** Returns the name of an actor: the user, else the device, the address or the certificate. */
export function actorName({ user, device, address, certificate }: Actor): string {
  return user ?? device ?? address ?? certificate ?? "";
}
