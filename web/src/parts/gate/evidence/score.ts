// The calculation of an anomaly score.
import { bytesOf, textOf } from "../../../bytes/bytes";
import type { Severity } from "../../../api/event";
import type { MatchedRule, RequestEvidence } from "./request";

/** Points of a match by severity: the defaults of the Core Rule Set. */
const POINTS: Partial<Record<Severity, number>> = { critical: 5, error: 4, warning: 3, notice: 2 };

export interface Contribution {
  rule: number;
  message: string;
  severity: Severity;
  paranoia: number | undefined;
  /** Number of matches of this rule; each adds its points. */
  matches: number;
  points: number;
}

export interface Arithmetic {
  /** The contributions, in the order of their first match. */
  contributions: Contribution[];
  sum: number;
  /** The score that the rules counted. */
  total: number;
  /** The blocking threshold, if a blocking rule matched and logged it. */
  threshold: number | undefined;
  categories: [string, number][];
}

/** Returns whether a rule of the Core Rule Set evaluates or reports scores; such a rule adds no points. */
export function judges(rule: number): boolean {
  return (rule >= 949_000 && rule < 950_000) || (rule >= 959_000 && rule < 960_000) || (rule >= 980_000 && rule < 981_000);
}

function paranoia(rule: MatchedRule): number | undefined {
  const tag = rule.tags?.map((tag) => /^paranoia-level\/([1-4])$/.exec(tag)?.[1]).find((level) => level);
  return tag ? Number(tag) : undefined;
}

/** Returns the calculation for the request (phases 1 and 2) or the response (3 and 4); undefined without a score. */
export function arithmetic(request: RequestEvidence, direction: "inbound" | "outbound"): Arithmetic | undefined {
  const total = request.scores?.[direction] ?? 0;
  if (total === 0) {
    return undefined;
  }
  const inbound = direction === "inbound";
  const rules = (request.rules ?? []).filter((rule) => rule.phase <= 2 === inbound);
  const contributions = new Map<number, Contribution>();
  for (const rule of rules) {
    const points = rule.severity && !judges(rule.id) ? (POINTS[rule.severity] ?? 0) : 0;
    if (!rule.severity || points === 0) {
      continue;
    }
    const before = contributions.get(rule.id);
    contributions.set(rule.id, {
      rule: rule.id,
      message: before?.message ?? textOf(bytesOf(rule.message)),
      severity: rule.severity,
      paranoia: before?.paranoia ?? paranoia(rule),
      matches: (before?.matches ?? 0) + 1,
      points: (before?.points ?? 0) + points,
    });
  }
  const first = inbound ? 949_000 : 959_000;
  const judge = rules.find((rule) => rule.id >= first && rule.id < first + 1000 && /^(ge|gt)$/.test(rule.operator));
  const argument = textOf(bytesOf(judge?.argument));
  const list = [...contributions.values()];
  return {
    contributions: list,
    sum: list.reduce((sum, { points }) => sum + points, 0),
    total,
    threshold: /^[0-9]{1,9}$/.test(argument) ? Number(argument) : undefined,
    categories: inbound ? Object.entries(request.scores?.categories ?? {}) : [],
  };
}
