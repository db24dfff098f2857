// The account page: password, authenticator app with recovery codes, sessions, tokens.
import { createHmac } from "node:crypto";
import { readFile } from "node:fs/promises";
import { OWNER } from "../visitor.mjs";

/** Returns the six digits of RFC 6238 for a secret in base32, `steps` of 30 seconds from now. */
function totp(secret, steps = 0) {
  const bits = [...secret.replace(/[\s=]/g, "")]
    .map((letter) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(letter).toString(2).padStart(5, "0"))
    .join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => Number.parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + steps));
  const digest = createHmac("sha1", key).update(counter).digest();
  const at = digest[19] & 15;
  return String((digest.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

export default async (bench) => {
  const visitor = await bench.owner();
  const { page } = visitor;
  const other = await bench.owner();

  // sessions: that of the other browser is listed, then ended
  await visitor.open("/account");
  const sessions = page.locator(".panel", { hasText: "Sessions" });
  const focused = (what) => page.waitForFunction((what) => document.activeElement?.matches(`dialog ${what}`), what);
  await sessions.locator("tbody tr").nth(1).waitFor();
  bench.equal(await sessions.locator("tbody tr").count(), 2);
  await sessions.locator("button", { hasText: "End" }).click();
  await page.locator("dialog .button.danger").click();
  await page.waitForFunction(() => [...document.querySelectorAll("h2")].find((one) => one.textContent === "Sessions")
    .closest(".panel").querySelectorAll("tbody tr").length === 1);
  other.expect("401");
  await other.page.goto(`${bench.console}/events`);
  await other.page.waitForURL("**/signin?next=*");
  bench.equal(new URL(other.page.url()).pathname, "/signin", "an ended session is out at once");
  await other.page.locator("[role=status]", { hasText: "Your session has ended" }).waitFor();
  // the heading of a code column is not monospaced
  const font = (selector) => sessions.locator(selector).first().evaluate((one) => getComputedStyle(one).fontFamily);
  bench.equal(await font("th:has-text('Address')"), await font("th:has-text('Browser')"));

  // a token: shown once, works, and stops working when removed
  const tokens = page.locator(".panel", { hasText: "API tokens" });
  await tokens.locator("text=Create token…").click();
  await focused("[name=token]");
  await page.keyboard.type("grafana");
  await page.keyboard.press("Enter");
  await page.waitForSelector("dialog .secret code");
  await focused(".button.primary");
  const token = await page.innerText("dialog .secret code");
  bench.ok(/^monban_\S{20,}$/.test(token), token);
  const asked = async () =>
    (await fetch(`${bench.console}/api/events?limit=1`, { headers: { Authorization: `Bearer ${token}` } })).status;
  bench.equal(await asked(), 200);
  await page.locator("dialog .button.primary").click();
  await tokens.locator("text=grafana").waitFor();
  await tokens.locator("button", { hasText: "Remove" }).click();
  // a stray Enter does not confirm an action that can't be undone
  await page.waitForFunction(() => document.activeElement?.textContent === "Cancel");
  await page.locator("dialog .button.danger").click();
  await tokens.locator("text=No tokens yet").waitFor();
  bench.equal(await asked(), 401);

  // the password: a wrong current one changes nothing
  const changed = "a longer sentence to remember";
  visitor.expect("/api/account/password");
  await page.fill("[name=old]", "not the password");
  await page.fill("[name=new]", changed);
  await page.keyboard.press("Enter");
  await page.waitForSelector(".form-error:not(:empty)");
  await page.fill("[name=old]", OWNER.password);
  await page.keyboard.press("Enter");
  await page.waitForSelector(".toast");
  await other.signIn({ user: OWNER.user, password: changed });
  bench.ok(await other.page.isVisible(".shell"), "the new password signs in");

  // authenticator app
  await visitor.open("/account");
  const codes = page.locator(".panel", { hasText: "Authenticator app" });
  await codes.locator("text=Set up").click();
  await page.waitForSelector("dialog .secret code");
  const secret = await page.innerText("dialog .secret code");
  bench.ok(await page.isVisible("dialog svg.qr path"), "a picture for the app");
  await focused("[name=code]");
  await page.keyboard.type(totp(secret));
  await page.keyboard.press("Enter");
  await page.waitForSelector("dialog .codes li");
  const shown = () => page.$$eval("dialog .codes li", (all) => all.map((one) => one.textContent));
  const old = await shown();
  bench.ok(old.length >= 8, `${old.length} recovery codes`);
  // neither a stray Enter nor repeated Escape closes them; they can be copied and downloaded
  await focused("h2");
  for (const key of ["Enter", "Escape", "Escape", "Escape"]) await page.keyboard.press(key);
  bench.equal(await shown(), old);
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await page.click("dialog >> text=Copy");
  await page.locator("dialog button", { hasText: "Copied" }).waitFor();
  bench.equal(await page.evaluate(() => navigator.clipboard.readText()), `${old.join("\n")}\n`);
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("dialog >> text=Download")]);
  bench.equal(download.suggestedFilename(), "monban-localhost-recovery-codes.txt");
  bench.equal(await readFile(await download.path(), "utf8"), `${old.join("\n")}\n`);
  await page.click("dialog >> text=I saved them");

  // new codes replace the old ones
  visitor.expect("/api/account/totp/recovery-codes");
  await codes.locator("text=Replace recovery codes").click();
  await focused("[name=password]");
  await page.keyboard.type("not the password");
  await page.keyboard.press("Enter");
  await page.locator("dialog .form-error", { hasText: "the password is wrong" }).waitFor();
  await page.fill("dialog [name=password]", changed);
  await page.keyboard.press("Enter");
  await page.waitForSelector("dialog .codes li");
  const recovery = await shown();
  bench.ok(recovery.length === old.length && !recovery.some((code) => old.includes(code)), recovery.join(" "));
  await page.click("dialog >> text=I saved them");
  await codes.locator(`text=${recovery.length} recovery codes left`).waitFor();

  // signing in has a second step: a wrong code, a recovery code, the same one again
  const third = await bench.visitor();
  third.expect("/api/session");
  const secondStep = async (code) => {
    await third.context.clearCookies();
    await third.open("/signin");
    await third.page.fill("[name=username]", OWNER.user);
    await third.page.fill("[name=password]", changed);
    await third.page.keyboard.press("Enter");
    await third.page.waitForSelector("[name=code]");
    await third.page.fill("[name=code]", code);
    await third.page.keyboard.press("Enter");
    await third.page.waitForSelector(".shell, .form-error:not(:empty)");
    return third.page.isVisible(".shell");
  };
  bench.equal(await secondStep("000000"), false, "a wrong code");
  bench.equal(await secondStep(old[0]), false, "a recovery code of the old set");
  bench.equal(await secondStep(recovery[0]), true, "a recovery code");
  bench.equal(await secondStep(recovery[0]), false, "a recovery code is good once");
  // the code of the set-up is used up; the code of the next step already works, because clocks differ
  bench.equal(await secondStep(totp(secret, 1)), true, "a code of the app");

  await visitor.open("/account");
  await codes.locator(`text=${recovery.length - 1} recovery codes left`).waitFor();
  await codes.locator("text=Turn off").click();
  await focused("[name=password]");
  await page.keyboard.type(changed);
  await page.keyboard.press("Enter");
  await codes.locator("text=Set up").waitFor();
};
