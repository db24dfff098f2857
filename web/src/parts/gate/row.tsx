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
import { t } from "./texts";

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

export default function RequestRow({ event, add }: RowProps) {
  const request = requestOf(event);
  const { method, path } = useMemo(() => methodAndPath(event), [event]);
  const rule = useMemo(() => topRule(event), [event]);
  const score = request?.scores?.inbound ?? 0;
  const status = request?.response?.status;
  return (
    <>
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
        {rule ? (
          <>
            <Filtering property="rule" value={String(rule.id)} add={add}>
              <code>{rule.id}</code>
            </Filtering>{" "}
            <Untrusted text={textOf(bytesOf(rule.message))} limit={120} />
          </>
        ) : (
          event.summary && <Untrusted text={event.summary} limit={120} />
        )}
      </span>
      <span class="event-score" title={t("request.score")}>
        {score > 0 ? score : ""}
      </span>
    </>
  );
}
