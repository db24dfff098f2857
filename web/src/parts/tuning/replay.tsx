// A replay of stored events and a sample of clean requests with other rules.
import { useEffect, useState } from "preact/hooks";
import type { AttackSign, ChangedRequest, NewReplay, Replay } from "../../api";
import { ApiError, get, send } from "../../api/client";
import { number } from "../../i18n";
import { Badge, Button, errorText, Untrusted } from "../../ui";
import { has, t } from "./texts";

/** Milliseconds between two requests for the progress. */
const ASK_EVERY = 250;

/** Milliseconds before a retry while too many replays run, and the number of retries. */
const BUSY_EVERY = 1_000;
const BUSY_TRIES = 60;

/** Runs a replay. Another request or `turn`, or leaving the page, cancels it. */
export function useReplay(
  request: NewReplay | undefined,
  turn = "",
): { replay: Replay | undefined; error: string | undefined } {
  const [state, setState] = useState<{ replay?: Replay; error?: string; of?: string }>({});
  const asked = request && JSON.stringify(request);
  const key = asked && `${turn} ${asked}`;
  useEffect(() => {
    setState({});
    if (!key || !asked) return;
    let over = false;
    let id: string | undefined;
    const cancel = (): void => {
      if (id) send("DELETE", `/api/replays/${encodeURIComponent(id)}`).catch(() => undefined);
    };
    // recently cancelled replays still count
    const start = async (tries: number): Promise<string> => {
      try {
        return (await send<{ id: string }>("POST", "/api/replays", JSON.parse(asked))).id;
      } catch (failure) {
        if (over || tries === 0 || !(failure instanceof ApiError) || failure.status !== 503) throw failure;
      }
      await new Promise((resolve) => setTimeout(resolve, BUSY_EVERY));
      if (over) throw new Error("cancelled");
      return start(tries - 1);
    };
    const run = async (): Promise<void> => {
      id = await start(BUSY_TRIES);
      if (over) cancel();
      while (!over) {
        const replay = await get<Replay>(`/api/replays/${encodeURIComponent(id)}`);
        if (over) return;
        const failed = replay.state === "failed" ? { error: replay.error ?? t("replay.failed") } : {};
        setState({ replay, ...failed, of: key });
        if (replay.state !== "running") {
          id = undefined;
          return;
        }
        await new Promise((resolve) => setTimeout(resolve, ASK_EVERY));
      }
    };
    run().catch((error: unknown) => {
      if (!over) setState({ error: error instanceof ApiError ? errorText(error) : String(error), of: key });
    });
    return () => {
      over = true;
      cancel();
    };
  }, [key]);
  return state.of === key ? { replay: state.replay, error: state.error } : { replay: undefined, error: undefined };
}

export function ReplayResult({
  replay,
  error,
  about,
  retry,
}: {
  replay: Replay | undefined;
  error: string | undefined;
  /** The event in question. */
  about?: string | undefined;
  retry?: () => void;
}) {
  return (
    <div class="replay" aria-live="polite">
      {error && (
        <p class="form-error" role="alert">
          {error} {retry && <Button onClick={retry}>{t("ui.retry")}</Button>}
        </p>
      )}
      {!error && (!replay || replay.state === "running") && (
        <p class="replay-progress">
          <progress max={Math.max(replay?.total ?? 1, 1)} value={replay?.done ?? 0} aria-label={t("replay.running")} />{" "}
          {replay ? t("replay.progress", { done: replay.done, total: replay.total }) : t("replay.running")}
        </p>
      )}
      {replay?.state === "done" && <Outcome replay={replay} about={about} />}
    </div>
  );
}

function Outcome({ replay, about }: { replay: Replay; about: string | undefined }) {
  const { now_pass_count: pass, slips_through_count: slips, newly_blocked_count: blocked, not_replayed: left } = replay;
  const own = replay.slips_through.find(({ event }) => event === about);
  const notJudged = [
    left.truncated > 0 ? [t("replay.leftTruncated", { n: left.truncated })] : [],
    left.without_rules > 0 ? [t("replay.leftWithout", { n: left.without_rules })] : [],
    left.not_reproduced > 0 ? [t("replay.leftOther", { n: left.not_reproduced })] : [],
  ].flat();
  return (
    <>
      {slips > 0 && (
        <p class="warning" role="alert">
          {own && (
            <>
              <b>{t("replay.ownAttack")}</b> <Signs list={own.signs} />{" "}
            </>
          )}
          {(!own || slips > 1) && <b>{t("replay.attacks", { n: slips })}</b>}
        </p>
      )}
      <ul class="replay-sums">
        <li>
          {t("replay.nowPass", { n: pass })}
          {replay.now_pass_detected > 0 && ` ${t("replay.detectedOfThem", { n: replay.now_pass_detected })}`}
        </li>
        {pass > 0 && slips === 0 && <li>{t("replay.noSigns")}</li>}
        {about !== undefined && replay.now_pass.length === pass && !replay.now_pass.some(({ event }) => event === about) && (
          <li>{t("replay.notAmong")}</li>
        )}
        <li>{t("replay.stillBlocked", { n: replay.still_blocked })}</li>
        {replay.still_detected > 0 && <li>{t("replay.stillDetected", { n: replay.still_detected })}</li>}
        {blocked > 0 && (
          <li>
            <Badge kind="warn">{t("replay.newlyBlocked", { n: blocked })}</Badge>
          </li>
        )}
        <li>
          {replay.sample_of_passed > 0
            ? t("replay.sample", { n: replay.sample_of_passed, changed: replay.changed })
            : t("replay.noSample")}
        </li>
      </ul>
      {(!own || slips > 1) && <Requests title={t("replay.slipping")} list={replay.slips_through} count={slips} open />}
      {pass > slips && <Requests title={t("replay.passing")} list={replay.now_pass} count={pass} />}
      <Requests title={t("replay.blocking")} list={replay.newly_blocked} count={blocked} />
      {notJudged.length > 0 && <p class="note">{`${t("replay.left")} ${notJudged.join(t("replay.sign.and"))}`}</p>}
    </>
  );
}

/** Returns the translated attack type of a rule's tag. */
export function kindText(tag: string): string {
  const key = `attack.${tag.replace(/^attack-/, "")}`;
  return has(key) ? t(key) : tag;
}

/** The signs that a request is an attack. */
function Signs({ list }: { list: AttackSign[] }) {
  const texts = list.map((one) => {
    if (one.sign === "still_matched") return t("replay.sign.stillMatched", { n: one.rules.length, rules: one.rules.join(", ") });
    if (one.sign === "several_kinds") return t("replay.sign.severalKinds", { kinds: one.kinds.map(kindText).join(", ") });
    if (one.sign === "several_rules") return t("replay.sign.severalRules", { n: one.rules.length });
    if (one.sign === "high_score") return t("replay.sign.highScore", { score: one.score });
    return t("replay.sign.sameClient");
  });
  return (
    <span class="note">
      <Untrusted text={texts.join(t("replay.sign.and"))} limit={500} />
    </span>
  );
}

/** A list of requests; the API returns the first ones. */
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
        {t("replay.counted", { title, n: list.length < count ? `${number(list.length)} / ${number(count)}` : count })}
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
            <Signs list={one.signs} />
          </li>
        ))}
      </ul>
    </details>
  );
}
