// The live view: events as they arrive.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { batch, signal } from "@preact/signals";
import { ApiError, get, useRetry, whyRefused } from "../../api/client";
import { type Event } from "../../api/event";
import type { PageProps } from "../part";
import { QueryBar } from "./query/QueryBar";
import { toParams } from "../../query/query";
import { knownValues, useQuery } from "./query/useQuery";
import { navigate, withQuery } from "../../router";
import { Badge, Button, Empty, Page, Problem, useKeys } from "../../ui";
import { EventRows } from "./rows";
import { t } from "./texts";

/** Number of rows kept, and of events held while paused; the newest of both. */
const MOST = 500;

type Connection = "connecting" | "connected" | "reconnecting" | "refused";

export default function Live({ title }: PageProps) {
  const query = useQuery();
  const tail = useTail(query.api);
  const [selected, setSelected] = useState<string>();
  const events = tail.shown.value;
  const known = useMemo(() => knownValues(events), [events]);
  const move = (by: number): void => {
    const at = events.findIndex((event) => event.id === selected);
    setSelected(events[Math.max(0, Math.min(events.length - 1, at + by))]?.id);
  };
  useKeys({
    p: { label: t("live.keyPause"), run: tail.pause },
    j: { label: t("ui.select"), run: () => move(1) },
    k: { label: t("ui.selectBefore"), run: () => move(-1) },
    Enter: { label: t("ui.open"), run: () => selected && navigate(`/events/${selected}`) },
  });
  const paused = tail.paused.value;
  const held = tail.held.value;
  const connection = tail.connection.value;
  return (
    <Page
      title={title}
      actions={
        <>
          <Badge kind={connection === "connected" ? "good" : connection === "refused" ? "bad" : "warn"}>
            <span role="status">{t(`live.${connection}`)}</span>
          </Badge>
          <Button kind={paused ? "primary" : "plain"} aria-pressed={paused} onClick={tail.pause}>
            {paused ? t("live.resume", { n: held.length }) : t("live.pause")}
          </Button>
          <a class="button quiet" href={withQuery("/events", toParams(query.conditions))}>
            {t("live.list")}
          </a>
        </>
      }
    >
      <QueryBar conditions={query.conditions} onConditions={query.set} known={known} unknown={query.unknown} />
      {paused && held.length >= MOST && <p class="note">{t("live.full", { n: MOST })}</p>}
      {tail.missed.value > 0 && (
        <p class="hint" role="status">
          {t("live.missed", { n: tail.missed.value })}
        </p>
      )}
      {tail.refusal.value && <Problem error={tail.refusal.value} retry={tail.retry} />}
      {events.length === 0 ? (
        <Empty>{t("live.none")}</Empty>
      ) : (
        <EventRows events={events} selected={selected} add={query.add} label={title} />
      )}
    </Page>
  );
}

/** Returns the stream of matching events, the newest first. */
function useTail(api: string) {
  const state = useRef<ReturnType<typeof makeState>>(undefined);
  state.current ??= makeState();
  const tail = state.current;
  const [turn, setTurn] = useState(0);
  const retry = (): void => setTurn((before) => before + 1);
  useRetry(tail.refusal.value, retry);
  useEffect(() => {
    tail.shown.value = [];
    tail.held.value = [];
    tail.missed.value = 0;
  }, [api]);
  useEffect(() => {
    tail.connection.value = "connecting";
    const path = `/api/live${api ? `?${api}` : ""}`;
    const source = new EventSource(path);
    let over = false;
    // many events may arrive at once: the page renders once for all of them
    let arrived: Event[] = [];
    let drawing = 0;
    const draw = (): void => {
      drawing = 0;
      const list = tail.paused.value ? tail.held : tail.shown;
      const seen = new Set(list.value.slice(0, MOST).map((event) => event.id));
      const fresh = arrived.filter((event) => !seen.has(event.id));
      arrived = [];
      list.value = [...fresh.reverse(), ...list.value].slice(0, MOST);
    };
    source.addEventListener("open", () => {
      tail.connection.value = "connected";
      tail.refusal.value = undefined;
    });
    source.addEventListener("error", () => {
      if (source.readyState !== EventSource.CLOSED) {
        tail.connection.value = "reconnecting";
        // a stream ends without a reason; if the session has ended, this request leads to the sign-in
        get("/api/session").catch(() => {});
        return;
      }
      tail.connection.value = "refused";
      void whyRefused(path).then((refusal) => {
        // if the server would accept it by now, retry as after a lost response
        if (!over) tail.refusal.value = refusal ?? new ApiError(0, "");
      });
    });
    source.addEventListener("event", (message: MessageEvent<string>) => {
      arrived.push(JSON.parse(message.data) as Event);
      if (arrived.length > MOST) arrived.shift();
      drawing ||= window.setTimeout(draw, 50);
    });
    source.addEventListener("missed", (message: MessageEvent<string>) => {
      tail.missed.value += (JSON.parse(message.data) as { count: number }).count;
    });
    return () => {
      over = true;
      source.close();
      clearTimeout(drawing);
    };
  }, [api, turn]);
  const pause = (): void =>
    batch(() => {
      if (tail.paused.value) {
        tail.shown.value = [...tail.held.value, ...tail.shown.value].slice(0, MOST);
        tail.held.value = [];
      }
      tail.paused.value = !tail.paused.value;
    });
  return { ...tail, pause, retry };
}

function makeState() {
  return {
    shown: signal<Event[]>([]),
    held: signal<Event[]>([]),
    missed: signal(0),
    paused: signal(false),
    connection: signal<Connection>("connecting"),
    /** Why the stream was refused. */
    refusal: signal<ApiError | undefined>(undefined),
  };
}
