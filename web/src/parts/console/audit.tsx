// The audit log: changes and refused attempts.
import { useEffect, useState } from "preact/hooks";
import { type AuditPage as Answer } from "../../api";
import { ApiError, get, useRetry } from "../../api/client";
import { dateTime, say } from "../../i18n";
import { Button, Empty, Loading, Page, Panel, Problem, Table, Time, Untrusted } from "../../ui";
import type { PageProps } from "../part";
import { actor, detailed, worded } from "./auditing";
import { t } from "./texts";

const PAGE = 100;

export default function AuditPage({ title }: PageProps) {
  const [entries, setEntries] = useState<Answer["entries"]>();
  const [next, setNext] = useState<number | null>(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError>();
  const more = async (before: number | null) => {
    setBusy(true);
    try {
      const answer = await get<Answer>(`/api/audit?limit=${PAGE}${before === null ? "" : `&before=${before}`}`);
      setEntries((known) => [...(before === null ? [] : (known ?? [])), ...answer.entries]);
      setNext(answer.next ?? null);
      setError(undefined);
    } catch (failure) {
      setError(failure instanceof ApiError ? failure : new ApiError(0, String(failure)));
    }
    setBusy(false);
  };
  const reload = () => void more(null);
  useEffect(reload, []);
  useRetry(error, reload);
  return (
    <Page title={title} actions={<Button small onClick={reload}>{t("ui.refresh")}</Button>}>
      {error && <Problem error={error} retry={reload} />}
      {!entries && !error && <Loading />}
      {entries && (
        <Panel note={t("audit.note")}>
          {entries.length === 0 && <Empty>{t("audit.none")}</Empty>}
          <Table
            caption={title}
            rows={entries}
            rowKey={(one) => one.id}
            columns={[
              { title: t("audit.time"), cell: (one) => <Time time={one.time} /> },
              { title: t("audit.user"), cell: (one) => <Untrusted text={actor(one)} /> },
              { title: t("audit.what"), cell: (one) => say(one.action) },
              {
                title: t("audit.detail"),
                cell: (one) => (
                  <>
                    <Untrusted text={detailed(one)} />{" "}
                    {one.last && (
                      <span class="muted">{t("audit.times", { n: one.count, time: dateTime(one.last) })}</span>
                    )}
                  </>
                ),
              },
              {
                title: t("audit.from"),
                cell: (one) => (
                  <>
                    {worded("audit.via", one.via)} <span class="code muted">{one.address}</span>
                  </>
                ),
              },
            ]}
          />
          {next !== null && (
            <div class="actions start">
              <Button busy={busy} onClick={() => void more(next)}>
                {t("ui.more")}
              </Button>
            </div>
          )}
        </Panel>
      )}
    </Page>
  );
}
