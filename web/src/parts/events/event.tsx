// One event of any gate: its facts, a view of each evidence, what happened around it, and its JSON.
import { useMemo, useState } from "preact/hooks";
import { actorName, type Event, evidenceNames } from "../../api/event";
import { useLoad } from "../../api/client";
import { toParams } from "../../query/query";
import { OutcomeBadge, Button, Fact, Loading, Page, Panel, Problem, SeverityBadge, Time, Untrusted, visible } from "../../ui";
import { PARTS } from "../index";
import type { EventProps, Load, LoadRow, PageProps, Part } from "../part";
import { useModule, usePiece } from "../piece";
import { Neighbours } from "./neighbours";
import { kindTitle } from "./kinds";
import { actorCondition, Kind, rowOf } from "./rows";
import { t } from "./texts";

export default function EventPage({ params, title }: PageProps) {
  const id = params.id ?? "";
  const { data, error, reload } = useLoad<Event>(`/api/events/${encodeURIComponent(id)}`);
  if (error) {
    return (
      <Page title={title}>
        {error.status === 404 ? (
          <p class="problem" role="alert">
            {t("event.gone")} <a href="/events">{t("event.toList")}</a>
          </p>
        ) : (
          <Problem error={error} retry={reload} />
        )}
      </Page>
    );
  }
  if (!data || data.id !== id) return <Loading />;
  const event = data;
  const row = rowOf(event);
  return row ? <Titled key={id} event={event} {...row} /> : <Shown key={id} event={event} title={plainTitle(event)} />;
}

/** An event under the title that its part gives it. */
function Titled({ event, part, load }: { event: Event; part: Part; load: LoadRow }) {
  const { module, failed } = useModule(part, load);
  if (!module && !failed) return <Loading />;
  return <Shown event={event} title={module?.title(event) || plainTitle(event)} />;
}

/** The kind of an event and its subject. */
function plainTitle({ kind, subject }: Event): string {
  const title = kindTitle(kind) ?? kind;
  return visible(subject === undefined ? title : `${title}: ${subject}`);
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

function Shown({ event, title }: { event: Event; title: string }) {
  const names = useMemo(() => evidenceNames(event), [event]);
  const actions = useMemo(() => names.flatMap((name) => piecesFor(name, (part) => part.actions)), [names]);
  return (
    <Page
      title={title}
      actions={actions.map(({ part, load }, at) => (
        <Action key={at} part={part} load={load} event={event} />
      ))}
    >
      <Envelope event={event} />
      {names.map((name) => {
        const views = piecesFor(name, (part) => part.evidence);
        return views.length > 0 ? (
          views.map(({ part, load }, at) => <View key={`${name} ${at}`} part={part} load={load} event={event} />)
        ) : (
          <Unknown key={name} name={name} evidence={event.evidence?.[name]} />
        );
      })}
      <Neighbours event={event} />
      <Raw event={event} />
    </Page>
  );
}

/** A view of evidence, once its code is here. */
function View({ part, load, event }: EventPiece & { event: Event }) {
  const { Content, failed, again } = usePiece(part, load);
  if (failed) return <Problem error={failed === "outdated" ? t("shell.outdated") : failed} retry={again} />;
  return Content ? <Content event={event} /> : <Loading />;
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
    <section class="panel event-facts">
      <p class="event-verdict">
        <OutcomeBadge outcome={event.outcome} /> <SeverityBadge severity={event.severity} />{" "}
        {event.summary && <Untrusted text={event.summary} limit={500} />}
      </p>
      <dl class="facts">
        <Fact name={t("event.time")}>
          <Time time={event.time} />
        </Fact>
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
      </dl>
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
    </section>
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
