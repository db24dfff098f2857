// The scope of an exclusion, in words.
import type { Exclusion } from "../../api";
import { bytesOf, textOf } from "../../bytes/bytes";
import { Untrusted } from "../../ui";
import { t } from "./texts";

/** Site, path and parameter of an exclusion. */
export function ScopeText({ scope }: { scope: Omit<Exclusion, "rule"> }) {
  return (
    <span class="scope">
      {scope.site ? <Untrusted text={scope.site} limit={80} /> : t("exclude.allSites")}
      {" · "}
      <code>
        {scope.path ? <Untrusted text={textOf(bytesOf(scope.path))} limit={200} /> : t("exclude.allPaths")}
        {scope.path && scope.path_match === "prefix" ? "…" : ""}
      </code>
      {" · "}
      <code>
        {scope.parameter ? <Untrusted text={textOf(bytesOf(scope.parameter))} limit={200} /> : t("exclude.wholeRule")}
      </code>
    </span>
  );
}
