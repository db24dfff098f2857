// A finding: the fact, its evidence and cause, the cure to copy, and how to undo it.
import { type ComponentChildren } from "preact";
import type { Finding } from "../api";
import { language, t } from "../i18n";
import { CopyButton } from "./copy";
import { Severity } from "./marks";
import { Untrusted, visible } from "./untrusted";

/** Returns the text of a value of the evidence. */
function evidenceText(value: unknown): string {
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "");
}

export function FindingCard({ finding, page }: { finding: Finding; page?: { path: string; title: string } | undefined }) {
  const chosen = language.value;
  const evidence = Object.entries(finding.evidence);
  const command = `monban explain ${chosen === "en" ? "" : `--language ${chosen} `}${finding.code}`;
  const part = (name: string, text: string, action?: ComponentChildren): ComponentChildren => (
    <div class="finding-part">
      <h3>{name}</h3>
      <p>
        <Untrusted text={text} limit={1000} />
      </p>
      {action}
    </div>
  );
  return (
    <article class="panel finding">
      <header class="finding-head">
        <h2>
          <Severity severity={finding.severity} /> <Untrusted text={finding.title[chosen]} />
        </h2>
        {page && <a href={page.path}>{page.title}</a>}
      </header>
      {evidence.length > 0 && part(t("finding.evidence"), evidence.map(([name, value]) => `${name}: ${evidenceText(value)}`).join(" · "))}
      {part(t("finding.cause"), finding.cause[chosen])}
      {part(t("finding.cure"), finding.cure[chosen], <CopyButton text={visible(finding.cure[chosen])} label={t("finding.copyCure")} />)}
      {finding.undo && part(t("finding.undo"), finding.undo[chosen])}
      <p class="note finding-more">
        {t("finding.explain")}{" "}
        <code>
          <Untrusted text={command} limit={140} />
        </code>{" "}
        <CopyButton text={visible(command)} label={t("ui.copy")} />
      </p>
    </article>
  );
}
