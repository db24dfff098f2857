// The steps from an event to an exclusion: proposed, replayed, applied.
import { useMemo, useState } from "preact/hooks";
import type { ExclusionProposal, ExclusionProposals } from "../../api";
import { useLoad } from "../../api/client";
import { bytesOf, textOf } from "../../bytes/bytes";
import type { Event } from "../../api/event";
import { date, say } from "../../i18n";
import { mayTune } from "../../session";
import { Button, Dialog, Loading, Problem, Untrusted, useKeys } from "../../ui";
import type { EventProps } from "../part";
import { Apply, refusedText } from "./apply";
import { chosenProposals, scopeOf, type Width, WIDTHS } from "./proposals";
import { kindText } from "./replay";
import { ScopeText } from "./scope";
import { requestOf } from "../gate/evidence/request";
import { TITLES } from "./index";
import { t } from "./texts";

export default function ExcludeAction({ event }: EventProps) {
  const [open, setOpen] = useState(false);
  const possible = (requestOf(event)?.rules?.length ?? 0) > 0 && mayTune.value;
  useKeys({ x: { label: t("exclude.open"), run: () => possible && setOpen(true) } });
  if (!possible) return null;
  return (
    <>
      <Button small onClick={() => setOpen(true)}>
        {t("exclude.open")}
      </Button>
      {open && <Exclude event={event} onClose={() => setOpen(false)} />}
    </>
  );
}

function Exclude({ event, onClose }: { event: Event; onClose: () => void }) {
  const { data, error, reload } = useLoad<ExclusionProposals>(`/api/events/${event.id}/exclusions`);
  return (
    <Dialog title={t("exclude.title")} onClose={onClose} wide>
      {error && <Problem error={error} retry={reload} />}
      {!data && !error && <Loading />}
      {data && <Choose key={data.version} event={event} found={data} onStale={reload} onClose={onClose} />}
    </Dialog>
  );
}

function Choose({
  event,
  found,
  onStale,
  onClose,
}: {
  event: Event;
  found: ExclusionProposals;
  onStale: () => void;
  onClose: () => void;
}) {
  const { proposals } = found;
  const [width, setWidth] = useState<Width>("narrowest");
  const [dropped, setDropped] = useState<ReadonlySet<string>>(new Set());
  const offered = useMemo(() => chosenProposals(proposals, width), [proposals, width]);
  const key = (one: ExclusionProposal): string => JSON.stringify(scopeOf(one));
  const chosen = offered.filter((one) => !dropped.has(key(one)));
  const refused = proposals.filter((one) => one.refused);
  const widths = WIDTHS.filter((one) => proposals.some((proposal) => proposal.width === one && !proposal.refused && !proposal.in_force));
  if (widths.length === 0) {
    return (
      <>
        <InForce list={found.in_force} all />
        {found.in_force.length === 0 && <p>{t("exclude.none")}</p>}
        <Refused list={refused} />
      </>
    );
  }
  return (
    <Apply
      version={found.version}
      add={chosen.map((one) => ({ ...scopeOf(one), event: event.id }))}
      event={event.id}
      kindOf={(rule) => kindOf(event, rule)}
      onStale={onStale}
      onApplied={() => undefined}
      onClose={onClose}
    >
      <InForce list={found.in_force} all={offered.length === 0} />
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
      <Refused list={refused} />
    </Apply>
  );
}

/** Returns the translated attack type of a rule of the event. */
function kindOf(event: Event, rule: number): string | undefined {
  const tags = requestOf(event)?.rules?.find(({ id }) => id === rule)?.tags ?? [];
  const tag = tags.find((one) => one.startsWith("attack-") && one !== "attack-generic");
  return tag && kindText(tag);
}

/** The matches of an event that are already excluded. */
function InForce({ list, all }: { list: ExclusionProposals["in_force"]; all: boolean }) {
  if (list.length === 0) return null;
  return (
    <div class="in-force" role="status">
      <p>
        <b>{t(all ? "exclude.allInForce" : "exclude.inForce")}</b> <a href="/tuning">{say(TITLES.exclusions)}</a>
      </p>
      <ul>
        {list.map((one) => (
          <li key={one.id}>
            <code>{one.rule}</code> <ScopeText scope={one} />{" "}
            <span class="note">
              {one.id} · <Untrusted text={one.author} limit={100} />
              {one.created && ` · ${date(one.created)}`}
            </span>
          </li>
        ))}
      </ul>
    </div>
  );
}

function Refused({ list }: { list: ExclusionProposal[] }) {
  const said = list.flatMap(({ rule, refused }) => (refused ? [{ rule, why: refusedText(refused) }] : []));
  const reasons = [...new Map(said.map((one) => [one.why, one])).values()];
  if (reasons.length === 0) return null;
  return (
    <details class="refused">
      <summary>{t("exclude.notPossible", { n: reasons.length })}</summary>
      <ul>
        {reasons.map((one) => (
          <li key={`${one.rule} ${one.why}`}>
            <code>{one.rule}</code> <Untrusted text={one.why} limit={300} />
          </li>
        ))}
      </ul>
    </details>
  );
}
