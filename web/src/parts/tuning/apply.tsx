// The form that applies exclusions: shows the rule text, replays it, takes a reason and an expiry, and applies all as one
// change to the version of the file that the visitor saw.
import { type ComponentChildren } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import type { AddedExclusions, Exclusion, ExclusionPreview, ExclusionWarning, NewExclusion, NewExclusions, NewReplay } from "../../api";
import { ApiError, send } from "../../api/client";
import { say } from "../../i18n";
import { Button, Confirm, errorText, Input, Lines, toast, Untrusted } from "../../ui";
import { EndsField } from "./ends";
import { type Wanted, widens, withoutNothing } from "./proposals";
import { composedReason } from "./reason";
import { ReplayResult, useReplay } from "./replay";
import { ScopeText } from "./scope";
import { type Ends, endOf, USUAL } from "./until";
import { t } from "./texts";

/** Characters of a reason: crates/tuning/src/limits.rs. */
const REASON = 1_000;

/** Returns the text of the reason why a change was refused. */
export function refusal(error: unknown): string {
  if (error instanceof ApiError && error.status === 409) return t("exclude.conflict");
  if (error instanceof ApiError && error.status === 422) return t("exclude.refused", { why: errorText(error) });
  return errorText(error);
}

/** Returns the reason why an exclusion is not possible, in the page's language. */
export function refusedText({ error }: NonNullable<ExclusionPreview["exclusions"][number]["refused"]>): string {
  return say(error);
}

export interface ApplyProps {
  /** The version of the file on which `add` is based. */
  version: string;
  add: readonly Wanted[];
  /** The IDs of the exclusions that they replace. */
  remove?: readonly number[];
  /** The event in question. */
  event?: string;
  /** The visitor's next step before anything can be applied. */
  missing?: string | undefined;
  /** Reason and expiry of an edited exclusion. */
  before?: { reason: string; expires?: string | null | undefined };
  /** The exclusion that is edited: more than it covers is asked about. */
  widerThan?: Exclusion;
  /** Whether `add` is typed, so that requests wait for a pause. */
  typed?: boolean;
  /** Returns the attack type of a rule. */
  kindOf?: (rule: number) => string | undefined;
  /** Loads the newest version, after a conflict. */
  onStale: () => void;
  onApplied: (count: number) => void;
  onClose: () => void;
  /** The controls that change `add`. */
  children: ComponentChildren;
}

export function Apply({ version, add, remove = [], event, missing, before, widerThan, typed = false, kindOf, ...props }: ApplyProps) {
  const [reason, setReason] = useState(before?.reason ?? "");
  const [ends, setEnds] = useState<Ends>(before ? { choice: before.expires ? "keep" : "never", day: "" } : USUAL);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string>();
  const [stale, setStale] = useState(false);
  const [turn, setTurn] = useState(0);
  const [asking, setAsking] = useState(false);
  const wide = add.filter((one) => widens(one, widerThan));
  useEffect(() => {
    setStale(false);
    setError(undefined);
  }, [version]);
  const scopes = add.map(withoutNothing);
  const wanted = missing === undefined && add.length > 0 ? JSON.stringify({ add: scopes, remove }) : undefined;
  const preview = usePreview(wanted, version, typed ? REST : 0);
  const refused = preview.exclusions?.flatMap((one) => (one.refused ? [refusedText(one.refused)] : [])) ?? [];
  const ready = preview.exclusions !== undefined && refused.length === 0;
  const request = useMemo<NewReplay | undefined>(
    () => (ready && wanted ? { ...(JSON.parse(wanted) as NewReplay), ...(event ? { event } : {}) } : undefined),
    [ready, wanted, event],
  );
  const { replay, error: replayError } = useReplay(request, `${version} ${turn}`);
  const replayed = replay?.state === "done";
  const composed = add.length > 0 ? composedReason(add, kindOf ?? (() => undefined)) : "";
  const end = endOf(ends, before?.expires);
  const hindrance = missing ?? (add.length === 0 ? t("exclude.nothingChosen") : end === undefined ? t("exclude.noDay") : undefined);
  const can = ready && !stale && hindrance === undefined && (replayed || replayError !== undefined);
  const apply = async (): Promise<void> => {
    setBusy(true);
    setError(undefined);
    const change: NewExclusions = {
      version,
      add: add.map((one): NewExclusion => ({ ...withoutNothing(one), ...(one.event ? { event: one.event } : {}) })),
      remove: [...remove],
      reason: (reason.trim() || composed).slice(0, REASON),
      ...end,
    };
    try {
      const { exclusions } = await send<AddedExclusions>("POST", "/api/exclusions", change);
      toast(t("exclude.applied", { n: exclusions.length }));
      props.onApplied(exclusions.length);
      props.onClose();
    } catch (failure) {
      setStale(failure instanceof ApiError && failure.status === 409);
      setError(refusal(failure));
      setBusy(false);
    }
  };
  const label = (): string => {
    if (replayError) return t("exclude.applyUnreplayed");
    if (!replayed) return hindrance === undefined && refused.length === 0 ? t("exclude.waiting") : t("exclude.apply");
    return t(replay.slips_through_count > 0 ? "exclude.applyAnyway" : "exclude.apply");
  };
  return (
    <form
      class="exclude"
      onSubmit={(submitted) => {
        submitted.preventDefault();
        if (!can || busy) return;
        if (wide.length > 0) setAsking(true);
        else void apply();
      }}
    >
      {props.children}
      {[...refused, ...(preview.error ? [preview.error] : [])].map((why) => (
        <p key={why} class="form-error" role="alert">
          <Untrusted text={why} limit={500} />
        </p>
      ))}
      <Warnings list={preview.exclusions?.flatMap((one) => one.warnings) ?? []} />
      {wanted && refused.length === 0 && !preview.error && (
        <section class="replay-part">
          <h3>{t("replay.title")}</h3>
          <ReplayResult replay={replay} error={replayError} about={event} retry={() => setTurn(turn + 1)} />
        </section>
      )}
      <div class="exclude-why">
        <Input
          label={t("exclude.reason")}
          value={reason}
          onValue={setReason}
          placeholder={composed}
          help={reason.trim() === "" && add.length > 0 ? t("exclude.reasonHelp") : undefined}
          maxLength={REASON}
        />
        <EndsField ends={ends} onEnds={setEnds} kept={before?.expires} />
      </div>
      {ready && (
        <details class="seclang">
          <summary>{t("exclude.seclang")}</summary>
          <Lines className="bytes rule-code" text={(preview.exclusions ?? []).map((one) => one.seclang.trimEnd()).join("\n\n")} />
        </details>
      )}
      {error && (
        <p class="form-error" role="alert">
          <Untrusted text={error} limit={1000} />{" "}
          {stale && (
            <Button kind="quiet" onClick={props.onStale}>
              {t("ui.refresh")}
            </Button>
          )}
        </p>
      )}
      <div class="actions">
        {hindrance !== undefined && (
          <span class="note" role="status">
            {hindrance}
          </span>
        )}
        <Button onClick={props.onClose}>{t("ui.cancel")}</Button>
        <Button type="submit" kind="primary" busy={busy} disabled={!can}>
          {label()}
        </Button>
      </div>
      {asking && (
        <Confirm title={t("exclude.widen")} action={label()} onClose={() => setAsking(false)} onConfirm={apply}>
          <p>{t("exclude.widenFollows")}</p>
          <ul>
            {wide.map((one) => (
              <li key={JSON.stringify(one)}>
                <code>{one.rule}</code> <ScopeText scope={one} />
              </li>
            ))}
          </ul>
        </Confirm>
      )}
    </form>
  );
}

function Warnings({ list }: { list: ExclusionWarning[] }) {
  const texts = list.map((one) => {
    if (one.warning === "unknown_rule") return t("exclude.warn.rule", { rule: String(one.rule) });
    if (one.warning === "covered") return t("exclude.warn.covered", { by: String(one.by) });
    return t("exclude.warn.site", { site: one.site, known: one.known.join(", ") });
  });
  return (
    <>
      {[...new Set(texts)].map((text) => (
        <p key={text} class="warning" role="status">
          <Untrusted text={text} limit={500} />
        </p>
      ))}
    </>
  );
}

/** Milliseconds of pause before a request for typed input. */
const REST = 400;

interface Previewed {
  exclusions?: ExclusionPreview["exclusions"];
  error?: string;
}

/** Returns the rule texts for `wanted`, never those for an earlier `wanted`. */
function usePreview(wanted: string | undefined, version: string, rest: number): Previewed {
  const [state, setState] = useState<Previewed & { of?: string }>({});
  const key = wanted && `${version} ${wanted}`;
  useEffect(() => {
    if (!key || !wanted) return;
    let over = false;
    const ask = (): void => {
      send<ExclusionPreview>("POST", "/api/exclusions/preview", JSON.parse(wanted)).then(
        ({ exclusions }) => {
          if (!over) setState({ exclusions, of: key });
        },
        (failure: unknown) => {
          if (!over) setState({ error: refusal(failure), of: key });
        },
      );
    };
    const timer = setTimeout(ask, rest);
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [key]);
  return key && state.of === key ? state : {};
}
