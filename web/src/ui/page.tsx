// The layout of pages, and small components for it.
import { type ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { ApiError } from "../api/client";
import { ago, dateTime, has, t } from "../i18n";
import { Button, errorText } from "./controls";
import { Untrusted } from "./untrusted";

/** A page: heading (also the window's title), actions and content. */
export function Page({
  title,
  actions,
  children,
}: {
  title: string;
  actions?: ComponentChildren;
  children: ComponentChildren;
}) {
  useEffect(() => {
    document.title = `${title} · monban`;
  }, [title]);
  return (
    <>
      <header class="page-head">
        <h1 tabIndex={-1}>{title}</h1>
        {actions && <div class="page-actions">{actions}</div>}
      </header>
      {children}
    </>
  );
}

/** A section of a page with a heading. */
export function Panel({
  title,
  actions,
  children,
  note,
}: {
  title?: ComponentChildren;
  actions?: ComponentChildren;
  note?: ComponentChildren;
  children?: ComponentChildren;
}) {
  return (
    <section class="panel">
      {(title || actions) && (
        <header class="panel-head">
          <h2>{title}</h2>
          {actions}
        </header>
      )}
      {note && <p class="note">{note}</p>}
      {children}
    </section>
  );
}

/** A name and its value in a list of class `facts`. */
export function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** The notice that the page is loading. */
export function Loading() {
  return (
    <p class="loading" role="status">
      {t("ui.loading")}
    </p>
  );
}

/** The notice that a request failed, with a button to retry. */
export function Problem({ error, retry }: { error: ApiError | Error | string; retry?: () => void }) {
  return (
    <div class="problem" role="alert">
      <p>
        {typeof error === "string" ? error : errorText(error)}{" "}
        {error instanceof ApiError && error.retrying && t("ui.retrying")}
      </p>
      {retry && <Button onClick={retry}>{t("ui.retry")}</Button>}
    </div>
  );
}

/** The notice that a list is empty. */
export function Empty({ children }: { children: ComponentChildren }) {
  return <p class="empty">{children}</p>;
}

/** A time, "never" without one. `relative` shows it as "3 minutes ago", with the exact time as a tooltip. */
export function Time({ time, relative = false }: { time: string | null | undefined; relative?: boolean }) {
  if (!time) return <>{t("ui.never")}</>;
  return (
    <time dateTime={time} title={relative ? dateTime(time) : time}>
      {relative ? ago(time) : dateTime(time)}
    </time>
  );
}

/** The outcome of an event, as a colour and a word: `blocked`, `detected`, `accepted`, … */
export function OutcomeBadge({ outcome }: { outcome: string }) {
  return <WordBadge group="outcome" word={outcome} />;
}

/** The severity of an event: `critical`, `error`, `warning`, `notice`, … */
export function SeverityBadge({ severity }: { severity: string }) {
  return <WordBadge group="severity" word={severity} />;
}

/** A word of the API, translated and coloured; an unknown word is shown unchanged. */
function WordBadge({ group, word }: { group: "outcome" | "severity"; word: string }) {
  const key = `${group}.${word}`;
  if (!has(key)) {
    return (
      <span class="badge">
        <Untrusted text={word} limit={40} />
      </span>
    );
  }
  return <span class={`badge ${group}-${word}`}>{t(key)}</span>;
}

/** A small label; `kind` chooses the colour. */
export function Badge({ kind = "plain", children }: { kind?: "plain" | "good" | "bad" | "warn"; children: ComponentChildren }) {
  return <span class={`badge ${kind}`}>{children}</span>;
}
