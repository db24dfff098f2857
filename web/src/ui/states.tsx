// The states of what a page loads: on its way, empty, failed, out of date.
import { type ComponentChildren } from "preact";
import { ApiError, type Loaded } from "../api/client";
import { t } from "../i18n";
import { Button, errorText } from "./controls";

/** Grey lines in place of what is being loaded. */
export function Loading({ lines = 3 }: { lines?: number }) {
  return (
    <div class="loading" role="status">
      <span class="hidden">{t("ui.loading")}</span>
      {Array.from({ length: lines }, (_, at) => (
        <i key={at} class="skeleton" aria-hidden="true" />
      ))}
    </div>
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

/** The notice that there is nothing, with what to do about it. */
export function Empty({ children, action }: { children: ComponentChildren; action?: ComponentChildren }) {
  return (
    <div class="empty">
      <p>{children}</p>
      {action}
    </div>
  );
}

/** The notice that newer data exists, or that what is shown could not be refreshed. */
export function Stale({ children, onRefresh, label }: { children: ComponentChildren; onRefresh: () => void; label?: string }) {
  return (
    <div class="stale" role="status">
      <span>{children}</span>
      <Button kind="quiet" small onClick={onRefresh}>
        {label ?? t("ui.refresh")}
      </Button>
    </div>
  );
}

/** Shows what was loaded, else that it is on its way or why it failed. Data stays in sight when a later request fails. */
export function Loads<T>({ load, lines, children }: { load: Loaded<T>; lines?: number; children: (data: T) => ComponentChildren }) {
  const { data, error, reload } = load;
  if (data === undefined) return error ? <Problem error={error} retry={reload} /> : <Loading {...(lines ? { lines } : {})} />;
  return (
    <>
      {error && <Problem error={error} retry={reload} />}
      {children(data)}
    </>
  );
}
