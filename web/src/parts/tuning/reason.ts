// The suggested reason of an exclusion.
import type { Exclusion } from "../../api";
import { bytesOf, textOf } from "../../bytes/bytes";
import { visible } from "../../ui/untrusted";
import { t } from "./texts";

/** Most characters of a name in a reason. */
const NAME = 80;
/** Most rules, types and parameters named in a reason; more are counted. */
const NAMED = 3;

/**
 * Returns a reason built from the scope: "XSS rules on ARGS:name of shop /search". `kindOf` returns the attack type of a rule, if
 * known.
 */
export function composedReason(add: readonly Exclusion[], kindOf: (rule: number) => string | undefined): string {
  const distinct = <V,>(values: V[]): V[] => [...new Set(values)];
  const short = (text: string): string => {
    const shown = visible(text);
    return shown.length > NAME ? `${shown.slice(0, NAME)}…` : shown;
  };
  const bytes = (value: Exclusion["path"]): string => (value ? short(textOf(bytesOf(value))) : "");
  const rules = distinct(add.map((one) => one.rule));
  const kinds = distinct(rules.map(kindOf));
  const named = kinds.filter((kind) => kind !== undefined);
  const what =
    named.length === kinds.length && named.length > 0 && named.length <= NAMED
      ? t("exclude.composed.kind", { kind: named.join(", ") })
      : rules.length <= NAMED
        ? t("exclude.composed.rules", { n: rules.length, rules: rules.join(", ") })
        : t("exclude.composed.many", { n: rules.length });
  const parameters = distinct(add.map((one) => bytes(one.parameter)));
  const on =
    parameters.length > NAMED ? t("exclude.composed.parameters", { n: parameters.length }) : parameters.filter((one) => one !== "").join(", ");
  const where = distinct(
    add.map((one) => {
      const path = bytes(one.path) + (one.path && one.path_match === "prefix" ? "…" : "");
      // the site that matches any host
      return [one.site && one.site !== "*" ? short(one.site) : "", path].filter((part) => part !== "").join(" ");
    }),
  );
  const [place] = where;
  const of = where.length > 1 ? t("exclude.composed.places", { n: where.length }) : place || t("exclude.allSites");
  return t(on ? "exclude.composed.on" : "exclude.composed.of", { what, on, place: of });
}
