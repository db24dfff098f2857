// From an event to the exclusion that would have let it pass: proposed, replayed, applied.
import { useMemo, useState } from "preact/hooks";
import type { Exclusion, ExclusionProposal, ExclusionProposals, NewReplay } from "../api";
import { ApiError, get, send, useLoad } from "../api/client";
import { bytesOf, textOf } from "../evidence/bytes";
import type { Event } from "../evidence/event";
import { t } from "../i18n";
import { Button, Dialog, Input, Loading, Problem, Select, toast, Untrusted } from "../ui";
import { chosenProposals, scopeOf, type Width, WIDTHS } from "./proposals";
import { ReplayResult, useReplay } from "./replay";
import { Lines } from "./rule";

export const EXPIRIES = ["never", "7", "30", "90", "365"] as const;
export type Expiry = (typeof EXPIRIES)[number];

export function Exclude({ event, onClose }: { event: Event; onClose: () => void }) {
  const { data, error, reload } = useLoad<ExclusionProposals>(`/api/events/${event.id}/exclusions`);
  return (
    <Dialog title={t("exclude.title")} onClose={onClose} wide>
      {error && <Problem error={error} retry={reload} />}
      {!data && !error && <Loading />}
      {data && <Choice event={event} proposals={data.proposals} onClose={onClose} />}
    </Dialog>
  );
}

/** Why applying failed, in words. */
export function refusal(error: unknown): string {
  if (error instanceof ApiError && error.status === 409) return t("exclude.conflict");
  if (error instanceof ApiError && error.status === 422) return t("exclude.refused", { why: error.message });
  return error instanceof ApiError && error.message ? error.message : t("ui.unreachable");
}

function Choice({ event, proposals, onClose }: { event: Event; proposals: ExclusionProposal[]; onClose: () => void }) {
  const [width, setWidth] = useState<Width>("narrowest");
  const [dropped, setDropped] = useState<ReadonlySet<string>>(new Set());
  const [reason, setReason] = useState(t("exclude.defaultReason"));
  const [expiry, setExpiry] = useState<Expiry>("never");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string>();
  const offered = useMemo(() => chosenProposals(proposals, width), [proposals, width]);
  const key = (one: ExclusionProposal): string => JSON.stringify(scopeOf(one));
  const chosen = offered.filter((one) => !dropped.has(key(one)));
  const refused = proposals.filter((one) => one.refused);
  const request = useMemo<NewReplay | undefined>(
    () => (chosen.length > 0 ? { add: chosen.map(scopeOf) } : undefined),
    [offered, dropped],
  );
  const { replay, error: replayError } = useReplay(request);
  const replayed = replay?.state === "done";
  const widths = WIDTHS.filter((one) => proposals.some((proposal) => proposal.width === one && !proposal.refused));
  const apply = async (): Promise<void> => {
    setBusy(true);
    setError(undefined);
    const done = new Set(dropped);
    try {
      let { version } = await get<{ version: string }>("/api/exclusions");
      for (const one of chosen) {
        const answer = await send<{ version: string }>("POST", "/api/exclusions", {
          version,
          ...scopeOf(one),
          reason: reason.trim(),
          event: event.id,
          ...(expiry === "never" ? {} : { expires_days: Number(expiry) }),
        });
        version = answer.version;
        done.add(key(one));
      }
      toast(t("exclude.applied", { n: chosen.length }));
      onClose();
    } catch (failure) {
      // What was applied is not offered again.
      setDropped(done);
      setError(refusal(failure));
      setBusy(false);
    }
  };
  if (offered.length === 0) {
    return (
      <>
        <p>{t("exclude.none")}</p>
        <Refused list={refused} />
      </>
    );
  }
  return (
    <form
      class="exclude"
      onSubmit={(submitted) => {
        submitted.preventDefault();
        if (chosen.length > 0 && !busy) void apply();
      }}
    >
      <fieldset class="widths">
        <legend>{t("exclude.width")}</legend>
        {widths.map((one) => (
          <label key={one} class="radio">
            <input
              type="radio"
              name="width"
              checked={one === width}
              onChange={() => {
                setWidth(one);
                setDropped(new Set());
              }}
            />
            <span>
              <b>{t(`exclude.widths.${one}`)}</b> <span class="note">{t(`exclude.widthNotes.${one}`)}</span>
            </span>
          </label>
        ))}
      </fieldset>
      <ul class="proposals" aria-label={t("exclude.rules")}>
        {offered.map((one) => (
          <li key={key(one)}>
            <label class="checkbox">
              <input
                type="checkbox"
                checked={!dropped.has(key(one))}
                onChange={(change) => {
                  const changed = new Set(dropped);
                  if (change.currentTarget.checked) changed.delete(key(one));
                  else changed.add(key(one));
                  setDropped(changed);
                }}
              />
              <span>
                <code>{one.rule}</code> <Untrusted text={textOf(bytesOf(one.message))} limit={150} />{" "}
                <ScopeText scope={scopeOf(one)} />
              </span>
            </label>
          </li>
        ))}
      </ul>
      <details class="seclang" open>
        <summary>{t("exclude.seclang")}</summary>
        <Lines className="bytes rule-code" text={chosen.map((one) => one.seclang ?? "").join("\n\n")} />
      </details>
      <Refused list={refused} />
      <section class="replay-part">
        <h3>{t("replay.title")}</h3>
        {request ? <ReplayResult replay={replay} error={replayError} /> : <p class="note">{t("exclude.nothingChosen")}</p>}
      </section>
      <div class="exclude-why">
        <Input label={t("exclude.reason")} value={reason} onValue={setReason} required maxLength={500} />
        <Select
          label={t("exclude.expires")}
          value={expiry}
          onValue={setExpiry}
          options={EXPIRIES.map((value) => ({
            value,
            label: value === "never" ? t("exclude.never") : t("exclude.days", { n: Number(value) }),
          }))}
        />
      </div>
      {error && (
        <p class="form-error" role="alert">
          {error}
        </p>
      )}
      <div class="actions">
        <Button onClick={onClose}>{t("ui.cancel")}</Button>
        <Button
          type="submit"
          kind="primary"
          busy={busy}
          disabled={chosen.length === 0 || reason.trim() === "" || (!replayed && !replayError)}
        >
          {replayed || replayError ? t("exclude.apply") : t("exclude.waiting")}
        </Button>
      </div>
    </form>
  );
}

function Refused({ list }: { list: ExclusionProposal[] }) {
  const reasons = [...new Map(list.map((one) => [one.refused, one])).values()];
  if (reasons.length === 0) return null;
  return (
    <details class="refused">
      <summary>{t("exclude.notPossible", { n: reasons.length })}</summary>
      <ul>
        {reasons.map((one) => (
          <li key={`${one.rule} ${one.refused}`}>
            <code>{one.rule}</code> <Untrusted text={one.refused ?? ""} limit={300} />
          </li>
        ))}
      </ul>
    </details>
  );
}

/** Where an exclusion holds: site, path and parameter. */
export function ScopeText({ scope }: { scope: Omit<Exclusion, "rule"> }) {
  return (
    <span class="scope">
      {scope.site ? <Untrusted text={scope.site} limit={80} /> : t("exclude.allSites")}
      {" · "}
      <code>
        {scope.path ? <Untrusted text={textOf(bytesOf(scope.path))} limit={200} /> : t("exclude.allPaths")}
        {scope.path && scope.path_match === "prefix" ? "…" : ""}
      </code>
      {" · "}
      <code>
        {scope.parameter ? <Untrusted text={textOf(bytesOf(scope.parameter))} limit={200} /> : t("exclude.wholeRule")}
      </code>
    </span>
  );
}
