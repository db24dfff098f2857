// The overview: totals, their course over time, and top lists.
import { useEffect, useMemo, useState } from "preact/hooks";
import { type Health, type Overview } from "../../api";
import { useLoad } from "../../api/client";
import { dateTime, number } from "../../i18n";
import { place, setQuery } from "../../router";
import type { PageProps } from "../part";
import { Chart, type Layer } from "./chart";
import { Button, Loading, Page, Panel, Problem, Untrusted, useKeys } from "../../ui";
import { Findings } from "./findings";
import { kindTitle } from "./kinds";
import { t } from "./texts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const RANGES = { "24h": DAY, "7d": 7 * DAY, "30d": 30 * DAY, "90d": 90 * DAY } as const;
type Range = keyof typeof RANGES;
/** Periods up to this length are shown per hour, shorter ones per minute. */
const BY_HOUR = 4 * DAY;
const BY_MINUTE = 3 * HOUR;
/** Seconds of a step. */
const STEPS = { minute: 60, hour: 3_600, day: 86_400 } as const;
type Step = keyof typeof STEPS;
const TITLES = { minute: "overview.byMinute", hour: "overview.byHour", day: "overview.byDay" } as const;
/** Milliseconds between refreshes while the page is visible. */
const REFRESH_MS = 20_000;

/** Returns the parameters of the address that are filters, not the time range. */
function filterOf(query: URLSearchParams): URLSearchParams {
  const filter = new URLSearchParams(query);
  for (const name of ["range", "since", "until"]) filter.delete(name);
  return filter;
}

type Conditions = Record<string, string | string[]>;

/** Bytes from which a counted path may be truncated: MAX_TALLIED_PATH of crates/store/src/limits.rs, less one character. */
const CUT_PATH = 197;

/** Returns the pattern for the paths counted under a name. */
function pathsOf(name: string): string {
  return new TextEncoder().encode(name).length < CUT_PATH ? name : `${name}*`;
}

/** Returns the link to a list of events: the filter with the period and further conditions. */
function eventsLink(filter: URLSearchParams, span: { since: Date; until: Date }, more: Conditions): string {
  const query = new URLSearchParams(filter);
  for (const [name, values] of Object.entries(more)) {
    query.delete(name);
    for (const value of [values].flat()) {
      // a value that begins with `!` would invert the test
      query.append(name, value.startsWith("!") ? `\\${value}` : value);
    }
  }
  query.set("since", span.since.toISOString());
  query.set("until", span.until.toISOString());
  return `/events?${query}`;
}

export default function OverviewPage({ title }: PageProps) {
  const { query } = place.value;
  const [turn, setTurn] = useState(0);
  const range = (Object.keys(RANGES) as Range[]).find((one) => one === query.get("range"));
  const [givenSince, givenUntil] = [query.get("since"), query.get("until")];
  const span = useMemo(() => {
    const since = new Date(givenSince ?? NaN);
    const until = givenUntil ? new Date(givenUntil) : new Date();
    if (!range && !Number.isNaN(since.getTime()) && since < until) return { since, until, fixed: true };
    const now = Math.ceil(Date.now() / 60_000) * 60_000;
    return { since: new Date(now - RANGES[range ?? "24h"]), until: new Date(now), fixed: false };
  }, [range, givenSince, givenUntil, turn]);
  const length = span.until.getTime() - span.since.getTime();
  const step = length <= BY_MINUTE ? "minute" : length <= BY_HOUR ? "hour" : "day";
  const filter = filterOf(query);
  const asked = new URLSearchParams(filter);
  asked.set("since", span.since.toISOString());
  asked.set("until", span.until.toISOString());
  asked.set("step", step);
  const { data, error, reload } = useLoad<Overview>(`/api/overview?${asked}`);
  const health = useLoad<Health>("/healthz");

  useEffect(() => {
    const timer = setInterval(() => {
      if (document.hidden) return;
      health.reload();
      setTurn((before) => before + 1);
      reload();
    }, REFRESH_MS);
    return () => clearInterval(timer);
  }, [health.reload, reload]);

  const choose = (one: Range) => setQuery({ range: one, since: null, until: null });
  const zoomOut = () => setQuery({ range: "24h", since: null, until: null });
  const onSpan = (since: Date, until: Date) =>
    setQuery({ range: null, since: since.toISOString(), until: until.toISOString() });
  const again = (): void => {
    setTurn((before) => before + 1);
    reload();
    health.reload();
  };
  useKeys({
    z: { label: t("overview.zoomOut"), run: zoomOut },
    r: { label: t("ui.refresh"), run: again },
  });

  return (
    <Page
      title={title}
      actions={
        <div class="choices" role="group" aria-label={t("overview.range")}>
          {(Object.keys(RANGES) as Range[]).map((one) => (
            <button
              key={one}
              type="button"
              class="button small"
              aria-pressed={!span.fixed && one === (range ?? "24h")}
              onClick={() => choose(one)}
            >
              {t(`overview.ranges.${one}`)}
            </button>
          ))}
        </div>
      }
    >
      <Findings findings={health.data?.findings} changed={health.reload} />
      {span.fixed && (
        <p class="hint">
          <span>{t("overview.span", { since: dateTime(span.since), until: dateTime(span.until) })}</span>
          <Button kind="quiet" onClick={zoomOut}>
            {t("overview.zoomOut")}
          </Button>
        </p>
      )}
      {filter.size > 0 && (
        <p class="hint">
          <span>
            {t("overview.filtered")} <code>{[...filter].map(([name, value]) => `${name}=${value}`).join(" ")}</code>
          </span>
          <a href="/">{t("overview.unfiltered")}</a>
        </p>
      )}
      {error && <Problem error={error} retry={reload} />}
      {data ? <Content data={data} span={span} step={step} filter={filter} onSpan={onSpan} /> : !error && <Loading />}
    </Page>
  );
}

function Content({
  data,
  span,
  step,
  filter,
  onSpan,
}: {
  data: Overview;
  span: { since: Date; until: Date };
  step: Step;
  filter: URLSearchParams;
  onSpan: (since: Date, until: Date) => void;
}) {
  const { totals, top } = data;
  const seconds = STEPS[step];
  const [withRest, setWithRest] = useState(false);
  const times = useMemo(() => data.series.map((one) => Date.parse(one.time) / 1000), [data]);
  const layers = useMemo<Layer[]>(() => {
    const shown: Layer[] = [
      { label: t("outcome.blocked"), fill: "--blocked-fill", values: data.series.map((one) => one.blocked) },
      { label: t("outcome.detected"), fill: "--detected-fill", values: data.series.map((one) => one.detected) },
    ];
    if (withRest) {
      shown.push({
        label: t("overview.rest"),
        fill: "--passed-fill",
        values: data.series.map((one) =>
          one.requests == null ? null : Math.max(0, one.requests - one.blocked - one.detected),
        ),
      });
    }
    return shown;
  }, [data, withRest, t("overview.rest")]);
  const link = (more: Conditions) => eventsLink(filter, span, more);
  const partial = data.counted_to == null ? null : dateTime(data.counted_to);
  const lists: { title: string; items: TopItem[] }[] = [
    {
      title: t("overview.rules"),
      items: top.rules.map((one) => ({
        key: String(one.id),
        label: (
          <>
            <span class="code">{one.id}</span> <Untrusted text={one.message} limit={120} />
          </>
        ),
        count: one.count,
        href: link({ rule: String(one.id) }),
      })),
    },
    {
      title: t("overview.clients"),
      items: top.clients.map((one) => named(one, link({ client: one.name }), true)),
    },
    { title: t("overview.paths"), items: top.paths.map((one) => named(one, link({ path: pathsOf(one.name) }), true)) },
    { title: t("overview.sites"), items: top.sites.map((one) => named(one, link({ subject: one.name }))) },
    {
      title: t("overview.kinds"),
      items: top.kinds.map(({ gate, kind, count }) => {
        const title = kindTitle(kind);
        return { ...named({ name: title ?? kind, count }, link({ gate, kind }), title === undefined), key: `${gate} ${kind}` };
      }),
    },
    ...(top.facts.length > 0
      ? [{ title: t("overview.facts"), items: top.facts.map((one) => named(one, link({ fact: one.name }), true)) }]
      : []),
  ];
  const countries = top.countries?.map((one) => ({ key: one.code, label: countryName(one.code), count: one.count }));
  return (
    <>
      {partial && (
        <p class="hint" role="status">
          {t("overview.partial", { time: partial })}
        </p>
      )}
      <ul class="stats" aria-label={t("overview.numbers")}>
        <Stat label={t("overview.requests")} value={totals.requests ?? null} />
        <Stat label={t("overview.events")} value={totals.events} partial={!!partial} href={link({})} />
        <Stat
          label={t("overview.blocked")}
          value={totals.blocked}
          partial={!!partial}
          kind="blocked"
          href={link({ outcome: "blocked" })}
        />
        <Stat
          label={t("overview.detected")}
          value={totals.detected}
          partial={!!partial}
          kind="detected"
          href={link({ outcome: "detected" })}
        />
        <Stat
          label={t("overview.answered")}
          value={totals.attacks_answered_below_400}
          partial={!!partial}
          kind={totals.attacks_answered_below_400 > 0 ? "blocked" : "good"}
          note={t("overview.answeredNote")}
          href={link({ outcome: ["blocked", "detected"], status: "100-399" })}
        />
      </ul>
      <Panel
        title={t(TITLES[step])}
        actions={
          <ul class="legend">
            {layers.slice(0, 2).map((layer, index) => (
              <li key={index}>
                <i class={index === 0 ? "swatch blocked" : "swatch detected"} />
                {layer.label}
              </li>
            ))}
            <li>
              <button
                type="button"
                class="button small"
                aria-pressed={withRest}
                disabled={totals.requests == null}
                onClick={() => setWithRest(!withRest)}
              >
                <i class="swatch passed" />
                {t("overview.rest")}
              </button>
            </li>
          </ul>
        }
      >
        <Chart
          label={t("overview.chart", { n: totals.blocked, m: totals.detected })}
          times={times}
          step={seconds}
          layers={layers}
          onSpan={onSpan}
        />
      </Panel>
      <div class="tops">
        {lists.map(({ title, items }) => (
          <Panel key={title} title={title}>
            <TopList items={items} />
          </Panel>
        ))}
        {countries && (
          <Panel title={t("overview.countries")}>
            <TopList items={countries} />
          </Panel>
        )}
      </div>
    </>
  );
}

function Stat({
  label,
  value,
  kind,
  href,
  note,
  partial = false,
}: {
  label: string;
  value: number | null;
  kind?: "blocked" | "detected" | "good";
  href?: string;
  note?: string;
  /** Whether counting continues: the value is a minimum. */
  partial?: boolean;
}) {
  const text = value === null ? t("overview.unknown") : `${partial ? "≥ " : ""}${number(value)}`;
  return (
    <li class={`stat ${kind ?? ""}`}>
      <span class="stat-label">{label}</span>
      <strong class="stat-value">{href ? <a href={href}>{text}</a> : text}</strong>
      {note && <span class="note">{note}</span>}
    </li>
  );
}

interface TopItem {
  key: string;
  label: preact.ComponentChildren;
  count: number;
  href?: string;
}

function named(one: { name: string; count: number }, href: string, code = false): TopItem {
  const label = <Untrusted text={one.name} limit={200} />;
  return { key: one.name, label: code ? <span class="code">{label}</span> : label, count: one.count, href };
}

function countryName(code: string): string {
  try {
    return new Intl.DisplayNames([document.documentElement.lang], { type: "region" }).of(code) ?? code;
  } catch {
    return code; // none that ISO 3166 knows
  }
}

function TopList({ items }: { items: TopItem[] }) {
  const most = Math.max(1, ...items.map((one) => one.count));
  if (items.length === 0) return <p class="empty">{t("overview.none")}</p>;
  return (
    <ol class="top-list">
      {items.map((one) => (
        <li key={one.key} style={{ "--share": `${(one.count / most) * 100}%` }}>
          <span class="top-label">{one.href ? <a href={one.href}>{one.label}</a> : one.label}</span>
          <span class="top-count">{number(one.count)}</span>
        </li>
      ))}
    </ol>
  );
}
