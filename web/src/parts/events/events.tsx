// The list of events, newest first, by any query.
import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { ApiError, get, useRetry } from "../../api/client";
import { type Event } from "../../api/event";
import { dateTime } from "../../i18n";
import type { PageProps } from "../part";
import { QueryBar } from "./query/QueryBar";
import { toParams } from "../../query/query";
import { knownValues, useQuery } from "./query/useQuery";
import { navigate, withQuery } from "../../router";
import { Button, Empty, Loading, Page, Problem, useKeys } from "../../ui";
import { EventRows } from "./rows";
import { t } from "./texts";

interface EventPage {
  events: Event[];
  next: string | null;
  searched_to: string | null;
}

/** Number of events on a page. */
const LIMIT = 50;

export default function Events({ title }: PageProps) {
  const [turn, setTurn] = useState(0);
  const query = useQuery(turn);
  const list = useEvents(query.api, turn);
  useRetry(list.error, list.more);
  const count = useCount(query.api, turn);
  const [selected, setSelected] = useState<string>();
  const known = useMemo(() => knownValues(list.events), [list.events]);
  const move = (by: number): void => {
    const at = list.events.findIndex((event) => event.id === selected);
    const to = Math.max(0, Math.min(list.events.length - 1, at + by));
    setSelected(list.events[to]?.id);
    if (at + by >= list.events.length && list.next && !list.loading) list.more();
  };
  useKeys({
    j: { label: t("ui.select"), run: () => move(1) },
    k: { label: t("ui.selectBefore"), run: () => move(-1) },
    Enter: { label: t("ui.open"), run: () => selected && navigate(`/events/${selected}`) },
    m: { label: t("events.more"), run: () => list.next && !list.loading && list.more() },
    r: { label: t("ui.refresh"), run: () => setTurn(turn + 1) },
  });
  return (
    <Page
      title={title}
      actions={
        <>
          <Button kind="quiet" onClick={() => setTurn(turn + 1)}>
            {t("ui.refresh")}
          </Button>
          <a class="button quiet" href={withQuery("/live", toParams(query.conditions))}>
            {t("events.watch")}
          </a>
        </>
      }
    >
      <QueryBar conditions={query.conditions} onConditions={query.set} known={known} unknown={query.unknown} />
      <p class="count" role="status">
        {count.count !== undefined &&
          (count.complete
            ? t("events.count", { n: count.count })
            : t("events.countSoFar", { n: count.count, to: count.to ? dateTime(count.to) : "…" }))}
      </p>
      {list.events.length > 0 && (
        <EventRows events={list.events} selected={selected} add={query.add} label={title} />
      )}
      {list.error && <Problem error={list.error} retry={list.more} />}
      {list.loading && <Loading />}
      {!list.loading && !list.error && <End list={list} filtered={query.conditions.length > 0} />}
    </Page>
  );
}

/** The end of the list: more, or nothing more. */
function End({ list, filtered }: { list: List; filtered: boolean }) {
  if (list.searchedTo !== null && list.next !== null) {
    return (
      <p class="search-state">
        {t("events.searchedTo", { time: dateTime(list.searchedTo) })}{" "}
        <Button onClick={list.more}>{t("events.goOn")}</Button>
      </p>
    );
  }
  if (list.next !== null) {
    return (
      <p class="search-state">
        <Button onClick={list.more}>{t("events.more")}</Button>
      </p>
    );
  }
  if (list.events.length === 0) return <Empty>{t(filtered ? "events.noneFit" : "events.none")}</Empty>;
  return <p class="search-state note">{t("events.all")}</p>;
}

interface List {
  events: Event[];
  next: string | null;
  searchedTo: string | null;
  loading: boolean;
  error: ApiError | undefined;
  more: () => void;
}

type State = Omit<List, "more">;
const NOTHING: State = { events: [], next: null, searchedTo: null, loading: true, error: undefined };

/** Loads events page by page. */
function useEvents(api: string, turn: number): List {
  const [state, setState] = useState<State>(NOTHING);
  const abort = useRef<AbortController>(undefined);
  const load = useCallback(
    (before: string | null, kept: Event[]) => {
      abort.current?.abort();
      const controller = new AbortController();
      abort.current = controller;
      setState((state) => ({ ...state, events: kept, loading: true, error: undefined }));
      const query = new URLSearchParams(api);
      query.set("limit", String(LIMIT));
      if (before) query.set("before", before);
      get<EventPage>(`/api/events?${query}`, { signal: controller.signal }).then(
        (page) => {
          if (controller.signal.aborted) return;
          const events = [...kept, ...page.events];
          setState({ events, next: page.next, searchedTo: page.searched_to, loading: false, error: undefined });
        },
        (error: unknown) => {
          if (controller.signal.aborted) return;
          const known = error instanceof ApiError ? error : new ApiError(0, String(error));
          setState((state) => ({ ...state, next: before ?? state.next, loading: false, error: known }));
        },
      );
    },
    [api],
  );
  useEffect(() => {
    load(null, []);
    return () => abort.current?.abort();
  }, [load, turn]);
  return { ...state, more: () => load(state.next, state.events) };
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
