// Every change of the rules, with its difference and its undoing.
import { useEffect, useState } from "preact/hooks";
import type { Change, Changes } from "../api";
import { get, send, useLoad } from "../api/client";
import { t } from "../i18n";
import { mayTune } from "../session";
import { Badge, Button, Confirm, Empty, Loading, Page, Problem, Time, toast, Untrusted, useKeys } from "../ui";
import { refusal } from "./exclude";

export default function History() {
  const { data, error, loading, reload } = useLoad<Changes>("/api/history");
  const [selected, setSelected] = useState(-1);
  const [open, setOpen] = useState<ReadonlySet<number>>(new Set());
  const [undoing, setUndoing] = useState<Change>();
  const list = data?.changes ?? [];
  const chosen = list[selected];
  const move = (by: number): void => setSelected(Math.max(0, Math.min(list.length - 1, selected + by)));
  const toggle = (number: number): void => {
    const changed = new Set(open);
    if (!changed.delete(number)) changed.add(number);
    setOpen(changed);
  };
  useEffect(() => {
    document.querySelector(".change.selected")?.scrollIntoView({ block: "nearest" });
  }, [selected]);
  useKeys({
    j: { label: "ui.select", run: () => move(1) },
    k: { label: "ui.selectBefore", run: () => move(-1) },
    Enter: { label: "history.keyDiff", run: () => chosen && toggle(chosen.number) },
    u: { label: "history.keyUndo", run: () => chosen && mayTune.value && !chosen.undone_by && setUndoing(chosen) },
  });
  return (
    <Page title={t("history.title")}>
      {error && <Problem error={error} retry={reload} />}
      {loading && !data && <Loading />}
      {data && list.length === 0 && <Empty>{t("history.none")}</Empty>}
      <ol class="changes">
        {list.map((change, at) => (
          <li
            key={change.number}
            class={at === selected ? "change panel selected" : "change panel"}
            aria-current={at === selected ? "true" : undefined}
          >
            <div class="change-head">
              <span class="note">#{change.number}</span>
              <Time time={change.time} />
              <b>
                <Untrusted text={change.author} limit={80} />
              </b>
              <span>
                <Untrusted text={change.what} limit={300} />
              </span>
              {change.undoes && <span class="note">{t("history.undoes", { n: String(change.undoes) })}</span>}
              {change.undone_by && <Badge>{t("history.undoneBy", { n: String(change.undone_by) })}</Badge>}
            </div>
            {change.reason && (
              <p>
                <Untrusted text={change.reason} limit={500} />
              </p>
            )}
            <div class="actions">
              <Button kind="quiet" aria-expanded={open.has(change.number)} onClick={() => toggle(change.number)}>
                {t("history.diff")}
              </Button>
              {mayTune.value && !change.undone_by && (
                <Button kind="quiet" onClick={() => setUndoing(change)}>
                  {t("history.undo")}
                </Button>
              )}
            </div>
            {open.has(change.number) && <Diff text={change.diff} />}
          </li>
        ))}
      </ol>
      {undoing && (
        <Confirm
          title={t("history.undo")}
          action={t("history.undo")}
          onClose={() => setUndoing(undefined)}
          onConfirm={async () => {
            try {
              const { version } = await get<{ version: string }>("/api/exclusions");
              await send("POST", `/api/history/${undoing.number}/undo`, { version });
              toast(t("history.undone"));
            } catch (failure) {
              throw new Error(refusal(failure));
            } finally {
              reload();
            }
          }}
        >
          <p>
            #{undoing.number} <Untrusted text={undoing.what} limit={300} />
          </p>
          <Diff text={undoing.diff} />
        </Confirm>
      )}
    </Page>
  );
}

/** Lines of a difference that are shown at first. */
const FOLDED = 200;

export function Diff({ text }: { text: string | null | undefined }) {
  const [all, setAll] = useState(false);
  if (text === null || text === undefined) return <p class="note">{t("history.noDiff")}</p>;
  const lines = text.replace(/\n$/, "").split("\n");
  const shown = all ? lines : lines.slice(0, FOLDED);
  const kind = (line: string): string =>
    /^(\+\+\+|---|@@)/.test(line) ? "where" : line.startsWith("+") ? "added" : line.startsWith("-") ? "taken" : "same";
  return (
    <>
      <pre class="bytes diff" dir="ltr">
        {shown.map((line, at) => (
          <span key={at} class={kind(line)}>
            <Untrusted text={line} limit={2000} />
            {"\n"}
          </span>
        ))}
      </pre>
      {shown.length < lines.length && (
        <Button kind="quiet" onClick={() => setAll(true)}>
          {t("history.allLines", { n: lines.length })}
        </Button>
      )}
    </>
  );
}
