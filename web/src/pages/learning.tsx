// Learning: a site only detects while likely false positives are gathered; then they are accepted and it blocks.
import { useState } from "preact/hooks";
import type { LearnedProposal, LearnedProposals, LearningSites, NewReplay, SiteState } from "../api";
import { get, send, useLoad } from "../api/client";
import { bytesOf, textOf } from "../evidence/bytes";
import { number, percent, t } from "../i18n";
import { mayTune } from "../session";
import { Badge, Button, Confirm, Empty, Loading, Page, Panel, Problem, Time, toast, Untrusted } from "../ui";
import { refusal, ScopeText } from "./exclude";
import { withoutNothing } from "./proposals";
import { ReplayResult, useReplay } from "./replay";
import { Lines } from "./rule";

type Mode = SiteState["mode"];

export default function Learning() {
  const { data, error, loading, reload } = useLoad<LearningSites>("/api/learning");
  return (
    <Page title={t("learning.title")}>
      <p class="note">{t("learning.note")}</p>
      {error && <Problem error={error} retry={reload} />}
      {loading && !data && <Loading />}
      {data?.sites.length === 0 && <Empty>{t("learning.none")}</Empty>}
      {data?.sites.map((site) => (
        <SitePanel key={site.site} site={site} onChange={reload} />
      ))}
    </Page>
  );
}

/** What a site can be switched to from each mode, the usual first. */
const SWITCHES: Record<Mode, Exclude<Mode, "off">[]> = {
  block: ["learning", "detect"],
  detect: ["learning", "block"],
  off: [],
  learning: ["block", "detect"],
};

function SitePanel({ site, onChange }: { site: SiteState; onChange: () => void }) {
  const [switching, setSwitching] = useState<Exclude<Mode, "off">>();
  const [open, setOpen] = useState(site.mode === "learning");
  const kind = { block: "good", detect: "warn", off: "bad", learning: "warn" } as const;
  return (
    <Panel
      title={
        <>
          <Untrusted text={site.site} limit={100} /> <Badge kind={kind[site.mode]}>{t(`learning.mode.${site.mode}`)}</Badge>
        </>
      }
      actions={
        mayTune.value && (
          <div class="actions">
            {SWITCHES[site.mode].map((mode) => (
              <Button key={mode} onClick={() => setSwitching(mode)}>
                {t(`learning.switch.${mode}`)}
              </Button>
            ))}
          </div>
        )
      }
    >
      <p class="note">
        {site.since && (
          <>
            {t("learning.since")} <Time time={site.since} />
            {" · "}
          </>
        )}
        {t("learning.requests", { n: site.requests })} · {t("learning.proposals", { n: site.proposals })}
        {site.configured && ` · ${t("learning.configured", { mode: t(`learning.mode.${site.configured}`) })}`}
      </p>
      <p>
        <Button kind="quiet" aria-expanded={open} onClick={() => setOpen(!open)}>
          {t("learning.show")}
        </Button>
      </p>
      {open && <Proposals site={site} onAccepted={onChange} />}
      {switching && (
        <Confirm
          title={t(`learning.switch.${switching}`)}
          action={t(`learning.switch.${switching}`)}
          onClose={() => setSwitching(undefined)}
          onConfirm={async () => {
            await send("POST", `/api/learning/${encodeURIComponent(site.site)}`, { mode: switching });
            toast(t("learning.switched"));
            onChange();
          }}
        >
          <p>{t(`learning.switchNote.${switching}`)}</p>
        </Confirm>
      )}
    </Panel>
  );
}

/** Proposals at least this likely are ticked at first. */
const LIKELY = 0.5;

function Proposals({ site, onAccepted }: { site: SiteState; onAccepted: () => void }) {
  const path = `/api/learning/${encodeURIComponent(site.site)}`;
  const { data, error, loading, reload } = useLoad<LearnedProposals>(`${path}/proposals`);
  const [changed, setChanged] = useState<ReadonlyMap<string, boolean>>(new Map());
  const [replaying, setReplaying] = useState<NewReplay>();
  const [failure, setFailure] = useState<string>();
  const [busy, setBusy] = useState(false);
  const { replay, error: replayError } = useReplay(replaying);
  const list = data?.proposals ?? [];
  const key = (one: LearnedProposal): string => JSON.stringify(withoutNothing(one));
  const ticked = (one: LearnedProposal): boolean => changed.get(key(one)) ?? one.likely >= LIKELY;
  const chosen = list.filter(ticked);
  const accept = async (): Promise<void> => {
    setBusy(true);
    setFailure(undefined);
    try {
      const { version } = await get<{ version: string }>("/api/exclusions");
      await send("POST", `${path}/accept`, { version, proposals: chosen.map(withoutNothing) });
      toast(t("learning.accepted", { n: chosen.length }));
      setChanged(new Map());
      setReplaying(undefined);
      onAccepted();
    } catch (refused) {
      setFailure(refusal(refused));
    }
    setBusy(false);
    reload();
  };
  if (error) return <Problem error={error} retry={reload} />;
  if (loading && !data) return <Loading />;
  if (list.length === 0) return <Empty>{t("learning.noProposals")}</Empty>;
  return (
    <>
      <ul class="proposals">
        {list.map((one) => (
          <li key={key(one)}>
            <label class="checkbox">
              <input
                type="checkbox"
                checked={ticked(one)}
                disabled={!mayTune.value}
                onChange={(event) => {
                  setChanged(new Map(changed).set(key(one), event.currentTarget.checked));
                  setReplaying(undefined);
                }}
              />
              <span>
                <code>{one.rule}</code> <Untrusted text={textOf(bytesOf(one.message))} limit={150} />{" "}
                <ScopeText scope={one} />{" "}
                <Badge kind={one.likely >= LIKELY ? "good" : "warn"}>
                  {t("learning.likely", { percent: percent(one.likely) })}
                </Badge>
                <span class="note">
                  {t("learning.seen", { events: number(one.events), clients: number(one.clients) })}{" "}
                  <Untrusted text={one.why} limit={300} />
                </span>
              </span>
            </label>
            <details class="seclang">
              <summary>{t("exclude.seclang")}</summary>
              <Lines className="bytes rule-code" text={one.seclang} />
            </details>
          </li>
        ))}
      </ul>
      {replaying && <ReplayResult replay={replay} error={replayError} />}
      {failure && (
        <p class="form-error" role="alert">
          {failure}
        </p>
      )}
      {mayTune.value && (
        <div class="actions">
          <Button disabled={chosen.length === 0} onClick={() => setReplaying({ add: chosen.map(withoutNothing) })}>
            {t("tuning.replay")}
          </Button>
          <Button kind="primary" busy={busy} disabled={chosen.length === 0} onClick={() => void accept()}>
            {t("learning.accept", { n: chosen.length })}
          </Button>
        </div>
      )}
    </>
  );
}
