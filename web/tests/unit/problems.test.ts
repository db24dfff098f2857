// The page's texts for the API's errors and the audit trail.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError } from "../../src/api/client";
import { setLanguage } from "../../src/i18n";
import { TEXTS } from "../../src/parts/console/texts";
import { actor, detailed } from "../../src/parts/console/auditing";
import { errorText } from "../../src/ui/controls";

(globalThis as { document?: unknown }).document = { documentElement: {} };
await TEXTS.load();

test("a lock-out says once, and in whole sentences, when it is over", async () => {
  const error = (text: string) => new ApiError(429, text, { error: text, code: "session.too_many_attempts" }, 54);
  await setLanguage("en", false);
  assert.equal(errorText(error("Too many attempts.")), "Too many attempts. Try again in 54 seconds.");
  await setLanguage("ja", false);
  assert.equal(errorText(error("試行回数が多すぎます。")), "試行回数が多すぎます。54 秒後にもう一度お試しください。");
  await setLanguage("en", false);
  assert.equal(errorText(new ApiError(401, "Wrong user name or password.")), "Wrong user name or password.");
});

test("details of the audit log are in the page's language", async () => {
  await setLanguage("ja", false);
  const cases: [string, string, string][] = [
    ["console.signed_in", "password and code", "パスワードと確認コード"],
    ["console.link_created", "first account", "最初のアカウント"],
    ["console.link_created", "sora", "sora"],
    ["user.invited", "sora (analyst)", "sora (アナリスト)"],
    ["user.role_changed", "to: viewer to owner: viewer to analyst", "to: viewer to owner: 閲覧者 → アナリスト"],
    ["token.created", "backup (read) (read, tune)", "backup (read) (閲覧, 調整)"],
    ["token.created", "backup", "backup"],
    ["token.deleted", "backup (read)", "backup (read)"],
    ["of_a_newer_monban", "password", "password"],
  ];
  for (const [what, detail, text] of cases) assert.equal(detailed({ what, detail } as never), text, what);
  assert.equal(actor({ user: "machine", via: "command" } as never), "サーバー");
  assert.equal(actor({ user: "machine", via: "session" } as never), "machine");
  await setLanguage("en", false);
});
