// The history of changes, with diff and undo.
import { useEffect, useState } from "preact/hooks";
import type { Change, Changes } from "../../api";
import { send, useLoad } from "../../api/client";
import { mayTune } from "../../session";
import { Badge, Button, Confirm, Diff, Empty, Loading, Page, Problem, reversed, Time, toast, Untrusted, useKeys, visible } from "../../ui";
import type { PageProps } from "../part";
import { refusal } from "./apply";
import { ScopeText } from "./scope";
import { t } from "./texts";

export default function History({ title }: PageProps) {
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
    j: { label: t("ui.select"), run: () => move(1) },
    k: { label: t("ui.selectBefore"), run: () => move(-1) },
    Enter: { label: t("history.keyDiff"), run: () => chosen && toggle(chosen.number) },
    u: { label: t("history.keyUndo"), run: () => chosen && mayTune.value && chosen.undo === "possible" && setUndoing(chosen) },
  });
  return (
    <Page title={title}>
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
              {change.what !== "by_hand" && (
                <b>
                  <Untrusted text={change.author} limit={80} />
                </b>
              )}
              <span>{headline(change)}</span>
              {change.undone_by && <Badge>{t("history.undoneBy", { n: String(change.undone_by) })}</Badge>}
            </div>
            <About change={change} />
            {change.reason && (
              <p>
                <Untrusted text={change.reason} limit={500} />
              </p>
            )}
            <div class="actions">
              <Button kind="quiet" small aria-expanded={open.has(change.number)} onClick={() => toggle(change.number)}>
                {t("history.diff")}
              </Button>
              {mayTune.value && change.undo === "possible" && (
                <Button kind="quiet" small onClick={() => setUndoing(change)}>
                  {t("history.undo")}
                </Button>
              )}
              {change.undo === "changed_since" && <span class="note">{t("history.changedSince")}</span>}
            </div>
            {open.has(change.number) && <ShownDiff text={change.diff} />}
          </li>
        ))}
      </ol>
      {undoing && data && (
        <Confirm
          title={t("history.undo")}
          action={t("history.undo")}
          onClose={() => setUndoing(undefined)}
          onConfirm={async () => {
            try {
              await send("POST", `/api/history/${undoing.number}/undo`, { version: data.version });
              toast(t("history.undone"));
            } catch (failure) {
              throw new Error(refusal(failure));
            } finally {
              reload();
            }
          }}
        >
          <p>
            #{undoing.number} {headline(undoing)}
          </p>
          <About change={{ ...undoing, added: undoing.removed, removed: undoing.added }} />
          <p>{t("history.undoFollows")}</p>
          <ShownDiff text={undoing.diff == null ? undoing.diff : reversed(undoing.diff)} />
        </Confirm>
      )}
    </Page>
  );
}

/** Returns a short description of a change. */
function headline({ what, undoes, site }: Change): string {
  if (what === "undone") return t("history.what.undone", { n: String(undoes) });
  if (what !== "site_mode" || !site) return t(`history.what.${what === "site_mode" ? "by_hand" : what}`);
  return t("history.what.site_mode", { site: visible(site.site), mode: modeText(site.after) });
}

function modeText(mode: NonNullable<Change["site"]>["after"]): string {
  return mode ? t(`mode.${mode}`) : t("history.asConfigured");
}

/** Number of exclusions shown for a change; the diff shows the others. */
const ABOUT = 8;

/** The exclusions that a change added and removed. */
function About({ change }: { change: Change }) {
  const all: [string, Change["added"][number]][] = [
    ...change.removed.map((one): [string, typeof one] => ["−", one]),
    ...change.added.map((one): [string, typeof one] => ["+", one]),
  ];
  if (change.what === "undone" && change.site) {
    return <p>{t("history.what.site_mode", { site: visible(change.site.site), mode: modeText(change.site.after) })}</p>;
  }
  if (all.length === 0) return null;
  return (
    <ul class="change-about">
      {all.slice(0, ABOUT).map(([sign, one]) => (
        <li key={`${sign}${one.id}`}>
          <span class="hidden">{t(sign === "+" ? "history.added" : "history.removed")}</span>
          <span aria-hidden="true">{sign}</span> <code>{one.rule}</code> <ScopeText scope={one} />
        </li>
      ))}
      {all.length > ABOUT && <li class="note">{t("history.more", { n: all.length - ABOUT })}</li>}
    </ul>
  );
}

/** The difference of a change, if its versions are still stored. */
function ShownDiff({ text }: { text: string | null | undefined }) {
  return text == null ? <p class="note">{t("history.noDiff")}</p> : <Diff text={text} />;
}
