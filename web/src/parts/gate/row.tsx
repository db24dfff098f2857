// A request in a list: request and response, the most important rule, the score.
import { useMemo } from "preact/hooks";
import { type Event, SEVERITIES } from "../../api/event";
import { bytesOf, textOf } from "../../bytes/bytes";
import { Line } from "../../bytes/Line";
import { Filtering } from "../../query/Filtering";
import { Untrusted, visible } from "../../ui";
import type { RowProps } from "../part";
import { methodAndPath } from "./evidence/curl";
import { type MatchedRule, requestOf } from "./evidence/request";
import { judges } from "./evidence/score";

/** Returns the most important rule of an event: the first of those with the worst severity. Blocking rules come last. */
export function topRule(event: Event): MatchedRule | undefined {
  const rules = requestOf(event)?.rules ?? [];
  const rank = (rule: MatchedRule): number =>
    (judges(rule.id) ? 100 : 0) + (rule.severity ? SEVERITIES.indexOf(rule.severity) : 50);
  return rules.reduce<MatchedRule | undefined>((top, rule) => (top && rank(top) <= rank(rule) ? top : rule), undefined);
}

/** Returns the request, for the heading of the event's page. */
export function title(event: Event): string {
  const { method, path } = methodAndPath(event, 100);
  return path.length > 0 ? visible(`${textOf(method)} ${textOf(path)}`) : "";
}

/** Returns the score of a request. */
export function score(event: Event): number | undefined {
  return requestOf(event)?.scores?.inbound || undefined;
}

/** Whether an attack was answered as if it were none. */
export function reached(event: Event): boolean {
  const status = requestOf(event)?.response?.status;
  return (event.outcome === "blocked" || event.outcome === "detected") && status !== undefined && status < 400;
}

export function What({ event }: RowProps) {
  const { method, path } = useMemo(() => methodAndPath(event), [event]);
  const status = requestOf(event)?.response?.status;
  return (
    <>
      <code>
        <b>
          <Line bytes={method.subarray(0, 20)} />
        </b>{" "}
        <Line bytes={path} />
      </code>
      {status !== undefined && <span class="event-status"> {status}</span>}
    </>
  );
}

export function Why({ event, add }: RowProps) {
  const rule = useMemo(() => topRule(event), [event]);
  if (!rule) return event.summary ? <Untrusted text={event.summary} limit={120} /> : null;
  return (
    <>
      <Filtering property="rule" value={String(rule.id)} add={add}>
        <code>{rule.id}</code>
      </Filtering>{" "}
      <Untrusted text={textOf(bytesOf(rule.message))} limit={120} />
    </>
  );
}
