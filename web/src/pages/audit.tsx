// Who changed what, and who was refused.
import { useEffect, useState } from "preact/hooks";
import { type AuditPage as Answer } from "../api";
import { get } from "../api/client";
import { hasText, t } from "../i18n";
import { Button, Empty, Loading, Page, Panel, Problem, Table, Time, Untrusted, useAction } from "../ui";

const PAGE = 100;

export default function AuditPage() {
  const [entries, setEntries] = useState<Answer["entries"]>();
  const [next, setNext] = useState<number | null>(null);
  const { busy, error, run } = useAction();
  const more = (before: number | null) =>
    run(async () => {
      const answer = await get<Answer>(`/api/audit?limit=${PAGE}${before === null ? "" : `&before=${before}`}`);
      setEntries((known) => [...(before === null ? [] : (known ?? [])), ...answer.entries]);
      setNext(answer.next ?? null);
    });
  useEffect(() => void more(null), []);
  return (
    <Page title={t("audit.title")} actions={<Button onClick={() => void more(null)}>{t("audit.reload")}</Button>}>
      {error && <Problem error={error} retry={() => void more(null)} />}
      {!entries && !error && <Loading />}
      {entries && (
        <Panel note={t("audit.note")}>
          {entries.length === 0 && <Empty>{t("audit.none")}</Empty>}
          <Table
            caption={t("audit.title")}
            rows={entries}
            rowKey={(one) => one.id}
            columns={[
              { title: t("audit.time"), cell: (one) => <Time time={one.time} /> },
              { title: t("audit.user"), cell: (one) => <Untrusted text={one.user || "–"} /> },
              { title: t("audit.what"), cell: (one) => what(one.what) },
              { title: t("audit.detail"), cell: (one) => <Untrusted text={one.detail} /> },
              {
                title: t("audit.from"),
                cell: (one) => (
                  <>
                    {hasText(`audit.via.${one.via}`) ? t(`audit.via.${one.via}`) : one.via}{" "}
                    <span class="code muted">{one.address}</span>
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

/** A word of the API as a text; the word itself where a newer monban wrote it. */
function what(word: string): string {
  const key = `audit.did.${word}`;
  return hasText(key) ? t(key) : word;
}
