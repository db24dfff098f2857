// Texts of API errors and of the audit log, in both languages.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ApiError } from "../../src/api/client";
import { problemText, setLanguage } from "../../src/i18n";
import problems from "../../src/i18n/problems.ja";
import en from "../../src/parts/console/texts.en";
import ja from "../../src/parts/console/texts.ja";
import { TEXTS } from "../../src/parts/console/texts";
import { actor, detailed } from "../../src/parts/console/auditing";
import { errorText } from "../../src/ui/controls";

(globalThis as { document?: unknown }).document = { documentElement: {} };
await TEXTS.load();
const described = JSON.parse(readFileSync(join(process.cwd(), "../docs/reference/openapi.json"), "utf8"));

test("every code that the API may send has a Japanese text", async () => {
  const codes: string[] = described.components.schemas.ProblemCode.enum;
  assert.ok(codes.length > 50);
  assert.deepEqual(Object.keys(problems).sort(), [...codes].sort());
  for (const [code, text] of Object.entries(problems)) assert.match(text, /[ぁ-ん]/, code);
});

test("the values of a text are those of the API", async () => {
  const { description } = described.components.schemas.ProblemCode;
  assert.match(description, /values/);
  await setLanguage("ja", false);
  const cases: [string, Record<string, string | number>, string][] = [
    ["role_needed", { role: "owner" }, "この操作にはオーナーの役割が必要です。"],
    ["scope_beyond_role", { scope: "tune", role: "analyst" }, "権限「調整」にはアナリストの役割が必要です。"],
    ["no_such_token", { id: 12345 }, "トークン 12345 は存在しません。"],
    ["filter_too_long", { max: 2000 }, "フィルターは 2,000 バイトまでです。"],
    ["bad_request", {}, "リクエストに誤りがあります: as it came"],
    ["of_a_newer_monban", {}, "as it came"],
  ];
  for (const [code, values, text] of cases) assert.equal(problemText(code, "as it came", values), text);
  assert.equal(problemText(undefined, "as it came"), "as it came");
});

test("a lock-out says when to try again", async () => {
  const body = { error: "too many attempts", code: "too_many_attempts" };
  const error = new ApiError(429, body.error, body, 54);
  await setLanguage("en", false);
  assert.equal(errorText(error), "too many attempts; try again in 54 seconds.");
  await setLanguage("ja", false);
  assert.equal(errorText(error), "試行回数が多すぎます。54 秒後にもう一度お試しください。");
  assert.equal(errorText(new ApiError(401, "x", { code: "wrong_credentials" })), problems.wrong_credentials);
  await setLanguage("en", false);
  assert.equal(errorText(new ApiError(401, "wrong name or password", { code: "wrong_credentials" })), "wrong name or password");
});

test("every action of the audit log has a text in both languages", async () => {
  const actions: string[] = described.components.schemas.AuditAction.enum;
  assert.ok(actions.length > 20);
  for (const { did } of [en.audit, ja.audit]) {
    assert.deepEqual(Object.keys(did).sort(), [...actions].sort());
    for (const [action, text] of Object.entries(did)) assert.doesNotMatch(text, /_/, action);
  }
});

test("details of the audit log are in the page's language", async () => {
  await setLanguage("ja", false);
  const cases: [string, string, string][] = [
    ["sign_in", "password and code", "パスワードと確認コード"],
    ["link_created", "first account", "最初のアカウント"],
    ["link_created", "sora", "sora"],
    ["user_invited", "sora (analyst)", "sora (アナリスト)"],
    ["role_changed", "to: viewer to owner: viewer to analyst", "to: viewer to owner: 閲覧者 → アナリスト"],
    ["token_created", "backup (read) (read, tune)", "backup (read) (閲覧, 調整)"],
    ["token_created", "backup", "backup"],
    ["token_deleted", "backup (read)", "backup (read)"],
    ["of_a_newer_monban", "password", "password"],
  ];
  for (const [what, detail, text] of cases) assert.equal(detailed({ what, detail } as never), text, what);
  assert.equal(actor({ user: "machine", via: "command" } as never), "サーバー");
  assert.equal(actor({ user: "machine", via: "session" } as never), "machine");
  await setLanguage("en", false);
});
