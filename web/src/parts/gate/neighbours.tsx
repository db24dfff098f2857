// Events around a request that share its rule or its path.
import { useMemo } from "preact/hooks";
import type { Event } from "../../api/event";
import { NeighbourList } from "../events/neighbours";
import { pathText } from "./evidence/curl";
import { requestOf } from "./evidence/request";
import { judges } from "./evidence/score";
import { t } from "./texts";

export function RequestNeighbours({ event }: { event: Event }) {
  const top = requestOf(event)?.rules?.find((rule) => rule.id > 0 && !judges(rule.id));
  const path = useMemo(() => pathText(event), [event]);
  return (
    <>
      {top && (
        <NeighbourList
          title={t("request.sameRule", { rule: String(top.id) })}
          event={event}
          same={{ property: "rule", value: String(top.id), inverted: false }}
        />
      )}
      {path !== undefined && (
        <NeighbourList title={t("request.samePath")} event={event} same={{ property: "path", value: path, inverted: false }} />
      )}
    </>
  );
}
