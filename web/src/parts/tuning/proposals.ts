// The choice among the proposals of an event.
import type { Exclusion, ExclusionProposal } from "../../api";
import { bytesOf, textOf } from "../../bytes/bytes";

/** The scope of an exclusion, always with a path match. */
export type Scope = Exclusion & { path_match: NonNullable<Exclusion["path_match"]> };

/** An exclusion to add, and the event that led to it. */
export type Wanted = Scope & { event?: string };

export const WIDTHS = ["narrowest", "parameter", "path", "site"] as const;
export type Width = (typeof WIDTHS)[number];

export function scopeOf({ rule, scope, path_match }: ExclusionProposal): Scope {
  return withoutNothing({ rule, path_match, ...scope });
}

/** Drops missing fields, which the API sends as null. */
export function withoutNothing({ rule, path_match, site, path, parameter }: Exclusion): Scope {
  return {
    rule,
    path_match: path_match ?? "exact",
    ...(site ? { site } : {}),
    ...(path ? { path } : {}),
    ...(parameter ? { parameter } : {}),
  };
}

/** Returns whether an exclusion leaves out the path or the variable, or anything that `than` names. */
export function widens(scope: Exclusion, than?: Exclusion): boolean {
  const parts = ["site", "path", "parameter"] as const;
  return parts.some((part) => !scope[part] && (than ? Boolean(than[part]) : part !== "site"));
}

/**
 * Returns the proposals that let the event pass together, none wider than needed and none narrower than `width`: for each rule
 * and variable the first that is not refused. A proposal for a whole rule replaces those for its variables. Existing exclusions
 * are omitted.
 */
export function chosenProposals(proposals: readonly ExclusionProposal[], width: Width): ExclusionProposal[] {
  const least = WIDTHS.indexOf(width);
  const chosen = new Map<string, ExclusionProposal>();
  const targets = new Set(proposals.map((one) => `${one.rule} ${textOf(bytesOf(one.variable))}`));
  for (const target of targets) {
    const [rule = ""] = target.split(" ", 1);
    const found = proposals.find(
      (one) =>
        !one.refused &&
        WIDTHS.indexOf(one.width) >= least &&
        String(one.rule) === rule &&
        // wider proposals cover all variables
        (WIDTHS.indexOf(one.width) >= 2 || `${one.rule} ${textOf(bytesOf(one.variable))}` === target),
    );
    if (found && !found.in_force) chosen.set(JSON.stringify(scopeOf(found)), found);
  }
  const all = [...chosen.values()];
  const whole = all.filter((one) => WIDTHS.indexOf(one.width) >= 2).map((one) => one.rule);
  return all.filter((one) => WIDTHS.indexOf(one.width) >= 2 || !whole.includes(one.rule));
}
