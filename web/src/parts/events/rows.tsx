// The cells of events of any gate, and the table of them.
import { type ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { type Actor, actorName, type Event, evidenceNames } from "../../api/event";
import { date } from "../../i18n";
import { type Add, Filtering } from "../../query/Filtering";
import { navigate } from "../../router";
import { OutcomeBadge, Severity, Time, Untrusted } from "../../ui";
import { type Column, Grid, type Sorting } from "../../ui/table";
import { PARTS } from "../index";
import type { LoadRow, Part, Row, RowProps } from "../part";
import { useModule } from "../piece";
import { kindTitle } from "./kinds";
import { t } from "./texts";

/** Returns the part that shows an event in lists, and its row; undefined for evidence that no part knows. */
export function rowOf(event: Event): { part: Part; load: LoadRow } | undefined {
  for (const name of evidenceNames(event)) {
    for (const part of PARTS) {
      const load = part.rows?.[name];
      if (load) return { part, load };
    }
  }
  return undefined;
}

/** The title of a kind; the kind itself if no part of the daemon declares it. */
export function Kind({ kind }: { kind: string }) {
  const title = kindTitle(kind);
  if (title !== undefined) return <Untrusted text={title} limit={100} />;
  return (
    <code>
      <Untrusted text={kind} limit={100} />
    </code>
  );
}

/** The cells of an event whose evidence no part knows. */
const PLAIN: Row = {
  What: ({ event }) => <Kind kind={event.kind} />,
  Why: ({ event }) => {
    const facts = (event.facts ?? []).map(([name, value]) => `${name} ${value}`).join(", ");
    return <Untrusted text={event.summary ?? facts} limit={200} />;
  },
  score: () => undefined,
  title: () => "",
  reached: () => false,
};

/** A cell that depends on the evidence, once the code of its part is here. */
function OfPart({ event, children }: { event: Event; children: (row: Row) => preact.ComponentChildren }) {
  const row = rowOf(event);
  return row ? <Fetched {...row}>{children}</Fetched> : <>{children(PLAIN)}</>;
}

function Fetched({ part, load, children }: { part: Part; load: LoadRow; children: (row: Row) => preact.ComponentChildren }) {
  const { module, failed } = useModule(part, load);
  return <>{module ? children(module) : failed ? children(PLAIN) : " "}</>;
}

function Cell({ event, add, of }: RowProps & { of: (row: Row) => ComponentType<RowProps> }) {
  return (
    <OfPart event={event}>
      {(row) => {
        const Content = of(row);
        return <Content event={event} add={add} />;
      }}
    </OfPart>
  );
}

/** Severity and outcome of an event. */
export function Verdict({ event, word = false }: { event: Event; word?: boolean }) {
  return (
    <>
      <Severity severity={event.severity} word={word} />{" "}
      <OfPart event={event}>{(row) => <OutcomeBadge outcome={event.outcome} reached={row.reached(event)} />}</OfPart>
    </>
  );
}

function ActorCell({ actor, add }: { actor: Actor; add: Add | undefined }) {
  const name = <Untrusted text={actorName(actor)} limit={60} />;
  const shown = actor.user === undefined && actor.device === undefined ? <code>{name}</code> : name;
  const [property, value] = actorCondition(actor);
  if (!property) return shown;
  return (
    <Filtering property={property} value={value} add={add}>
      {shown}
    </Filtering>
  );
}

/** Returns the property and the value by which the events of an actor are found; two empty texts for an unknown actor. */
export function actorCondition({ user, device, address, certificate }: Actor): [property: string, value: string] {
  if (user !== undefined) return ["user", user];
  if (device !== undefined) return ["device", device];
  if (address !== undefined) return ["client", address];
  return certificate === undefined ? ["", ""] : ["certificate", certificate];
}

/** The columns of events. `add` filters the list by a value. */
export function eventColumns(add: Add | undefined): Column<Event>[] {
  return [
    { name: "time", title: t("event.time"), width: "6rem", sorts: true, cell: ({ time }) => <Time time={time} short /> },
    {
      name: "outcome",
      title: t("event.outcome"),
      width: "9rem",
      cell: (event) => (
        <Filtering property="outcome" value={event.outcome} add={add}>
          <Verdict event={event} />
        </Filtering>
      ),
    },
    { name: "client", title: t("event.actor"), width: "10rem", cell: ({ actor }) => actor && <ActorCell actor={actor} add={add} /> },
    {
      name: "subject",
      title: t("event.subject"),
      width: "8.5rem",
      cell: ({ subject }) =>
        subject !== undefined && (
          <Filtering property="subject" value={subject} add={add}>
            <Untrusted text={subject} limit={60} />
          </Filtering>
        ),
    },
    {
      name: "what",
      title: t("event.what"),
      kind: "wide",
      cell: (event) => (
        <a class="event-what" href={`/events/${event.id}`} tabIndex={-1}>
          <Cell event={event} add={add} of={(row) => row.What} />
        </a>
      ),
    },
    { name: "why", title: t("event.why"), kind: "wide", width: "26%", cell: (event) => <Cell event={event} add={add} of={(row) => row.Why} /> },
    {
      name: "score",
      title: t("event.score"),
      kind: "number",
      width: "4rem",
      cell: (event) => <OfPart event={event}>{(row) => row.score(event) ?? ""}</OfPart>,
    },
  ];
}

/** A table of events by day. */
export function EventTable({
  label,
  events,
  columns,
  selected,
  here,
  onSelect,
  onOpen = (event) => navigate(`/events/${event.id}`),
  ...sorting
}: {
  label: string;
  events: readonly Event[];
  columns: readonly Column<Event>[];
  selected: string | undefined;
  /** The event that the page is about. */
  here?: string;
  onSelect: (event: Event) => void;
  onOpen?: (event: Event) => void;
} & Sorting) {
  return (
    <Grid
      caption={label}
      rows={events}
      rowKey={(event) => event.id}
      columns={columns}
      selected={selected}
      onSelect={onSelect}
      onOpen={onOpen}
      group={(event) => date(event.time)}
      rowClass={(event) => (event.id === here ? "event-row here" : "event-row")}
      {...sorting}
    />
  );
}

/** A short table of events around the one that the page is about. */
export function NearTable({ label, events, here }: { label: string; events: readonly Event[]; here: string }) {
  const [selected, setSelected] = useState<string>();
  useEffect(() => setSelected(undefined), [here]);
  const columns = eventColumns(undefined).filter(({ name }) => name !== "subject" && name !== "score");
  return <EventTable label={label} events={events} columns={columns} selected={selected} here={here} onSelect={({ id }) => setSelected(id)} />;
}
