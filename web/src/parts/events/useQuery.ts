// The query in the page's address.
import { useMemo } from "preact/hooks";
import type { Event } from "../../api/event";
import { requestOf } from "../gate/evidence/request";
import { navigate, place, withQuery } from "../../router";
import type { Known } from "../../ui/filter/completion";
import { type Condition, fromParams, toApi, toParams, withCondition } from "../../query/query";

export interface PageQuery {
  conditions: Condition[];
  /** Parameters that are not conditions. */
  unknown: string[];
  /** Opens the page with other conditions. */
  set: (conditions: Condition[]) => void;
  add: (condition: Condition) => void;
  /** The parameters for the API; a period such as `2h` ends now. */
  api: string;
  /** The conditions and the order as parameters of addresses. */
  text: string;
  /** Whether the oldest event comes first. */
  oldest: boolean;
  /** Opens the page with another order. */
  setOldest: (oldest: boolean) => void;
}

/** The parameter of addresses for the event that is open beside the list. */
export const OPEN = "open";

/** The parameter of addresses, and of the API, for the order of the list. */
const ORDER = "order";

/** Returns parameters with the order. */
function ordered(query: URLSearchParams, oldest: boolean): URLSearchParams {
  if (oldest) query.set(ORDER, "oldest");
  return query;
}

/** Parses the query of the address. A new `turn` restarts periods such as `2h`. */
export function useQuery(turn = 0): PageQuery {
  const { path, query } = place.value;
  const own = new URLSearchParams(query);
  own.delete(OPEN);
  const text = own.toString();
  return useMemo(() => {
    const asked = new URLSearchParams(text);
    const oldest = asked.get(ORDER) === "oldest";
    asked.delete(ORDER);
    const { conditions, unknown } = fromParams(asked);
    const set = (changed: Condition[]): void => navigate(withQuery(path, ordered(toParams(changed), oldest)));
    return {
      conditions,
      unknown,
      set,
      add: (condition) => set(withCondition(conditions, condition)),
      api: toApi(conditions, Date.now()).toString(),
      text,
      oldest,
      setOldest: (wanted) => navigate(withQuery(path, ordered(toParams(conditions), wanted))),
    };
  }, [path, text, turn]);
}

/** Returns the values of events for completion, the most frequent first. */
export function knownValues(events: readonly Event[]): Known {
  const counts: Record<string, Map<string, number>> = {};
  const count = (property: string, value: string | number | undefined): void => {
    if (value === undefined || value === "") return;
    const values = (counts[property] ??= new Map());
    values.set(String(value), (values.get(String(value)) ?? 0) + 1);
  };
  for (const event of events) {
    count("subject", event.subject);
    count("node", event.node);
    count("gate", event.gate);
    count("kind", event.kind);
    count("client", event.actor?.address);
    count("user", event.actor?.user);
    count("device", event.actor?.device);
    count("certificate", event.actor?.certificate);
    for (const [name, value] of event.facts ?? []) count(name, value);
    count("status", requestOf(event)?.response?.status);
    for (const rule of requestOf(event)?.rules ?? []) {
      count("rule", rule.id);
      for (const tag of rule.tags ?? []) count("tag", tag);
    }
  }
  return Object.fromEntries(
    Object.entries(counts).map(([property, values]) => [
      property,
      [...values].sort(([, a], [, b]) => b - a).map(([value]) => value),
    ]),
  );
}
