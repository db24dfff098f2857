// The list of events by any query, newest or oldest first: its course over time, its rows, and the event that is open beside them.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { type Overview } from "../../api";
import { get, useRetry } from "../../api/client";
import { type Event } from "../../api/event";
import { type Pages, type PagesState, usePages } from "../../api/pages";
import { dateTime } from "../../i18n";
import type { PageProps } from "../part";
import { isTime, toParams } from "../../query/query";
import { keep, kept, place, withQuery } from "../../router";
import { Button, Empty, Loading, Menu, Page, Problem, Stale, useKeys } from "../../ui";
import { FilterBar } from "../../ui/filter/FilterBar";
import type { Known, KnownValue } from "../../ui/filter/completion";
import { RangePicker, zoneText } from "../../ui/range";
import { Browser } from "./browser";
import { CourseView, useCourse } from "./course";
import { kindTitle } from "./kinds";
import { rangeOf, withRange } from "./span";
import { MOST, useTail } from "./tail";
import { t } from "./texts";
import { knownValues, useQuery } from "./useQuery";

const RANGES = ["1h", "24h", "7d", "30d", "all"] as const;

/** What the list keeps for the visitor's return. */
interface Kept {
  text: string;
  state: PagesState<Event>;
  selected: string | undefined;
}

export default function Events({ title }: PageProps) {
  const [turn, setTurn] = useState(0);
  const query = useQuery(turn);
  const before = useRef(kept<Kept>()).current;
  const returned = before?.text === query.text && turn === 0 ? before : undefined;
  const ordered = query.oldest ? `${query.api}${query.api && "&"}order=oldest` : query.api;
  const list = usePages<Event>(`/api/events?${ordered}`, "events", turn, returned?.state);
  useRetry(list.error, list.more);
  const count = useCount(query.api, turn);
  const [selected, setSelected] = useState(returned?.selected);
  const { query: address } = place.value;
  useEffect(() => {
    const { more: _, add: __, ...state } = list;
    if (!list.loading) keep({ text: query.text, state, selected } satisfies Kept);
  }, [list, selected, query.text, address]);
  const range = useMemo(() => rangeOf(query.conditions), [query.conditions, turn]);
  const filter = useMemo(() => toParams(query.conditions.filter(({ property }) => !isTime(property))).toString(), [query.conditions]);
  const course = useCourse(filter, range, turn);
  const known = useMemo(() => withTops(knownValues(list.items), course.data?.top), [list.items, course.data]);
  const tail = useTail(query.api, range.open && !query.oldest, () => list.items[0]?.id);
  const listed = useMemo(() => new Set(list.items.map(({ id }) => id)), [list.items]);
  const fresh = query.oldest ? [] : tail.shown.value.filter(({ id }) => !listed.has(id));
  const refresh = (): void => setTurn(turn + 1);
  const showFresh = (): void => {
    const gap = tail.gap.value;
    const events = tail.take();
    if (gap) refresh();
    else list.add(events);
  };
  useKeys({
    m: { label: t(query.oldest ? "events.moreNew" : "events.more"), run: () => list.next && !list.loading && list.more() },
    n: { label: t("events.showNew"), run: () => fresh.length > 0 && showFresh() },
    r: { label: t("ui.refresh"), run: refresh },
  });
  // the button stays while it loads, and keeps the focus
  const more = list.next !== null && list.searchedTo === null && !list.error ? list.more : undefined;
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
          <a class="button plain small" href={withQuery("/live", toParams(query.conditions))}>
            {t("events.watch")}
          </a>
        </>
      }
    >
      <FilterBar conditions={query.conditions} onConditions={query.set} known={known} unknown={query.unknown} ranged />
      <CourseView course={course} onSpan={(span) => query.set(withRange(query.conditions, span))} />
      <Browser
        label={title}
        events={list.items}
        add={query.add}
        more={more}
        sort={{ name: "time", down: !query.oldest }}
        onSort={({ down }) => query.setOldest(!down)}
        selectedFirst={returned?.selected}
        onSelected={setSelected}
        head={
          <p class="count">
            <span role="status">
              {count.count !== undefined &&
                (count.complete
                  ? t("events.count", { n: count.count })
                  : t("events.countSoFar", { n: count.count, to: count.to ? dateTime(count.to) : "…" }))}
            </span>
            <span>
              {!range.name && range.span && `${dateTime(range.span.since)} – ${range.open ? "" : dateTime(range.span.until)} · `}
              {t("range.zone", { zone: zoneText() })}
            </span>
          </p>
        }
        tools={
          <Menu label={t("events.export")}>
            {() => (
              <>
                <p class="note">{t("events.exportNote")}</p>
                <div class="actions start">
                  {(["csv", "jsonl"] as const).map((format) => (
                    <a key={format} class="button plain small" href={`/api/events/export?${ordered}${ordered && "&"}format=${format}`} download={`events.${format}`}>
                      {t(`events.exports.${format}`)}
                    </a>
                  ))}
                </div>
              </>
            )}
          </Menu>
        }
        notice={
          fresh.length > 0 && (
            <Stale onRefresh={showFresh} label={t("events.showNew")}>
              {t("events.new", { n: fresh.length, more: tail.gap.value || fresh.length >= MOST ? "+" : "" })}
            </Stale>
          )
        }
        empty={
          !list.loading && !list.error && list.next === null && (
            <Empty
              action={
                query.conditions.length > 0 ? (
                  <Button onClick={() => query.set([])}>{t("filter.clear")}</Button>
                ) : (
                  <a href="/live">{t("events.watch")}</a>
                )
              }
            >
              {t(query.conditions.length > 0 ? "events.noneFit" : "events.none")}
            </Empty>
          )
        }
      />
      {list.error && <Problem error={list.error} retry={list.more} />}
      {list.loading && <Loading lines={list.items.length > 0 ? 2 : 8} />}
      {!list.error && <End list={list} oldest={query.oldest} />}
    </Page>
  );
}

/** Adds the most frequent values of the whole range to those of the listed events. */
function withTops(known: Known, top: Overview["top"] | undefined): Known {
  if (!top) return known;
  const joined = (property: string, values: KnownValue[]): Known => ({
    [property]: [...values, ...(known[property] ?? []).filter((one) => !values.some(({ value }) => value === one))],
  });
  const names = (list: readonly { name: string }[] | undefined): KnownValue[] => (list ?? []).map(({ name }) => ({ value: name }));
  return {
    ...known,
    ...joined("rule", (top.rules ?? []).map(({ id, message }) => ({ value: String(id), note: message }))),
    ...joined("client", names(top.clients)),
    ...joined("path", names(top.paths)),
    ...joined("subject", names(top.sites)),
    ...joined("fact", names(top.facts)),
    ...joined("kind", (top.kinds ?? []).map(({ kind }) => ({ value: kind, note: kindTitle(kind) ?? "" }))),
  };
}

/** The end of the list: where the search stopped, or that there is nothing more. */
function End({ list, oldest }: { list: Pages<Event>; oldest: boolean }) {
  if (list.searchedTo !== null && list.next !== null) {
    return (
      <p class="search-state">
        {t(oldest ? "events.searchedUpTo" : "events.searchedTo", { time: dateTime(list.searchedTo) })}{" "}
        <Button onClick={list.more}>{t("events.goOn")}</Button>
      </p>
    );
  }
  if (list.loading || list.next !== null || list.items.length === 0) return null;
  return <p class="search-state note">{t("events.all")}</p>;
}

interface Count {
  count: number;
  complete: boolean;
  next: string | null;
  searched_to: string | null;
}

/** Counts the events piece by piece and returns the growing count. */
function useCount(api: string, turn: number): { count: number | undefined; complete: boolean; to: string | null } {
  const [state, setState] = useState<{ count: number | undefined; complete: boolean; to: string | null }>({
    count: undefined,
    complete: false,
    to: null,
  });
  useEffect(() => {
    const abort = new AbortController();
    setState({ count: undefined, complete: false, to: null });
    const run = async (): Promise<void> => {
      let sum = 0;
      let before: string | null = null;
      do {
        const query = new URLSearchParams(api);
        if (before) query.set("before", before);
        const piece: Count = await get<Count>(`/api/count?${query}`, { signal: abort.signal });
        if (abort.signal.aborted) return;
        sum += piece.count;
        before = piece.next;
        setState({ count: sum, complete: piece.complete || before === null, to: piece.searched_to });
        if (piece.complete) return;
      } while (before !== null);
    };
    // the list itself shows the error
    run().catch(() => undefined);
    return () => abort.abort();
  }, [api, turn]);
  return state;
}
