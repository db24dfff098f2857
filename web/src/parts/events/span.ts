// Time ranges of lists and overviews: what they mean, and the steps of their histograms.
import { type Overview } from "../../api";
import { type Condition, isTime, timeOf } from "../../query/query";
import { type Layer } from "../../ui/histogram";
import { type RangeName } from "../../ui/range";
import { t } from "./texts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** Milliseconds of the ranges. */
export const LENGTHS: Readonly<Record<Exclude<RangeName, "all">, number>> = {
  "1h": HOUR,
  "24h": DAY,
  "7d": 7 * DAY,
  "30d": 30 * DAY,
  "90d": 90 * DAY,
};

export interface Span {
  since: Date;
  until: Date;
}

export type Step = "minute" | "hour" | "day";
/** Seconds of a step. */
export const STEPS: Readonly<Record<Step, number>> = { minute: 60, hour: 3_600, day: 86_400 };
/** Ranges up to this length are shown per hour, shorter ones per minute. */
const BY_HOUR = 4 * DAY;
const BY_MINUTE = 3 * HOUR;

/** Returns the step in which a range is shown. */
export function stepOf({ since, until }: Span): Step {
  const length = until.getTime() - since.getTime();
  return length <= BY_MINUTE ? "minute" : length <= BY_HOUR ? "hour" : "day";
}

/** Returns the range of a length that ends with the current minute. */
export function lastOf(length: number): Span {
  const now = Math.ceil(Date.now() / 60_000) * 60_000;
  return { since: new Date(now - length), until: new Date(now) };
}

/** The time range of conditions. */
export interface Ranged {
  /** The named range; undefined for two times. */
  name: RangeName | undefined;
  /** Undefined if it has no begin. */
  span: Span | undefined;
  /** Whether events of now belong to it. */
  open: boolean;
}

/** Returns the time range of conditions. */
export function rangeOf(conditions: readonly Condition[]): Ranged {
  const of = (name: string): string | undefined =>
    conditions.find(({ property, inverted }) => property === name && !inverted)?.value;
  const [since, until] = [of("since"), of("until")];
  const end = until === undefined ? undefined : new Date(timeOf(until, Date.now()) ?? NaN);
  if (since === undefined) return { name: end ? undefined : "all", span: undefined, open: !end };
  const named = until === undefined && since in LENGTHS ? (since as keyof typeof LENGTHS) : undefined;
  if (named) return { name: named, span: lastOf(LENGTHS[named]), open: true };
  const begin = new Date(timeOf(since, Date.now()) ?? NaN);
  const span = { since: begin, until: end ?? new Date() };
  return { name: undefined, span: begin < span.until ? span : undefined, open: !end };
}

/** Returns the conditions with another time range: a name, or two times. */
export function withRange(conditions: readonly Condition[], range: RangeName | Span): Condition[] {
  const others = conditions.filter(({ property }) => !isTime(property));
  if (range === "all") return others;
  const time = (property: string, value: string): Condition => ({ property, value, inverted: false });
  if (typeof range === "string") return [...others, time("since", range)];
  return [...others, time("since", range.since.toISOString()), time("until", range.until.toISOString())];
}

/** Returns the layers of a histogram of events. */
export function layersOf(series: Overview["series"]): Layer[] {
  const rest = series.map((one) => Math.max(0, one.events - one.blocked - one.detected));
  return [
    { label: t("outcome.blocked"), fill: "neutral", values: series.map((one) => one.blocked) },
    { label: t("outcome.detected"), fill: "warn", values: series.map((one) => one.detected) },
    ...(rest.some((value) => value > 0) ? [{ label: t("overview.others"), fill: "rest" as const, values: rest }] : []),
  ];
}
