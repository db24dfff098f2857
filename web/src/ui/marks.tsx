// Small marks: outcomes, severities, badges, times.
import { type ComponentChildren } from "preact";
import { ago, clock, dateTime, has, t } from "../i18n";
import { Untrusted } from "./untrusted";

/** A small label; `kind` chooses the colour. */
export function Badge({ kind = "plain", children }: { kind?: "plain" | "good" | "bad" | "warn"; children: ComponentChildren }) {
  return <span class={`badge ${kind}`}>{children}</span>;
}

/** The colours of outcomes. Blocked is neutral: the gate did its work. */
const KINDS: Record<string, "plain" | "good" | "bad" | "warn"> = {
  detected: "warn",
  failed: "warn",
  expired: "warn",
  passed: "good",
  accepted: "good",
};

/** The outcome of an event, as a colour and a word. `reached` says that it is an attack that the site answered. */
export function OutcomeBadge({ outcome, reached = false }: { outcome: string; reached?: boolean }) {
  const key = `outcome.${outcome}`;
  return (
    <Badge kind={reached ? "bad" : (KINDS[outcome] ?? "plain")}>
      {reached ? t("outcome.reached") : has(key) ? t(key) : <Untrusted text={outcome} limit={40} />}
    </Badge>
  );
}

/** The colours of severities. */
const DOTS: Record<string, "bad" | "warn" | "neutral"> = {
  emergency: "bad",
  alert: "bad",
  critical: "bad",
  error: "warn",
  warning: "warn",
};

/** A severity as a dot; its word is for screen readers and as a tooltip, or beside it. */
export function Severity({ severity, word = false }: { severity: string; word?: boolean }) {
  const key = `severity.${severity}`;
  const text = has(key) ? t(key) : undefined;
  const shown = text ?? <Untrusted text={severity} limit={40} />;
  return (
    <span class="severity" title={word ? undefined : text}>
      <i class={`dot fill-${DOTS[severity] ?? "neutral"}`} aria-hidden="true" />
      <span class={word ? "" : "hidden"}>{shown}</span>
    </span>
  );
}

/** A time, "never" without one. `relative` shows it as "3 minutes ago", `short` as the time of day. */
export function Time({ time, relative = false, short = false }: { time: string | null | undefined; relative?: boolean; short?: boolean }) {
  if (!time) return <>{t("ui.never")}</>;
  return (
    <time dateTime={time} title={relative || short ? dateTime(time) : undefined}>
      {relative ? ago(time) : short ? clock(time) : dateTime(time)}
    </time>
  );
}
