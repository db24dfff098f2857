// Matches by rule and place, so that a rule that matches a hundred times is one line.
import { bytesOf, textOf } from "../../../bytes/bytes";
import type { MatchedRule } from "./request";
import { judges } from "./score";

/** Matches of one rule in one variable. */
export interface MatchGroup {
  /** Indexes in the event's list of matches. */
  matches: number[];
}

/** Returns the matches of rules that look at the request, and of those that only add up and block, each in groups. */
export function groupMatches(rules: readonly MatchedRule[]): { deciding: MatchGroup[]; blocking: MatchGroup[] } {
  const groups = new Map<string, MatchGroup & { blocks: boolean }>();
  for (const [at, rule] of rules.entries()) {
    const variable = rule.variable === undefined ? "" : textOf(bytesOf(rule.variable));
    const key = `${rule.id} ${variable}`;
    const group = groups.get(key) ?? { matches: [], blocks: judges(rule.id) };
    group.matches.push(at);
    groups.set(key, group);
  }
  const all = [...groups.values()];
  return { deciding: all.filter(({ blocks }) => !blocks), blocking: all.filter(({ blocks }) => blocks) };
}
