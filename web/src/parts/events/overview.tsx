// The overview: totals with their change, their course over time, and top lists.
import { useEffect, useMemo, useState } from "preact/hooks";
import { type Overview } from "../../api";
import { dateTime, number } from "../../i18n";
import { place, setQuery } from "../../router";
import type { PageProps } from "../part";
import { Button, Loading, Page, Panel, Problem, Stat, Toggle, Untrusted, useKeys } from "../../ui";
import { Histogram, type Layer, Legend } from "../../ui/histogram";
import { RangePicker } from "../../ui/range";
import { kindTitle } from "./kinds";
import { lastOf, layersOf, LENGTHS, restOf, type Span, type Step, STEPS, stepOf, useCounts } from "./span";
import { t } from "./texts";

const RANGES = ["24h", "7d", "30d", "90d"] as const;
type Range = (typeof RANGES)[number];
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
  const range: Range = RANGES.find((one) => one === query.get("range")) ?? "24h";
  const [givenSince, givenUntil] = [query.get("since"), query.get("until")];
  const span = useMemo(() => {
    const since = new Date(givenSince ?? NaN);
    const until = givenUntil ? new Date(givenUntil) : new Date();
    if (!Number.isNaN(since.getTime()) && since < until) return { since, until, fixed: true };
    return { ...lastOf(LENGTHS[range]), fixed: false };
  }, [range, givenSince, givenUntil, turn]);
  const step = stepOf(span);
  const filter = filterOf(query);
  const { data, error, reload } = useCounts(filter.toString(), span);
  const length = span.until.getTime() - span.since.getTime();
  const before = { since: new Date(span.since.getTime() - length), until: span.since };
  // after the first numbers are there
  const previous = useCounts(filter.toString(), data && before);

  useEffect(() => {
    const timer = setInterval(() => {
      if (document.hidden) return;
      setTurn((before) => before + 1);
      reload();
    }, REFRESH_MS);
    return () => clearInterval(timer);
  }, [reload]);

  const zoomOut = () => setQuery({ since: null, until: null });
  const onSpan = (since: Date, until: Date) => setQuery({ since: since.toISOString(), until: until.toISOString() });
  const again = (): void => {
    setTurn((before) => before + 1);
    reload();
  };
  useKeys({
    z: { label: t("overview.zoomOut", { range: t(`range.${range}`) }), run: zoomOut },
    r: { label: t("ui.refresh"), run: again },
  });

  return (
    <Page
      title={title}
      actions={
        <RangePicker
          ranges={RANGES}
          chosen={span.fixed ? undefined : range}
          custom={span}
          onRange={(one) => setQuery({ range: one, since: null, until: null })}
          onCustom={onSpan}
        />
      }
    >
      {span.fixed && (
        <p class="hint">
          <span>{t("overview.span", { since: dateTime(span.since), until: dateTime(span.until) })}</span>
          <Button kind="quiet" small onClick={zoomOut}>
            {t("overview.zoomOut", { range: t(`range.${range}`) })}
          </Button>
        </p>
      )}
      {filter.size > 0 && (
        <p class="hint">
          <span>
            {t("overview.filtered")} <code>{[...filter].map(([name, value]) => `${name}=${value}`).join(" ")}</code>
          </span>
          <a href="/">{t("filter.clear")}</a>
        </p>
      )}
      {error && <Problem error={error} retry={reload} />}
      {data ? (
        <Content data={data} before={previous.data?.totals} span={span} step={step} filter={filter} onSpan={onSpan} />
      ) : (
        !error && <Loading lines={8} />
      )}
    </Page>
  );
}

function Content({
  data,
  before,
  span,
  step,
  filter,
  onSpan,
}: {
  data: Overview;
  /** The totals of the period before. */
  before: Overview["totals"] | undefined;
  span: Span;
  step: Step;
  filter: URLSearchParams;
  onSpan: (since: Date, until: Date) => void;
}) {
  const { totals, top } = data;
  const [withRest, setWithRest] = useState(false);
  const times = useMemo(() => data.series.map((one) => Date.parse(one.time) / 1000), [data]);
  const layers = useMemo<Layer[]>(() => {
    const shown = layersOf(data.series);
    return withRest ? [...shown, restOf(data.series, "requests")] : shown;
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
        <Stat label={t("overview.requests")} value={totals.requests ?? null} before={before?.requests} />
        <Stat label={t("overview.events")} value={totals.events} before={before?.events} partial={!!partial} href={link({})} />
        <Stat
          label={t("overview.blocked")}
          value={totals.blocked}
          before={before?.blocked}
          partial={!!partial}
          href={link({ outcome: "blocked" })}
        />
        <Stat
          label={t("overview.detected")}
          value={totals.detected}
          before={before?.detected}
          partial={!!partial}
          href={link({ outcome: "detected" })}
        />
        <Stat
          label={t("overview.answered")}
          value={totals.attacks_answered_below_400}
          before={before?.attacks_answered_below_400}
          partial={!!partial}
          kind={totals.attacks_answered_below_400 > 0 ? "bad" : "good"}
          note={t("overview.answeredNote")}
          href={link({ outcome: ["blocked", "detected"], status: "100-399" })}
        />
      </ul>
      <Panel
        title={t(`overview.by.${step}`)}
        actions={
          <div class="course-head">
            <Legend layers={layers} />
            {totals.requests != null && <Toggle label={t("overview.rest")} on={withRest} onChange={setWithRest} />}
          </div>
        }
      >
        <Histogram
          label={t("overview.chart", { n: totals.blocked, m: totals.detected, reached: totals.attacks_answered_below_400 })}
          times={times}
          step={STEPS[step]}
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
