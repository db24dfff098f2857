// The findings of all parts of the daemon, the worst first.
import type { Finding } from "../../api";
import { send } from "../../api/client";
import { say } from "../../i18n";
import { findings, findingsError, loadFindings } from "../../findings";
import { may } from "../../session";
import { Button, Confirm, Empty, Loading, Page, Problem, useKeys } from "../../ui";
import { FindingCard } from "../../ui/finding";
import { PAGES } from "../index";
import type { PageProps } from "../part";
import { t } from "./texts";
import { useState } from "preact/hooks";

/** Returns the page that a finding is about. */
function pageOf({ code }: Finding): { path: string; title: string } | undefined {
  const page = PAGES.find(({ findings: shown }) => shown !== undefined && code.startsWith(`${shown}.`));
  return page && { path: page.path, title: say(page.title) };
}

export default function FindingsPage({ title }: PageProps) {
  const list = findings.value;
  const error = findingsError.value;
  const reload = (): void => void loadFindings();
  const [asking, setAsking] = useState(false);
  const lasting = list?.filter((one) => one.lasting).length ?? 0;
  useKeys({ r: { label: t("ui.refresh"), run: reload } });
  return (
    <Page
      title={title}
      actions={
        <>
          {lasting > 0 && may("owner") && (
            <Button small onClick={() => setAsking(true)}>
              {t("findings.acknowledge")}
            </Button>
          )}
          <Button small onClick={reload}>
            {t("ui.refresh")}
          </Button>
        </>
      }
    >
      {error && <Problem error={error} retry={reload} />}
      {!list && !error && <Loading lines={6} />}
      {list?.length === 0 && <Empty>{t("findings.none")}</Empty>}
      {list?.map((one) => <FindingCard key={`${one.code} ${one.subject}`} finding={one} page={pageOf(one)} />)}
      {asking && (
        <Confirm
          title={t("findings.acknowledge")}
          action={t("findings.acknowledge")}
          onClose={() => setAsking(false)}
          onConfirm={async () => {
            await send("POST", "/api/findings/acknowledge");
            await loadFindings();
          }}
        >
          <p>{t("findings.acknowledgeNote", { n: lasting })}</p>
        </Confirm>
      )}
    </Page>
  );
}
