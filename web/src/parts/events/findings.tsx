// The findings of the daemon.
import type { Finding } from "../../api";
import { send } from "../../api/client";
import { language } from "../../i18n";
import { may } from "../../session";
import { Button, Problem, Untrusted, useAction } from "../../ui";
import { PAGES } from "../index";
import { t } from "./texts";

/** The findings of /healthz with cause, cure and a link to their page. Owners can acknowledge lasting ones. */
export function Findings({ findings, changed }: { findings: readonly Finding[] | undefined; changed: () => void }) {
  const { busy, error, run } = useAction();
  if (!findings?.length) return null;
  const acknowledge = () =>
    run(async () => {
      await send("POST", "/api/findings/acknowledge");
      changed();
    });
  const inLanguage = language.value;
  return (
    <div class="problem" role="alert">
      <ul>
        {findings.map((one) => {
          const page = PAGES.find(({ findings: shown }) => shown !== undefined && one.code.startsWith(`${shown}.`));
          const title = <Untrusted text={one.title[inLanguage]} />;
          return (
            <li key={`${one.code} ${one.subject}`}>
              <strong>{page ? <a href={page.path}>{title}</a> : title}</strong>
              <p>
                <Untrusted text={one.cause[inLanguage]} /> <Untrusted text={one.cure[inLanguage]} />
              </p>
              <p class="note">
                {t("findings.explain")} <Explain code={one.code} />
              </p>
            </li>
          );
        })}
      </ul>
      {findings.some((one) => one.lasting) && may("owner") && (
        <Button busy={busy} onClick={() => void acknowledge()}>
          {t("findings.acknowledge")}
        </Button>
      )}
      {error && <Problem error={error} />}
    </div>
  );
}

/** The command that explains a code in the visitor's language. */
function Explain({ code }: { code: string }) {
  const option = language.value === "en" ? "" : `--language ${language.value} `;
  return (
    <code>
      monban explain {option}
      <Untrusted text={code} limit={80} />
    </code>
  );
}
