// The texts of audit log entries.
import type { AuditPage } from "../../api";
import { has, t } from "./texts";

type Entry = Pick<AuditPage["entries"][number], "what" | "detail" | "user" | "via">;

/** Returns the text of a word of the API; the word itself if it is unknown. */
export function worded(group: "audit.how" | "audit.via" | "role" | "scope" | "mode", word: string): string {
  const key = `${group}.${word}`;
  return has(key) ? t(key) : word;
}

/** Returns the name of the actor: a user's name, or the server for a command. */
export function actor({ user, via }: Entry): string {
  if (via === "command" && user === "machine") return t("audit.machine");
  return user || "–";
}

/** Returns the details of an entry: names unchanged, words of monban translated. */
export function detailed({ what, detail }: Entry): string {
  switch (what) {
    case "console.signed_in":
    case "console.sign_in_refused":
    case "console.link_used":
    case "console.link_created":
      return worded("audit.how", detail);
    case "user.invited":
      return detail.replace(/\((\w+)\)$/, (_, role: string) => `(${worded("role", role)})`);
    case "user.role_changed":
      return detail.replace(
        /: (\w+) to (\w+)$/,
        (_, from: string, to: string) => `: ${worded("role", from)} → ${worded("role", to)}`,
      );
    case "token.created":
      return detail.replace(/\(([\w, ]+)\)$/, (_, scopes: string) => {
        return `(${scopes.split(", ").map((scope) => worded("scope", scope)).join(", ")})`;
      });
    case "tuning.site_mode_changed":
      return detail.replace(/: (\w+)$/, (_, mode: string) => `: ${worded("mode", mode)}`);
    default:
      return detail;
  }
}
