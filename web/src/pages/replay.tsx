// Stored events and a sample of passed requests against other rules: what would change.
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, get, send } from "../api/client";
import type { ByteText } from "../evidence/event";
import { number, t } from "../i18n";
import { Badge, errorText, Untrusted } from "../ui";

/** What an exclusion is made of. */
export interface Scope {
  rule: number;
  site?: string | null;
  path?: ByteText | null;
  path_match: "exact" | "prefix";
  parameter?: ByteText | null;
}

export interface ReplayRequest {
  add?: Scope[];
  remove?: (number | string)[];
  rules?: string[];
  filter?: string;
}

/** A request whose fate differs; older answers tell its id alone. */
export interface Changed {
  event: string;
  site?: string | null;
  client?: string | null;
  request?: string;
  score_before?: number;
  score_after?: number;
  attack?: boolean;
  signs?: string[];
}

export interface Replay {
  state: "running" | "done" | "failed";
  done: number;
  total: number;
  error?: string | null;
  now_pass?: Changed[];
  now_pass_count?: number;
  slips_through?: Changed[];
  slips_through_count?: number;
  newly_blocked?: Changed[];
  newly_blocked_count?: number;
  still_blocked?: number;
  sample_of_passed?: number;
  changed?: number;
  not_replayed?: { truncated: number; without_rules: number; not_reproduced: number };
}

/** Milliseconds between two questions how far it is. */
const ASK_EVERY = 250;

/** Runs a replay; another request, or leaving the page, cancels it. */
export function useReplay(request: ReplayRequest | undefined): { replay: Replay | undefined; error: string | undefined } {
  const [state, setState] = useState<{ replay?: Replay; error?: string }>({});
  const key = request && JSON.stringify(request);
  const newest = useRef(key);
  newest.current = key;
  useEffect(() => {
    setState({});
    if (!key) return;
    let over = false;
    let id: string | undefined;
    const cancel = (): void => {
      if (id) send("DELETE", `/api/replays/${encodeURIComponent(id)}`).catch(() => undefined);
    };
    const run = async (): Promise<void> => {
      id = (await send<{ id: string }>("POST", "/api/replays", JSON.parse(key))).id;
      if (over) cancel();
      while (!over) {
        const replay = await get<Replay>(`/api/replays/${encodeURIComponent(id)}`);
        if (over) return;
        setState(replay.state === "failed" ? { replay, error: replay.error ?? t("replay.failed") } : { replay });
        if (replay.state !== "running") {
          id = undefined;
          return;
        }
        await new Promise((resolve) => setTimeout(resolve, ASK_EVERY));
      }
    };
    run().catch((error: unknown) => {
      if (!over) setState({ error: error instanceof ApiError ? errorText(error) : String(error) });
    });
    return () => {
      over = true;
      cancel();
    };
  }, [key]);
  return { replay: state.replay, error: state.error };
}

export function ReplayResult({ replay, error }: { replay: Replay | undefined; error: string | undefined }) {
  return (
    <div class="replay" aria-live="polite">
      {error && (
        <p class="form-error" role="alert">
          {error}
        </p>
      )}
      {!error && (!replay || replay.state === "running") && (
        <p class="replay-progress">
          <progress max={Math.max(replay?.total ?? 1, 1)} value={replay?.done ?? 0} aria-label={t("replay.running")} />{" "}
          {replay ? t("replay.progress", { done: replay.done, total: replay.total }) : t("replay.running")}
        </p>
      )}
      {replay?.state === "done" && <Outcome replay={replay} />}
    </div>
  );
}

function Outcome({ replay }: { replay: Replay }) {
  const passing = replay.now_pass ?? [];
  const slipping = replay.slips_through ?? passing.filter((one) => one.attack);
  const blocked = replay.newly_blocked ?? [];
  const slips = replay.slips_through_count ?? slipping.length;
  const left = replay.not_replayed;
  return (
    <>
      <ul class="replay-sums">
        <li>{t("replay.nowPass", { n: replay.now_pass_count ?? passing.length })}</li>
        <li>
          <Badge kind={slips > 0 ? "bad" : "good"}>{t("replay.slips", { n: slips })}</Badge>
        </li>
        <li>{t("replay.stillBlocked", { n: replay.still_blocked ?? 0 })}</li>
        {blocked.length > 0 && (
          <li>
            <Badge kind="warn">{t("replay.newlyBlocked", { n: replay.newly_blocked_count ?? blocked.length })}</Badge>
          </li>
        )}
        <li>{t("replay.sample", { n: replay.sample_of_passed ?? 0, changed: replay.changed ?? 0 })}</li>
      </ul>
      <Requests title={t("replay.slipping")} list={slipping} open />
      <Requests title={t("replay.passing")} list={passing} />
      <Requests title={t("replay.blocking")} list={blocked} />
      {left && left.truncated + left.without_rules + left.not_reproduced > 0 && (
        <p class="note">
          {t("replay.left", { truncated: left.truncated, without: left.without_rules, other: left.not_reproduced })}
        </p>
      )}
    </>
  );
}

function Requests({ title, list, open = false }: { title: string; list: Changed[]; open?: boolean }) {
  if (list.length === 0) return null;
  return (
    <details class="replay-list" open={open}>
      <summary>
        {title} ({number(list.length)})
      </summary>
      <ul>
        {list.map((one) => (
          <li key={one.event}>
            <a href={`/events/${one.event}`}>
              <code>
                <Untrusted text={one.request ?? one.event} limit={200} />
              </code>
            </a>{" "}
            {one.score_before !== undefined && one.score_after !== undefined && (
              <span class="note">
                {one.score_before} → {one.score_after}
              </span>
            )}{" "}
            {one.signs?.map((sign) => (
              <span key={sign} class="note">
                <Untrusted text={sign} limit={120} />{" "}
              </span>
            ))}
          </li>
        ))}
      </ul>
    </details>
  );
}
