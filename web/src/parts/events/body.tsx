// The content of one event: the verdict, the evidence by the parts that know it, the events around it, and its JSON.
import { useMemo, useState } from "preact/hooks";
import { actorName, type Event, evidenceNames } from "../../api/event";
import { toParams } from "../../query/query";
import { Button, Fact, Facts, Loading, Panel, Problem, Time, Untrusted, visible } from "../../ui";
import { PARTS } from "../index";
import type { EventProps, Load, Part } from "../part";
import { useModule, usePiece } from "../piece";
import { Neighbours } from "./neighbours";
import { kindTitle } from "./kinds";
import { actorCondition, Kind, rowOf, Verdict } from "./rows";
import { TEXTS, t } from "./texts";

/** Returns the kind of an event and its subject. */
export function titleOf({ kind, subject }: Event): string {
  const title = kindTitle(kind) ?? kind;
  return visible(subject === undefined ? title : `${title}: ${subject}`);
}

const NONE = { part: { texts: TEXTS } satisfies Part, load: () => Promise.resolve(undefined) };

/** Returns the title that an event's part gives it; undefined until the part's code is here. */
export function useTitle(event: Event | undefined): string | undefined {
  const row = event && rowOf(event);
  const { module, failed } = useModule(row?.part ?? NONE.part, row?.load ?? NONE.load);
  if (!event) return undefined;
  if (!row || failed) return titleOf(event);
  return module && (module.title(event) || titleOf(event));
}

interface EventPiece {
  part: Part;
  load: Load<EventProps>;
}

/** What the parts offer for evidence of one name. */
function piecesFor(name: string, of: (part: Part) => Part["evidence"]): EventPiece[] {
  return PARTS.flatMap((part) => {
    const load = of(part)?.[name];
    return load ? [{ part, load }] : [];
  });
}

/** The parts' buttons for an event. */
export function EventActions({ event }: { event: Event }) {
  const actions = useMemo(() => evidenceNames(event).flatMap((name) => piecesFor(name, (part) => part.actions)), [event]);
  return (
    <>
      {actions.map(({ part, load }, at) => (
        <Action key={at} part={part} load={load} event={event} />
      ))}
    </>
  );
}

export function EventBody({ event, beside = false }: EventProps) {
  const names = useMemo(() => evidenceNames(event), [event]);
  return (
    <div class="event-body">
      <div class="event-verdict">
        <p>
          <Verdict event={event} word /> <Time time={event.time} />{" "}
          {event.summary && <Untrusted text={event.summary} limit={500} />}
        </p>
        {beside && (
          <div class="actions start">
            <EventActions event={event} />
          </div>
        )}
      </div>
      {names.map((name) => {
        const views = piecesFor(name, (part) => part.evidence);
        return views.length > 0 ? (
          views.map(({ part, load }, at) => <View key={`${name} ${at}`} part={part} load={load} event={event} beside={beside} />)
        ) : (
          <Unknown key={name} name={name} evidence={event.evidence?.[name]} />
        );
      })}
      <Envelope event={event} />
      {!beside && <Neighbours event={event} />}
      <Raw event={event} />
    </div>
  );
}

/** A view of evidence, once its code is here. */
function View({ part, load, event, beside }: EventPiece & Required<EventProps>) {
  const { Content, failed, again } = usePiece(part, load);
  if (failed) return <Problem error={failed === "outdated" ? t("shell.outdated") : failed} retry={again} />;
  return Content ? <Content event={event} beside={beside} /> : <Loading />;
}

/** A button for an event; nothing until its code is here. */
function Action({ part, load, event }: EventPiece & { event: Event }) {
  const { Content } = usePiece(part, load);
  return Content ? <Content event={event} /> : null;
}

/** Evidence that no part of this version knows. */
function Unknown({ name, evidence }: { name: string; evidence: unknown }) {
  return (
    <Panel title={<Untrusted text={name} limit={80} />} note={t("event.unknownEvidence")}>
      <Json value={evidence} />
    </Panel>
  );
}

/** What every event has. */
function Envelope({ event }: { event: Event }) {
  const { actor, subject, facts = [] } = event;
  const linked = (property: string, value: string, limit = 100) => (
    <a href={`/events?${toParams([{ property, value, inverted: false }])}`}>
      <Untrusted text={value} limit={limit} />
    </a>
  );
  return (
    <Panel title={t("event.about")}>
      <Facts>
        <Fact name={t("event.kind")}>
          <Kind kind={event.kind} />
        </Fact>
        {subject !== undefined && <Fact name={t("event.subject")}>{linked("subject", subject)}</Fact>}
        {actor && actorName(actor) !== "" && (
          <Fact name={t("event.actor")}>
            {linked(...actorCondition(actor), 300)}
            {actor.address !== undefined && actorName(actor) !== actor.address && <> {linked("client", actor.address)}</>}
            {actor.port !== undefined && <code class="note">:{actor.port}</code>}
          </Fact>
        )}
        <Fact name={t("event.node")}>{linked("node", event.node)}</Fact>
        <Fact name={t("event.gate")}>{linked("gate", event.gate)}</Fact>
        <Fact name={t("event.id")}>
          <code>{event.id}</code>
        </Fact>
        {event.origin_id !== undefined && (
          <Fact name={t("event.originId")}>
            <code>
              <Untrusted text={event.origin_id} limit={200} />
            </code>
          </Fact>
        )}
      </Facts>
      {facts.length > 0 && (
        <table class="fact-table">
          <caption>{t("event.facts")}</caption>
          <tbody>
            {facts.map(([name, value], at) => (
              <tr key={at}>
                <th scope="row">
                  <Untrusted text={name} limit={200} />
                </th>
                <td>
                  <Untrusted text={String(value)} limit={500} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Panel>
  );
}

/** Characters of JSON that are shown before "show all". */
const FOLDED = 20_000;

/** A value as formatted JSON. */
function Json({ value }: { value: unknown }) {
  const [all, setAll] = useState(false);
  const json = useMemo(() => JSON.stringify(value, null, 2) ?? "", [value]);
  const shown = all ? json : json.slice(0, FOLDED);
  return (
    <>
      <pre class="bytes text" dir="ltr">
        {shown.split("\n").map((line, at) => (
          <>
            {at > 0 && "\n"}
            <Untrusted text={line} limit={line.length} />
          </>
        ))}
      </pre>
      {shown.length < json.length && (
        <Button kind="quiet" onClick={() => setAll(true)}>
          {t("event.showAll", { n: json.length })}
        </Button>
      )}
    </>
  );
}

function Raw({ event }: { event: Event }) {
  const [open, setOpen] = useState(false);
  return (
    <details class="panel" open={open} onToggle={(change) => setOpen(change.currentTarget.open)}>
      <summary>{t("event.raw")}</summary>
      {open && (
        <>
          <Json value={event} />
          <a href={`/api/events/${event.id}`} target="_blank" rel="noreferrer">
            {t("event.rawLink")}
          </a>
        </>
      )}
    </details>
  );
}
