// What the audit trail says, in the visitor's language.
import type { AuditPage } from "../../api";
import { has, t } from "./texts";

type Entry = Pick<AuditPage["entries"][number], "what" | "detail" | "user" | "via">;

/** A word of the API as a text; the word itself where a newer monban wrote it. */
export function worded(group: "audit.did" | "audit.how" | "audit.via" | "role" | "scope" | "mode", word: string): string {
  const key = `${group}.${word}`;
  return has(key) ? t(key) : word;
}

/** Who it was: a name, or the machine's owner by a command. */
export function actor({ user, via }: Entry): string {
  if (via === "command" && user === "machine") return t("audit.machine");
  return user || "–";
}

/** What more there is to say: names as they are, the words of monban beside them as texts. */
export function detailed({ what, detail }: Entry): string {
  switch (what) {
    case "sign_in":
    case "sign_in_refused":
    case "setup":
    case "link_created":
      return worded("audit.how", detail);
    case "user_invited":
      return detail.replace(/\((\w+)\)$/, (_, role: string) => `(${worded("role", role)})`);
    case "role_changed":
      return detail.replace(
        /: (\w+) to (\w+)$/,
        (_, from: string, to: string) => `: ${worded("role", from)} → ${worded("role", to)}`,
      );
    case "token_created":
      return detail.replace(/\(([\w, ]+)\)$/, (_, scopes: string) => {
        return `(${scopes.split(", ").map((scope) => worded("scope", scope)).join(", ")})`;
      });
    case "site_mode":
      return detail.replace(/: (\w+)$/, (_, mode: string) => `: ${worded("mode", mode)}`);
    default:
      return detail;
  }
}
