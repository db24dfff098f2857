// Incidents: events grouped by actor, each with its course over time, and the one that is open beside them.
import { type ComponentChildren } from "preact";
import { useMemo, useState } from "preact/hooks";
import { useRetry } from "../../api/client";
import { usePages } from "../../api/pages";
import { date, number } from "../../i18n";
import { Badge, Button, Empty, Fact, Facts, Loading, Page, Panel, Problem, Time, Untrusted, useKeys, visible } from "../../ui";
import { SidePanel } from "../../ui/panel";
import { RangePicker, zoneText } from "../../ui/range";
import { type Column, Grid } from "../../ui/table";
import type { PageProps } from "../part";
import { useBeside } from "./beside";
import { CourseView, useCourse } from "./course";
import { kindTitle } from "./kinds";
import { type Ranged, rangeOf, withRange } from "./span";
import { has, t } from "./texts";
import { useQuery } from "./useQuery";

interface Incident {
  id: string;
  /** The property and the value of the actor: `client`, `203.0.113.7`. */
  property: string;
  actor: string;
  target: string;
  /** The categories, those of most events first. */
  categories: { category: string; count: number }[];
  first: string;
  last: string;
  events: number;
  stopped: number;
  highest_score: number;
  rules: { id: number; count: number }[];
  /** Counts of events in equal intervals from first to last. */
  course: number[];
  /** The query for its events. */
  filter: string;
}

const RANGES = ["24h", "7d", "30d", "all"] as const;
/** Columns that stay while an incident is open. */
const NARROW = new Set(["time", "actor", "kind", "outcome"]);

export default function Incidents({ title }: PageProps) {
  const [turn, setTurn] = useState(0);
  const query = useQuery(turn);
  const range = useMemo(() => rangeOf(query.conditions), [query.conditions, turn]);
  const course = useCourse("", range, turn);
  const list = usePages<Incident>(`/api/incidents?${timesOf(range)}`, "incidents", turn);
  useRetry(list.error, list.more);
  // the button stays while it loads, and keeps the focus
  const more = list.next !== null && !list.error ? list.more : undefined;
  const ids = useMemo(() => list.items.map(({ id }) => id), [list.items]);
  const { open, selected, select, show, buttons } = useBeside(ids, { more });
  const opened = list.items.find(({ id }) => id === open);
  const refresh = (): void => setTurn(turn + 1);
  useKeys({ r: { label: t("ui.refresh"), run: refresh } });
  return (
    <Page
      title={title}
      wide
      actions={
        <>
          <RangePicker
            ranges={RANGES}
            chosen={range.name}
            custom={course.span}
            onRange={(name) => query.set(withRange(query.conditions, name))}
            onCustom={(since, until) => query.set(withRange(query.conditions, { since, until }))}
          />
          <Button small onClick={refresh}>
            {t("ui.refresh")}
          </Button>
        </>
      }
    >
      <CourseView course={course} onSpan={(span) => query.set(withRange(query.conditions, span))} />
      <div class={opened ? "event-list beside" : "event-list"}>
        <div class="event-list-main">
          <p class="count">
            <span>{t("range.zone", { zone: zoneText() })}</span>
          </p>
          {list.items.length > 0 && (
            <Grid
              caption={title}
              rows={list.items}
              rowKey={({ id }) => id}
              columns={opened ? columns().filter(({ name }) => NARROW.has(name ?? "")) : columns()}
              selected={selected}
              onSelect={({ id }) => select(id)}
              onOpen={({ id }) => show(id)}
              group={({ last }) => date(last)}
              rowClass={() => "incident-row"}
            />
          )}
          {list.error && <Problem error={list.error} retry={list.more} />}
          {list.loading && <Loading />}
          {!list.loading && !list.error && list.items.length === 0 && <Empty>{t("incidents.none")}</Empty>}
          {more && (
            <p class="search-state">
              <Button onClick={more}>{t("incidents.older")}</Button>
            </p>
          )}
        </div>
        {opened && (
          <SidePanel title={`${visible(opened.actor)} · ${categoryTexts(opened)}`} href={`/events?${opened.filter}`} link={t("event.inList")} {...buttons}>
            <Details incident={opened} />
          </SidePanel>
        )}
      </div>
    </Page>
  );
}

/** Returns the range as parameters of the API. */
function timesOf({ span, open }: Ranged): string {
  const times = new URLSearchParams();
  if (span) times.set("since", span.since.toISOString());
  if (span && !open) times.set("until", span.until.toISOString());
  return times.toString();
}

export function categoryText(category: string): string {
  const key = `attack.${category.replace(/^attack-/, "")}`;
  return has(key) ? t(key) : visible(kindTitle(category) ?? category);
}

/** Categories that a row names; the others are in its details. */
const NAMED = 2;

function categoryTexts({ categories }: Incident): string {
  const texts = categories.slice(0, NAMED).map(({ category }) => categoryText(category));
  const more = categories.length - texts.length;
  return texts.join(", ") + (more > 0 ? ` +${number(more)}` : "");
}

function columns(): Column<Incident>[] {
  return [
    { name: "time", title: t("incidents.to"), width: "7rem", cell: ({ last }) => <Time time={last} short /> },
    {
      name: "actor",
      title: t("event.actor"),
      width: "12rem",
      cell: ({ actor }) => (
        <code>
          <Untrusted text={actor} limit={60} />
        </code>
      ),
    },
    { name: "kind", title: t("incidents.categories"), kind: "wide", cell: (incident) => <b>{categoryTexts(incident)}</b> },
    {
      name: "target",
      title: t("event.subject"),
      kind: "wide",
      cell: ({ target }) => (target === "many" ? t("incidents.many") : <Untrusted text={target} limit={120} />),
    },
    {
      name: "course",
      title: t("incidents.overTime"),
      width: "8rem",
      cell: ({ course, events }) => <Sparkline course={course} label={t("incidents.course", { n: events })} />,
    },
    { name: "events", title: t("overview.events"), kind: "number", width: "6rem", cell: ({ events }) => number(events) },
    {
      name: "outcome",
      title: t("event.outcome"),
      width: "9rem",
      cell: ({ events, stopped }) =>
        events > stopped ? <Badge kind="warn">{t("incidents.notStopped", { n: events - stopped })}</Badge> : <Badge kind="good">{t("incidents.allStopped")}</Badge>,
    },
  ];
}

function Details({ incident }: { incident: Incident }) {
  const links = (property: string, values: { value: string; label: ComponentChildren; count: number }[]) => (
    <span class="rule-counts">
      {values.map(({ value, label, count }) => (
        <a key={value} href={`/events?${withOnly(incident.filter, property, value)}`}>
          {label} × {number(count)}
        </a>
      ))}
    </span>
  );
  return (
    <Panel title={t("events.count", { n: incident.events })}>
      <Facts>
        <Fact name={t("incidents.from")}>
          <Time time={incident.first} />
        </Fact>
        <Fact name={t("incidents.to")}>
          <Time time={incident.last} />
        </Fact>
        <Fact name={t("event.subject")}>{incident.target === "many" ? t("incidents.many") : <Untrusted text={incident.target} limit={200} />}</Fact>
        <Fact name={t("incidents.stopped")}>
          {number(incident.stopped)} / {number(incident.events)}
        </Fact>
        <Fact name={t("incidents.highest")}>{number(incident.highest_score)}</Fact>
        <Fact name={t("incidents.categories")} wide>
          {links("category", incident.categories.map(({ category, count }) => ({ value: category, label: categoryText(category), count })))}
        </Fact>
        <Fact name={t("incidents.rules")} wide>
          {links("rule", incident.rules.map(({ id, count }) => ({ value: String(id), label: <code>{id}</code>, count })))}
        </Fact>
      </Facts>
    </Panel>
  );
}

/** Returns the filter with this value alone of a property. */
function withOnly(filter: string, property: string, value: string): string {
  const query = new URLSearchParams(filter);
  query.set(property, value);
  return query.toString();
}

const HEIGHT = 20;
const BAR = 3;

/** A small bar chart; all numbers are attributes, because the policy forbids inline styles. */
export function Sparkline({ course, label }: { course: readonly number[]; label: string }) {
  const most = Math.max(1, ...course);
  return (
    <svg
      class="sparkline"
      role="img"
      aria-label={label}
      width={course.length * BAR}
      height={HEIGHT}
      viewBox={`0 0 ${Math.max(course.length, 1) * BAR} ${HEIGHT}`}
    >
      {course.map((count, at) => {
        // a small count must stay visible
        const height = count === 0 ? 0 : Math.max(2, (count / most) * HEIGHT);
        return <rect key={at} x={at * BAR} y={HEIGHT - height} width={BAR - 1} height={height} />;
      })}
    </svg>
  );
}
