// Incidents: events grouped by actor, each with its course over time.
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, get, useRetry } from "../../api/client";
import { number } from "../../i18n";
import { navigate, place, setQuery } from "../../router";
import { Badge, Button, Choice, Empty, Fact, Facts, Loading, Page, Problem, Time, Untrusted, useKeys, visible } from "../../ui";
import type { PageProps } from "../part";
import { kindTitle } from "./kinds";
import { has, t } from "./texts";

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

interface IncidentPage {
  incidents: Incident[];
  next: string | null;
}

const SPANS = { "24h": 86_400_000, "7d": 604_800_000, "30d": 2_592_000_000, all: 0 } as const;
type Spans = keyof typeof SPANS;

export default function Incidents({ title }: PageProps) {
  const asked = place.value.query.get("span");
  const span: Spans = asked && asked in SPANS ? (asked as Spans) : "7d";
  const [turn, setTurn] = useState(0);
  const list = useIncidents(span, turn);
  useRetry(list.error, () => setTurn(turn + 1));
  const [selected, setSelected] = useState(-1);
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const toggle = (id: string): void => {
    const changed = new Set(open);
    if (!changed.delete(id)) changed.add(id);
    setOpen(changed);
  };
  const element = useRef<HTMLOListElement>(null);
  useEffect(() => {
    element.current?.querySelector(".selected")?.scrollIntoView({ block: "nearest" });
  }, [selected]);
  const move = (by: number): void =>
    setSelected(Math.max(0, Math.min(list.incidents.length - 1, selected + by)));
  const chosen = list.incidents[selected];
  useKeys({
    j: { label: t("ui.select"), run: () => move(1) },
    k: { label: t("ui.selectBefore"), run: () => move(-1) },
    o: { label: t("incidents.keyExpand"), run: () => chosen && toggle(chosen.id) },
    Enter: { label: t("incidents.keyList"), run: () => chosen && navigate(`/events?${chosen.filter}`) },
    r: { label: t("ui.refresh"), run: () => setTurn(turn + 1) },
  });
  return (
    <Page
      title={title}
      actions={
        <Choice
          label={t("range.label")}
          value={span}
          onValue={(value) => setQuery({ span: value })}
          options={(Object.keys(SPANS) as Spans[]).map((value) => ({ value, label: t(`range.${value}`) }))}
        />
      }
    >
      <ol class="incidents" ref={element}>
        {list.incidents.map((incident, at) => (
          <Line
            key={incident.id}
            incident={incident}
            selected={at === selected}
            open={open.has(incident.id)}
            onToggle={() => toggle(incident.id)}
          />
        ))}
      </ol>
      {list.error && <Problem error={list.error} retry={() => setTurn(turn + 1)} />}
      {list.loading && <Loading />}
      {!list.loading && !list.error && list.incidents.length === 0 && <Empty>{t("incidents.none")}</Empty>}
      {list.next && !list.loading && (
        <p class="search-state">
          <Button onClick={list.more}>{t("incidents.older")}</Button>
        </p>
      )}
    </Page>
  );
}

export function categoryText(category: string): string {
  const key = `attack.${category.replace(/^attack-/, "")}`;
  return has(key) ? t(key) : visible(kindTitle(category) ?? category);
}

/** Categories that a line names; the others are in its details. */
const NAMED = 2;

function Categories({ categories }: { categories: Incident["categories"] }) {
  const texts = categories.slice(0, NAMED).map(({ category }) => categoryText(category));
  const more = categories.length - texts.length;
  return <span class="incident-kind">{texts.join(", ") + (more > 0 ? ` +${number(more)}` : "")}</span>;
}

function Line({
  incident,
  selected,
  open,
  onToggle,
}: {
  incident: Incident;
  selected: boolean;
  open: boolean;
  onToggle: () => void;
}) {
  const passed = incident.events - incident.stopped;
  return (
    <li class={selected ? "incident selected" : "incident"} aria-current={selected ? "true" : undefined}>
      <button type="button" class="incident-line" aria-expanded={open} onClick={onToggle}>
        <Categories categories={incident.categories} />
        <code class="incident-client">
          <Untrusted text={incident.actor} limit={60} />
        </code>
        <span class="incident-target">
          {incident.target === "many" ? t("incidents.many") : <Untrusted text={incident.target} limit={120} />}
        </span>
        <Sparkline course={incident.course} label={t("incidents.course", { n: incident.events })} />
        <span class="incident-events">{t("events.count", { n: incident.events })}</span>
        <Badge kind={passed > 0 ? "warn" : "good"}>
          {passed > 0 ? t("incidents.notStopped", { n: passed }) : t("incidents.allStopped")}
        </Badge>
        <span class="incident-time">
          <Time time={incident.last} relative />
        </span>
      </button>
      {open && (
        <div class="incident-more">
          <Facts>
            <Fact name={t("incidents.from")}>
              <Time time={incident.first} />
            </Fact>
            <Fact name={t("incidents.to")}>
              <Time time={incident.last} />
            </Fact>
            <Fact name={t("incidents.stopped")}>
              {number(incident.stopped)} / {number(incident.events)}
            </Fact>
            <Fact name={t("incidents.highest")}>{number(incident.highest_score)}</Fact>
            <Fact name={t("incidents.categories")} wide>
              <span class="rule-counts">
                {incident.categories.map(({ category, count }) => (
                  <a key={category} href={`/events?${withOnly(incident.filter, "category", category)}`}>
                    {categoryText(category)} × {number(count)}
                  </a>
                ))}
              </span>
            </Fact>
            <Fact name={t("incidents.rules")} wide>
              <span class="rule-counts">
                {incident.rules.map(({ id, count }) => (
                  <a key={id} href={`/events?${withOnly(incident.filter, "rule", String(id))}`}>
                    <code>{id}</code> × {number(count)}
                  </a>
                ))}
              </span>
            </Fact>
          </Facts>
          <p>
            <a href={`/events?${incident.filter}`}>{t("incidents.list", { n: incident.events })}</a>
          </p>
        </div>
      )}
    </li>
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

interface State extends IncidentPage {
  loading: boolean;
  error: ApiError | undefined;
}

const NOTHING: State = { incidents: [], next: null, loading: true, error: undefined };

function useIncidents(span: Spans, turn: number): State & { more: () => void } {
  const [state, setState] = useState<State>(NOTHING);
  const abort = useRef<AbortController>(undefined);
  const load = (before: string | null, kept: Incident[]): void => {
    abort.current?.abort();
    const controller = new AbortController();
    abort.current = controller;
    setState((state) => ({ ...state, incidents: kept, loading: true, error: undefined }));
    const query = new URLSearchParams({ limit: "50" });
    if (SPANS[span] > 0) query.set("since", new Date(Date.now() - SPANS[span]).toISOString());
    if (before) query.set("before", before);
    get<IncidentPage>(`/api/incidents?${query}`, { signal: controller.signal }).then(
      (page) => {
        if (controller.signal.aborted) return;
        setState({ ...page, incidents: [...kept, ...page.incidents], loading: false, error: undefined });
      },
      (error: unknown) => {
        if (controller.signal.aborted) return;
        const known = error instanceof ApiError ? error : new ApiError(0, String(error));
        setState((state) => ({ ...state, loading: false, error: known }));
      },
    );
  };
  useEffect(() => {
    load(null, []);
    return () => abort.current?.abort();
  }, [span, turn]);
  return { ...state, more: () => load(state.next, state.incidents) };
}
