// The stream of new events.
import { useEffect, useRef, useState } from "preact/hooks";
import { batch, signal } from "@preact/signals";
import { ApiError, get, useRetry, whyRefused } from "../../api/client";
import { type Event } from "../../api/event";

/** Number of rows kept, and of events held while paused; the newest of both. */
export const MOST = 500;

export type Connection = "connecting" | "connected" | "reconnecting" | "refused";

/** Events that are fetched after a rest. */
const CAUGHT_UP = 100;

/**
 * Returns the stream of matching events, the newest first, while `on`. With `newest`, the newest event that the page has, the stream
 * rests while nobody can see the page, and what came meanwhile is fetched: a browser has six connections to a server for all its tabs.
 */
export function useTail(api: string, on = true, newest?: () => string | undefined) {
  const state = useRef<ReturnType<typeof makeState>>(undefined);
  state.current ??= makeState();
  const tail = state.current;
  const [turn, setTurn] = useState(0);
  const retry = (): void => setTurn((before) => before + 1);
  useRetry(tail.refusal.value, retry);
  const visible = useVisible();
  const active = on && (visible || newest === undefined);
  const rested = useRef(false);
  const latest = useRef(newest);
  latest.current = newest;
  useEffect(() => {
    tail.shown.value = [];
    tail.held.value = [];
    tail.missed.value = 0;
    tail.gap.value = false;
    rested.current = false;
  }, [api]);
  useEffect(() => {
    if (!active) return;
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
    const catchUp = async (): Promise<void> => {
      rested.current = false;
      const known = [latest.current?.() ?? "", tail.shown.value[0]?.id ?? ""].sort()[1]!;
      const page = await get<{ events: Event[] }>(`/api/events?${api ? `${api}&` : ""}limit=${CAUGHT_UP}`).catch(() => undefined);
      if (over || !page) return;
      const fresh = page.events.filter(({ id }) => id > known);
      tail.gap.value ||= fresh.length === CAUGHT_UP;
      arrived.push(...fresh.reverse());
      drawing ||= window.setTimeout(draw, 50);
    };
    source.addEventListener("open", () => {
      tail.connection.value = "connected";
      tail.refusal.value = undefined;
      if (rested.current) void catchUp();
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
      rested.current = latest.current !== undefined;
      source.close();
      clearTimeout(drawing);
    };
  }, [api, turn, active]);
  const pause = (): void =>
    batch(() => {
      if (tail.paused.value) {
        tail.shown.value = [...tail.held.value, ...tail.shown.value].slice(0, MOST);
        tail.held.value = [];
      }
      tail.paused.value = !tail.paused.value;
    });
  /** Forgets the events so far and returns them. */
  const take = (): Event[] => {
    const taken = tail.shown.value;
    tail.shown.value = [];
    tail.gap.value = false;
    return taken;
  };
  return { ...tail, pause, retry, take };
}

/** Returns whether the page can be seen. */
function useVisible(): boolean {
  const [visible, setVisible] = useState(!document.hidden);
  useEffect(() => {
    const look = (): void => setVisible(!document.hidden);
    document.addEventListener("visibilitychange", look);
    return () => document.removeEventListener("visibilitychange", look);
  }, []);
  return visible;
}

function makeState() {
  return {
    shown: signal<Event[]>([]),
    held: signal<Event[]>([]),
    missed: signal(0),
    /** Whether more came during a rest than was fetched. */
    gap: signal(false),
    paused: signal(false),
    connection: signal<Connection>("connecting"),
    /** Why the stream was refused. */
    refusal: signal<ApiError | undefined>(undefined),
  };
}
