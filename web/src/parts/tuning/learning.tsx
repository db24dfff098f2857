// Learning mode: a site only detects while monban collects likely false positives, until the visitor accepts them and switches to
// blocking.
import { useState } from "preact/hooks";
import type { LearnedProposal, LearnedProposals, LearningSites, SiteState } from "../../api";
import { send, useLoad } from "../../api/client";
import { bytesOf, textOf } from "../../bytes/bytes";
import { percent } from "../../i18n";
import { toParams } from "../../query/query";
import { mayTune } from "../../session";
import { Badge, Button, Confirm, Dialog, Empty, Loading, Page, Panel, Problem, Time, toast, Untrusted, visible } from "../../ui";
import type { PageProps } from "../part";
import { Apply } from "./apply";
import { withoutNothing } from "./proposals";
import { ScopeText } from "./scope";
import { t } from "./texts";

type Mode = SiteState["mode"];

export default function Learning({ title }: PageProps) {
  const { data, error, loading, reload } = useLoad<LearningSites>("/api/learning");
  return (
    <Page title={title}>
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

/** The modes that a site can switch to from each mode, the usual one first. */
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
          <Untrusted text={site.site} limit={100} /> <Badge kind={kind[site.mode]}>{t(`mode.${site.mode}`)}</Badge>
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
        {site.configured && ` · ${t("learning.configured", { mode: t(`mode.${site.configured}`) })}`}
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

/** Lowest likelihood of a preselected proposal. */
const LIKELY = 0.5;

function Proposals({ site, onAccepted }: { site: SiteState; onAccepted: () => void }) {
  const { data, error, loading, reload } = useLoad<LearnedProposals>(
    `/api/learning/${encodeURIComponent(site.site)}/proposals`,
  );
  const [changed, setChanged] = useState<ReadonlyMap<string, boolean>>(new Map());
  const [accepting, setAccepting] = useState(false);
  const list = data?.proposals ?? [];
  const key = (one: LearnedProposal): string => JSON.stringify(withoutNothing(one));
  const ticked = (one: LearnedProposal): boolean => changed.get(key(one)) ?? one.likely >= LIKELY;
  const chosen = list.filter(ticked);
  if (error) return <Problem error={error} retry={reload} />;
  if (loading && !data) return <Loading />;
  if (list.length === 0 && !accepting) return <Empty>{t("learning.noProposals")}</Empty>;
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
                onChange={(event) => setChanged(new Map(changed).set(key(one), event.currentTarget.checked))}
              />
              <span>
                <Line one={one} />{" "}
                <Badge kind={one.likely >= LIKELY ? "good" : "warn"}>
                  {t("learning.likely", { percent: percent(one.likely) })}
                </Badge>
              </span>
            </label>
            <p class="note">
              {t("learning.seen", { events: one.events, clients: one.clients })} {honestText(one)}{" "}
              {one.many_rules && t("learning.manyRules")} <Samples site={site} one={one} />
            </p>
          </li>
        ))}
      </ul>
      {mayTune.value && (
        <div class="actions">
          <Button kind="primary" disabled={chosen.length === 0} onClick={() => setAccepting(true)}>
            {t("learning.accept", { n: chosen.length })}
          </Button>
        </div>
      )}
      {accepting && data && (
        <Dialog title={t("learning.acceptTitle", { site: visible(site.site) })} onClose={() => setAccepting(false)} wide>
          <Apply
            version={data.version}
            add={chosen.map((one) => ({ ...withoutNothing(one), ...(one.samples[0] ? { event: one.samples[0] } : {}) }))}
            onStale={reload}
            onApplied={() => {
              setChanged(new Map());
              reload();
              onAccepted();
            }}
            onClose={() => setAccepting(false)}
          >
            <ul class="proposals">
              {chosen.map((one) => (
                <li key={key(one)}>
                  <Line one={one} />
                </li>
              ))}
            </ul>
          </Apply>
        </Dialog>
      )}
    </>
  );
}

/** Returns the difference between the clients and scanners; empty if there is none. */
function honestText({ clients, honest }: LearnedProposal): string {
  if (honest === 0) return "";
  if (honest < clients) return t("learning.honestSome", { honest, clients });
  return t(honest === 1 ? "learning.honestOne" : "learning.honestAll", { honest });
}

function Line({ one }: { one: LearnedProposal }) {
  return (
    <>
      <code>{one.rule}</code> <Untrusted text={textOf(bytesOf(one.message))} limit={150} /> <ScopeText scope={one} />
    </>
  );
}

/** Links to events of a proposal: some from different clients, and all. */
function Samples({ site, one }: { site: SiteState; one: LearnedProposal }) {
  const path = one.path ? textOf(bytesOf(one.path)) : undefined;
  const all = toParams([
    { property: "subject", value: site.site, inverted: false },
    { property: "rule", value: String(one.rule), inverted: false },
    { property: "outcome", value: "detected", inverted: false },
    ...(path ? [{ property: "path" as const, value: path, inverted: false }] : []),
  ]);
  return (
    <span class="samples">
      {one.samples.map((id, at) => (
        <>
          <a key={id} href={`/events/${id}`}>
            {t("learning.sample", { n: at + 1 })}
          </a>{" "}
        </>
      ))}
      <a href={`/events?${all}`}>{t("learning.allEvents")}</a>
    </span>
  );
}
