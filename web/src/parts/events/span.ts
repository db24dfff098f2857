// Time ranges of lists and overviews: what they mean, their counts, and the steps of their histograms.
import { useMemo } from "preact/hooks";
import { type Overview } from "../../api";
import { type Loaded, useLoad } from "../../api/client";
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

/** Returns the start of the day, which need not last 24 hours. `days` later days begin as many midnights later. */
function midnight(time: Date, days = 0): Date {
  return new Date(time.getFullYear(), time.getMonth(), time.getDate() + days);
}

/** The longest range that the API counts by the hour. */
const MOST_HOURS = 100 * DAY;

/** Returns whether clocks change within a range that is short enough to be counted by the hour. */
function changesClocks({ since, until }: Span): boolean {
  if (until.getTime() - since.getTime() > MOST_HOURS - 2 * DAY) return false;
  for (let day = since; day < until; day = midnight(day, 1)) {
    if (day.getTimezoneOffset() !== until.getTimezoneOffset()) return true;
  }
  return false;
}

/** Returns the path of the counts of a filter. Days are those of the browser's zone. */
export function countsPath(filter: string, span: Span): string {
  const step = stepOf(span);
  const hours = step === "day" && changesClocks(span);
  const { since, until } = hours ? { since: midnight(span.since), until: midnight(new Date(span.until.getTime() - 1), 1) } : span;
  const query = new URLSearchParams(filter);
  query.set("since", since.toISOString());
  query.set("until", until.toISOString());
  query.set("step", hours ? "hour" : step);
  if (step === "day" && !hours) query.set("offset", String(-until.getTimezoneOffset()));
  return `/api/overview?${query}`;
}

type Series = Overview["series"];

/** Adds up the counts of hours by days of the browser's zone. */
export function byDay(hours: Series): Series {
  const days = new Map<number, Series[number]>();
  for (const hour of hours) {
    const start = midnight(new Date(hour.time));
    const day = days.get(start.getTime());
    if (!day) {
      days.set(start.getTime(), { ...hour, time: start.toISOString() });
      continue;
    }
    if (hour.requests != null) day.requests = (day.requests ?? 0) + hour.requests;
    for (const name of ["events", "blocked", "detected", "attacks_answered_below_400"] as const) day[name] += hour[name];
  }
  return [...days.values()];
}

/** Loads the counts of a filter for a range; nothing without a range. */
export function useCounts(filter: string, span: Span | undefined): Loaded<Overview> {
  const load = useLoad<Overview>(span ? countsPath(filter, span) : null);
  const { data } = load;
  const counts = useMemo(() => {
    const days = data && span && stepOf(span) === "day" && data.series[1];
    // a response may still be that of the former range
    const hourly = days && Date.parse(days.time) - Date.parse(data.series[0]?.time ?? days.time) === HOUR;
    return hourly ? { ...data, series: byDay(data.series) } : data;
  }, [data, span?.since.getTime(), span?.until.getTime()]);
  return { ...load, data: counts };
}

/** Returns the layers of a histogram of events: attacks that the site answered, those that it did not, and the others. */
export function layersOf(series: Series): Layer[] {
  const reached = series.map((one) => one.attacks_answered_below_400);
  // of those that the site answered, most were only detected
  const detected = series.map((one) => Math.max(0, one.detected - one.attacks_answered_below_400));
  const blocked = series.map((one, at) => one.blocked + one.detected - one.attacks_answered_below_400 - (detected[at] ?? 0));
  return [
    { label: t("outcome.reached"), fill: "bad", values: reached },
    { label: t("outcome.blocked"), fill: "neutral", values: blocked },
    { label: t("outcome.detected"), fill: "warn", values: detected },
  ];
}

/** Returns the layer of what was no attack: other events, or other requests. */
export function restOf(series: Series, of: "events" | "requests"): Layer {
  const values = series.map((one) => (one[of] == null ? null : Math.max(0, one[of] - one.blocked - one.detected)));
  return { label: t(of === "events" ? "overview.others" : "overview.rest"), fill: "rest", values };
}
