// The course of the events of a list over time: it follows the filter, and a drag chooses the range.
import { useMemo } from "preact/hooks";
import { type Overview } from "../../api";
import { type Loaded } from "../../api/client";
import { dateTime } from "../../i18n";
import { Loading, Stale } from "../../ui";
import { Histogram, Legend } from "../../ui/histogram";
import { lastOf, layersOf, LENGTHS, type Ranged, restOf, type Span, type Step, STEPS, stepOf, useCounts } from "./span";
import { t } from "./texts";

export interface Course extends Loaded<Overview> {
  step: Step;
  span: Span;
}

/** Days that are shown per hour rather than per day. */
const FEW_DAYS = 4;

/** Loads the counts of a filter for a time range. A range without a begin starts with the first day that has events. */
export function useCourse(filter: string, range: Ranged, turn: number): Course {
  const whole = useMemo(() => lastOf(LENGTHS["90d"]), [turn, filter]);
  const asked = useMemo(() => range.span ?? whole, [range.span?.since.getTime(), range.span?.until.getTime(), whole]);
  const first = useCounts(filter, asked);
  // few days are shown by the hour
  const begin = range.span || !first.data ? undefined : first.data.series.find(({ events }) => events > 0)?.time;
  const near = useMemo((): Span | undefined => {
    if (begin === undefined) return undefined;
    const since = new Date(begin);
    const days = (asked.until.getTime() - since.getTime()) / LENGTHS["24h"];
    return days <= FEW_DAYS ? { since: new Date(Math.min(since.getTime(), asked.until.getTime() - LENGTHS["24h"])), until: asked.until } : undefined;
  }, [begin, asked]);
  const second = useCounts(filter, near);
  if (near && second.data) return { ...second, span: near, step: stepOf(near) };
  if (begin === undefined || !first.data) return { ...first, span: asked, step: stepOf(asked) };
  // without the days before the first event
  const series = first.data.series.slice(first.data.series.findIndex(({ time }) => time === begin));
  return { ...first, data: { ...first.data, series }, span: { since: new Date(begin), until: asked.until }, step: stepOf(asked) };
}

export function CourseView({ course, onSpan }: { course: Course; onSpan: (span: Span) => void }) {
  const { data, error, step, reload } = course;
  const times = useMemo(() => (data?.series ?? []).map(({ time }) => Date.parse(time) / 1000), [data]);
  const layers = useMemo(() => {
    const series = data?.series ?? [];
    const rest = restOf(series, "events");
    return rest.values.some(Boolean) ? [...layersOf(series), rest] : layersOf(series);
  }, [data, t("overview.others")]);
  if (!data) return error ? <Stale onRefresh={reload}>{t("events.noCourse")}</Stale> : <Loading lines={4} />;
  return (
    <div class="course">
      <div class="course-head">
        <span class="note">{t(`overview.by.${step}`)}</span>
        <Legend layers={layers} />
      </div>
      <Histogram
        label={t("events.course", { n: data.totals.events ?? 0 })}
        times={times}
        step={STEPS[step]}
        layers={layers}
        height={104}
        onSpan={(since, until) => onSpan({ since, until })}
      />
      {data.counted_to != null && <p class="note">{t("overview.partial", { time: dateTime(data.counted_to) })}</p>}
    </div>
  );
}
