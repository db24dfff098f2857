// Events of any gate as dense rows; on a phone as cards.
import { useEffect, useRef } from "preact/hooks";
import { type Actor, actorName, type Event, evidenceNames } from "../../api/event";
import { type Add, Filtering } from "../../query/Filtering";
import { OutcomeBadge, SeverityBadge, Time, Untrusted } from "../../ui";
import { PARTS } from "../index";
import type { LoadRow, Part } from "../part";
import { usePiece } from "../piece";
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

/** The cells that depend on the evidence: what happened, why, a number. */
function Cells({ event, add }: { event: Event; add: Add | undefined }) {
  const row = rowOf(event);
  return row ? <PartCells {...row} event={event} add={add} /> : <PlainCells event={event} />;
}

function PartCells({ part, load, event, add }: { part: Part; load: LoadRow; event: Event; add: Add | undefined }) {
  const { Content, failed } = usePiece(part, load);
  if (Content) return <Content event={event} add={add} />;
  // the code comes once for all rows
  return failed ? <PlainCells event={event} /> : <span class="event-what">{" "}</span>;
}

/** The cells of an event whose evidence no part knows. */
function PlainCells({ event }: { event: Event }) {
  const facts = (event.facts ?? []).map(([name, value]) => `${name} ${value}`).join(", ");
  return (
    <>
      <a class="event-what" href={`/events/${event.id}`}>
        <Kind kind={event.kind} />
      </a>
      <span class="event-rule">
        <Untrusted text={event.summary ?? facts} limit={200} />
      </span>
    </>
  );
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

export function EventRow({
  event,
  selected,
  here = false,
  add,
}: {
  event: Event;
  selected: boolean;
  /** Whether the page is about this event. */
  here?: boolean;
  add?: Add | undefined;
}) {
  const { actor, subject } = event;
  return (
    <li
      class={`event-row${selected ? " selected" : ""}${here ? " here" : ""}`}
      data-id={event.id}
      aria-current={selected ? "true" : here ? "page" : undefined}
      title={here ? t("event.here") : undefined}
    >
      <span class="event-time">
        <Time time={event.time} />
      </span>
      <span class="event-action">
        <Filtering property="outcome" value={event.outcome} add={add}>
          <OutcomeBadge outcome={event.outcome} />
        </Filtering>
      </span>
      <span class="event-severity">
        <SeverityBadge severity={event.severity} />
      </span>
      <span class="event-client">{actor && <ActorCell actor={actor} add={add} />}</span>
      <span class="event-site">
        {subject !== undefined && (
          <Filtering property="subject" value={subject} add={add}>
            <Untrusted text={subject} limit={60} />
          </Filtering>
        )}
      </span>
      <Cells event={event} add={add} />
    </li>
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

/** A list of events; the selected one is kept in view. */
export function EventRows({
  events,
  selected,
  here,
  add,
  label,
}: {
  events: readonly Event[];
  selected?: string | undefined;
  /** The event that the page is about. */
  here?: string;
  add?: Add | undefined;
  label: string;
}) {
  const list = useRef<HTMLUListElement>(null);
  useEffect(() => {
    list.current?.querySelector("li.selected")?.scrollIntoView({ block: "nearest" });
  }, [selected]);
  return (
    <ul class="event-rows" ref={list} aria-label={label}>
      {events.map((event) => (
        <EventRow key={event.id} event={event} selected={event.id === selected} here={event.id === here} add={add} />
      ))}
    </ul>
  );
}
