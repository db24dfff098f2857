// Events just before and after one, by the same actor, rule or path.
import { useEffect, useState } from "preact/hooks";
import { type ApiError, useLoad } from "../../api/client";
import { type Event } from "../../api/event";
import { type Condition, queryText, toApi, toParams } from "../../query/query";
import { Panel, Problem, visible } from "../../ui";
import { actorCondition, NearTable } from "./rows";
import { t } from "./texts";

/** Milliseconds before and after an event that count as near. */
const NEAR = 3_600_000;
/** Neighbours on each side. */
const SIDE = 5;

/** Events of the same actor. Views of evidence add lists of their own. */
export function Neighbours({ event }: { event: Event }) {
  if (!event.actor) return null;
  const [property, value] = actorCondition(event.actor);
  if (!property) return null;
  return <NeighbourList title={t("event.sameActor")} event={event} same={{ property, value, inverted: false }} />;
}

/** Events just before and after one that share a condition with it. */
export function NeighbourList({ title, event, same }: { title: string; event: Event; same: Condition }) {
  const around: Condition[] = [same, ...spanOf(event, NEAR, NEAR)];
  const before = useLoad<{ events: Event[] }>(
    `/api/events?${toApi([same, ...spanOf(event, NEAR, 1)], 0)}&before=${event.id}&limit=${SIDE}`,
  );
  const after = useNearestAfter(event, same);
  const error = before.error ?? after.error;
  const found = before.data && after.events ? [...after.events, event, ...before.data.events] : undefined;
  return (
    <Panel
      title={title}
      actions={
        <a href={`/events?${toParams(around)}`} title={visible(queryText(around))}>
          {t("event.inList")}
        </a>
      }
      note={t("event.near")}
    >
      {error && <Problem error={error} retry={before.error ? before.reload : after.reload} />}
      {found && found.length > 1 && <NearTable events={found} here={event.id} label={title} />}
      {found?.length === 1 && (
        <p class="note">
          {t("event.noNeighbours")} <a href={`/events?${toParams([same])}`}>{t("event.anyTime")}</a>
        </p>
      )}
    </Panel>
  );
}

/** Returns the conditions for a period around an event. */
function spanOf(event: Event, before: number, after: number): Condition[] {
  const time = Date.parse(event.time);
  return [
    { property: "since", value: new Date(time - before).toISOString(), inverted: false },
    { property: "until", value: new Date(time + after).toISOString(), inverted: false },
  ];
}

/** Lists start with the newest event, so the search for the next events after one widens in steps. */
const SPANS = [1_000, 10_000, 60_000, 600_000, NEAR] as const;

function useNearestAfter(
  event: Event,
  same: Condition,
): { events: Event[] | undefined; error: ApiError | undefined; reload: () => void } {
  const [tried, setTried] = useState(0);
  const span = SPANS[tried] ?? NEAR;
  const path = `/api/events?${toApi([same, ...spanOf(event, 0, span)], 0)}&limit=50`;
  const { data, error, reload } = useLoad<{ events: Event[] }>(path);
  const events = data?.events.filter((other) => other.id > event.id);
  const enough = events && (events.length >= SIDE || tried >= SPANS.length - 1);
  useEffect(() => {
    if (events && !enough) setTried(tried + 1);
  }, [data]);
  return { events: enough ? events.slice(-SIDE) : undefined, error, reload };
}

