// Events as dense rows; on a phone as cards.
import { type ComponentChildren } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { bytesOf, textOf } from "../../bytes/bytes";
import { methodAndPath } from "../gate/evidence/curl";
import { type Event, SEVERITIES } from "../../api/event";
import type { MatchedRule } from "../gate/evidence/request";
import { judges } from "../gate/evidence/score";
import { Line } from "../../bytes/Line";
import type { Condition } from "../../query/query";
import { ActionBadge, SeverityBadge, Time, Untrusted } from "../../ui";
import { t } from "./texts";

/** The rule that tells most of an event: the worst, and of those the first. Blocking rules only where there is no other. */
export function topRule(event: Event): MatchedRule | undefined {
  const rules = event.evidence.request?.rules ?? [];
  const rank = (rule: MatchedRule): number =>
    (judges(rule.id) ? 100 : 0) + (rule.severity ? SEVERITIES.indexOf(rule.severity) : 50);
  return rules.reduce<MatchedRule | undefined>((top, rule) => (top && rank(top) <= rank(rule) ? top : rule), undefined);
}

export type Add = (condition: Condition) => void;

/** A value that filters by itself when it is clicked; with Alt it excludes. */
function Filtering({
  property,
  value,
  add,
  children,
}: {
  property: Condition["property"];
  value: string;
  add: Add | undefined;
  children: ComponentChildren;
}) {
  if (!add) return <>{children}</>;
  return (
    <button
      type="button"
      class="filtering"
      title={t("events.filterBy", { property })}
      onClick={(event) => add({ property, value, inverted: event.altKey })}
    >
      {children}
    </button>
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
  const { method, path } = useMemo(() => methodAndPath(event), [event]);
  const rule = useMemo(() => topRule(event), [event]);
  const score = event.evidence.request?.scores?.inbound ?? 0;
  const status = event.evidence.request?.response?.status;
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
        <Filtering property="action" value={event.action} add={add}>
          <ActionBadge action={event.action} />
        </Filtering>
      </span>
      <span class="event-severity">
        <SeverityBadge severity={event.severity} />
      </span>
      <span class="event-client">
        {event.client && (
          <Filtering property="client" value={event.client.address} add={add}>
            <code>
              <Untrusted text={event.client.address} limit={60} />
            </code>
          </Filtering>
        )}
      </span>
      <span class="event-site">
        {event.site !== undefined && (
          <Filtering property="site" value={event.site} add={add}>
            <Untrusted text={event.site} limit={60} />
          </Filtering>
        )}
      </span>
      <a class="event-what" href={`/events/${event.id}`}>
        <code>
          <b>
            <Line bytes={method.subarray(0, 20)} />
          </b>{" "}
          <Line bytes={path} />
        </code>
        {status !== undefined && <span class="event-status"> {status}</span>}
      </a>
      <span class="event-rule">
        {rule && (
          <>
            <Filtering property="rule" value={String(rule.id)} add={add}>
              <code>{rule.id}</code>
            </Filtering>{" "}
            <Untrusted text={textOf(bytesOf(rule.message))} limit={120} />
          </>
        )}
        {!rule && event.reason && <Untrusted text={event.reason} limit={120} />}
      </span>
      <span class="event-score" title={t("events.score")}>
        {score > 0 ? score : ""}
      </span>
    </li>
  );
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
