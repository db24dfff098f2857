// Blocks that show values: tiles of numbers, lists of names and values, timelines, differences.
import { type ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { clock, date, dateTime, number, percent, t } from "../i18n";
import { Button } from "./controls";
import { Untrusted } from "./untrusted";

/** A number with its change against the period before. */
export function Stat({
  label,
  value,
  before,
  kind,
  href,
  note,
  partial = false,
}: {
  label: string;
  /** Null if it is not known. */
  value: number | null;
  /** The number of the period before, if it is known. */
  before?: number | null | undefined;
  /** bad: a number that should be 0. */
  kind?: "bad" | "good";
  href?: string;
  note?: string;
  /** Whether counting continues: the value is a minimum. */
  partial?: boolean;
}) {
  const text = value === null ? "–" : `${partial ? "≥ " : ""}${number(value)}`;
  return (
    <li class={`stat ${kind ?? ""}`}>
      <span class="stat-label">{label}</span>
      <strong class="stat-value">{href ? <a href={href}>{text}</a> : text}</strong>
      {value !== null && before != null && !partial && (
        <span class="stat-change" title={t("stat.before", { n: before })}>
          {changeText(value, before)}
        </span>
      )}
      {note && <span class="note">{note}</span>}
    </li>
  );
}

/** Returns the change of a number: `+12%`, `no change`, `0 before`. */
function changeText(value: number, before: number): string {
  if (value === before) return t("stat.same");
  if (before === 0) return t("stat.new");
  const change = (value - before) / before;
  const size = percent(Math.abs(change));
  return t(change > 0 ? "stat.more" : "stat.less", { change: Math.abs(change) > 9.99 ? t("stat.tenfold") : size });
}

/** A list of names and values. */
export function Facts({ children }: { children: ComponentChildren }) {
  return <dl class="facts">{children}</dl>;
}

/** A name and its value in {@link Facts}. */
export function Fact({ name, wide = false, children }: { name: string; wide?: boolean; children: ComponentChildren }) {
  return (
    <div class={wide ? "wide" : ""}>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** What happened at a time. */
export interface Moment {
  key: string;
  time: string;
  /** The address that its time leads to. */
  href?: string;
  kind?: "good" | "warn" | "bad" | "neutral";
  content: ComponentChildren;
}

/** What happened, the newest first, by day. */
export function Timeline({ moments }: { moments: readonly Moment[] }) {
  const days = Map.groupBy(moments, ({ time }) => date(time));
  return (
    <div class="timeline">
      {[...days].map(([day, all]) => (
        <section key={day}>
          <h3>{day}</h3>
          <ol>
            {all.map(({ key, time, href, kind = "neutral", content }) => {
              const shown = (
                <time dateTime={time} title={dateTime(time)}>
                  {clock(time)}
                </time>
              );
              return (
                <li key={key} class={kind}>
                  {href ? <a href={href}>{shown}</a> : shown} {content}
                </li>
              );
            })}
          </ol>
        </section>
      ))}
    </div>
  );
}

/** Lines of a difference shown at first. */
const FOLDED = 200;

/** A unified difference. */
export function Diff({ text }: { text: string }) {
  const [all, setAll] = useState(false);
  const lines = text.replace(/\n$/, "").split("\n");
  const shown = all ? lines : lines.slice(0, FOLDED);
  const kind = (line: string): string =>
    /^(\+\+\+|---|@@)/.test(line) ? "where" : line.startsWith("+") ? "added" : line.startsWith("-") ? "taken" : "same";
  return (
    <>
      <pre class="bytes diff" dir="ltr" tabIndex={0} role="group" aria-label={t("ui.diff")}>
        {shown.map((line, at) => (
          <span key={at} class={kind(line)}>
            <Untrusted text={line} limit={2000} />
            {"\n"}
          </span>
        ))}
      </pre>
      {shown.length < lines.length && (
        <Button kind="quiet" onClick={() => setAll(true)}>
          {t("ui.allLines", { n: lines.length })}
        </Button>
      )}
    </>
  );
}
