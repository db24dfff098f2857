// The live view: events as they arrive.
import { useMemo } from "preact/hooks";
import type { PageProps } from "../part";
import { toParams } from "../../query/query";
import { withQuery } from "../../router";
import { Badge, Button, Empty, Page, Problem, Stale, useKeys } from "../../ui";
import { FilterBar } from "../../ui/filter/FilterBar";
import { zoneText } from "../../ui/range";
import { Browser } from "./browser";
import { MOST, useTail } from "./tail";
import { t } from "./texts";
import { knownValues, useQuery } from "./useQuery";

export default function Live({ title }: PageProps) {
  const query = useQuery();
  const tail = useTail(query.api);
  const events = tail.shown.value;
  const known = useMemo(() => knownValues(events), [events]);
  useKeys({
    p: { label: t("live.keyPause"), run: tail.pause },
  });
  const paused = tail.paused.value;
  const held = tail.held.value;
  const connection = tail.connection.value;
  return (
    <Page
      wide
      title={title}
      actions={
        <>
          <Badge kind={connection === "connected" ? "good" : connection === "refused" ? "bad" : "warn"}>
            <span role="status">{t(`live.${connection}`)}</span>
          </Badge>
          <Button small kind={paused ? "primary" : "plain"} aria-pressed={paused} onClick={tail.pause}>
            {paused ? t("live.resume", { n: held.length }) : t("live.pause")}
          </Button>
          <a class="button plain small" href={withQuery("/events", toParams(query.conditions))}>
            {t("live.list")}
          </a>
        </>
      }
    >
      <FilterBar conditions={query.conditions} onConditions={query.set} known={known} unknown={query.unknown} />
      {paused && held.length >= MOST && <p class="note">{t("live.full", { n: MOST })}</p>}
      {tail.missed.value > 0 && (
        <Stale onRefresh={() => (tail.missed.value = 0)} label={t("ui.close")}>
          {t("live.missed", { n: tail.missed.value })}
        </Stale>
      )}
      {tail.refusal.value && <Problem error={tail.refusal.value} retry={tail.retry} />}
      <Browser label={title} events={events} add={query.add} head={<p class="count">{t("range.zone", { zone: zoneText() })}</p>} empty={<Empty>{t("live.none")}</Empty>} />
    </Page>
  );
}

