// Stored events and a sample of passed requests against other rules: what would change.
import { useEffect, useRef, useState } from "preact/hooks";
import type { ChangedRequest, NewReplay, Replay } from "../api";
import { ApiError, get, send } from "../api/client";
import { number, t } from "../i18n";
import { Badge, errorText, Untrusted } from "../ui";

/** Milliseconds between two questions how far it is. */
const ASK_EVERY = 250;

/** Runs a replay; another request, or leaving the page, cancels it. */
export function useReplay(request: NewReplay | undefined): { replay: Replay | undefined; error: string | undefined } {
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
  const { slips_through_count: slips, newly_blocked_count: blocked, not_replayed: left } = replay;
  return (
    <>
      <ul class="replay-sums">
        <li>{t("replay.nowPass", { n: replay.now_pass_count })}</li>
        <li>
          <Badge kind={slips > 0 ? "bad" : "good"}>{t("replay.slips", { n: slips })}</Badge>
        </li>
        <li>{t("replay.stillBlocked", { n: replay.still_blocked })}</li>
        {blocked > 0 && (
          <li>
            <Badge kind="warn">{t("replay.newlyBlocked", { n: blocked })}</Badge>
          </li>
        )}
        <li>{t("replay.sample", { n: replay.sample_of_passed, changed: replay.changed })}</li>
      </ul>
      <Requests title={t("replay.slipping")} list={replay.slips_through} count={slips} open />
      <Requests title={t("replay.passing")} list={replay.now_pass} count={replay.now_pass_count} />
      <Requests title={t("replay.blocking")} list={replay.newly_blocked} count={blocked} />
      {left.truncated + left.without_rules + left.not_reproduced > 0 && (
        <p class="note">
          {t("replay.left", { truncated: left.truncated, without: left.without_rules, other: left.not_reproduced })}
        </p>
      )}
    </>
  );
}

/** Requests, of which the API lists the first ones. */
function Requests({
  title,
  list,
  count,
  open = false,
}: {
  title: string;
  list: ChangedRequest[];
  count: number;
  open?: boolean;
}) {
  if (list.length === 0) return null;
  return (
    <details class="replay-list" open={open}>
      <summary>
        {title} ({list.length < count ? `${number(list.length)} / ${number(count)}` : number(count)})
      </summary>
      <ul>
        {list.map((one) => (
          <li key={one.event}>
            <a href={`/events/${one.event}`}>
              <code>
                <Untrusted text={one.request} limit={200} />
              </code>
            </a>{" "}
            <span class="note">
              {one.score_before} → {one.score_after}
            </span>{" "}
            {one.signs.map((sign) => (
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
