// The text of a rule, with the comment from its file.
import type { RuleText as Rule } from "../api";
import { useLoad } from "../api/client";
import { bytesOf } from "../bytes/bytes";
import type { MatchedRule } from "../parts/gate/evidence/request";
import { t } from "../i18n";
import { toParams } from "../query/query";
import { Line } from "../bytes/Line";
import { Loading, Problem } from "./states";
import { Lines, Untrusted } from "./untrusted";

export function RuleText({ id, matched }: { id: number; matched?: MatchedRule }) {
  const { data, error, reload } = useLoad<Rule>(`/api/rules/${id}`);
  if (!data && !error) return <Loading />;
  return (
    <div class="rule-text">
      {matched?.detail !== undefined && (
        <p>
          <Line bytes={bytesOf(matched.detail).subarray(0, 1000)} />
        </p>
      )}
      {error && (error.status === 404 ? <p class="note">{t("rule.unknown")}</p> : <Problem error={error} retry={reload} />)}
      {error?.status === 404 && matched?.file && (
        <p class="note">
          <Untrusted text={`${matched.file}:${matched.line}`} limit={300} />
        </p>
      )}
      {data && (
        <>
          {data.comment && <Lines className="rule-comment" text={data.comment} />}
          <p class="note">
            <Untrusted text={`${data.file}:${data.line}`} limit={300} /> · {t("rule.phase", { n: data.phase })}
          </p>
          <Lines className="bytes rule-code" text={data.text} />
          {data.tags.length > 0 && (
            <p class="note">
              {data.tags.map((tag, index) => (
                <>
                  {index > 0 && ", "}
                  <a href={`/events?${toParams([{ property: "tag", value: tag, inverted: false }])}`}>
                    <Untrusted text={tag} limit={100} />
                  </a>
                </>
              ))}
            </p>
          )}
          {data.disabled_by.length > 0 && (
            <p class="note">
              <a href="/tuning">{t("rule.excluded", { n: data.disabled_by.length })}</a>
            </p>
          )}
        </>
      )}
    </div>
  );
}
