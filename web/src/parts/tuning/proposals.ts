// Which of an event's proposals are taken together.
import type { Exclusion, ExclusionProposal } from "../../api";
import { bytesOf, textOf } from "../../bytes/bytes";

/** What an exclusion is made of, with its path's comparison told. */
export type Scope = Exclusion & { path_match: NonNullable<Exclusion["path_match"]> };

/** An exclusion that is to be made, and the event that led to it. */
export type Wanted = Scope & { event?: string };

export const WIDTHS = ["narrowest", "parameter", "path", "site"] as const;
export type Width = (typeof WIDTHS)[number];

export function scopeOf({ rule, scope, path_match }: ExclusionProposal): Scope {
  return withoutNothing({ rule, path_match, ...scope });
}

/** The API tells absent fields as null. */
export function withoutNothing({ rule, path_match, site, path, parameter }: Exclusion): Scope {
  return {
    rule,
    path_match: path_match ?? "exact",
    ...(site ? { site } : {}),
    ...(path ? { path } : {}),
    ...(parameter ? { parameter } : {}),
  };
}

/**
 * The proposals that together let the event pass, none wider than needed and none narrower than `width`: for each rule and
 * variable the first that is not refused. One for a rule as a whole takes the place of those for its variables. What is in force
 * already is left out.
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
        // wider ones are proposed once for all variables
        (WIDTHS.indexOf(one.width) >= 2 || `${one.rule} ${textOf(bytesOf(one.variable))}` === target),
    );
    if (found && !found.in_force) chosen.set(JSON.stringify(scopeOf(found)), found);
  }
  const all = [...chosen.values()];
  const whole = all.filter((one) => WIDTHS.indexOf(one.width) >= 2).map((one) => one.rule);
  return all.filter((one) => WIDTHS.indexOf(one.width) >= 2 || !whole.includes(one.rule));
}
