// One's own account: password, codes with recovery codes, sessions, tokens.
import { createHmac } from "node:crypto";
import { OWNER } from "../visitor.mjs";

/** The six digits of RFC 6238 for a secret in base32, `steps` of 30 seconds from now. */
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

  // sessions: the other browser's is listed, and ended
  await visitor.open("/account");
  const sessions = page.locator(".panel", { hasText: "Sessions" });
  await sessions.locator("tbody tr").nth(1).waitFor();
  bench.equal(await sessions.locator("tbody tr").count(), 2);
  await sessions.locator("button", { hasText: "End" }).click();
  await page.waitForFunction(() => [...document.querySelectorAll("h2")].find((one) => one.textContent === "Sessions")
    .closest(".panel").querySelectorAll("tbody tr").length === 1);
  other.expect("401");
  await other.page.goto(`${bench.console}/events`);
  await other.page.waitForURL("**/signin?next=*");
  bench.equal(new URL(other.page.url()).pathname, "/signin", "an ended session is out at once");

  // a token: shown once, works, is removed and works no more
  const tokens = page.locator(".panel", { hasText: "API tokens" });
  await tokens.locator("text=New token").click();
  await page.fill("dialog [name=token]", "grafana");
  await page.click("dialog >> text=Make the token");
  await page.waitForSelector("dialog .secret code");
  const token = await page.innerText("dialog .secret code");
  bench.ok(/^monban_\S{20,}$/.test(token), token);
  const asked = async () =>
    (await fetch(`${bench.console}/api/events?limit=1`, { headers: { Authorization: `Bearer ${token}` } })).status;
  bench.equal(await asked(), 200);
  await page.locator("dialog .button.primary").click();
  await tokens.locator("text=grafana").waitFor();
  await tokens.locator("button", { hasText: "Remove" }).click();
  await page.locator("dialog .button.danger").click();
  await tokens.locator("text=No token yet").waitFor();
  bench.equal(await asked(), 401);

  // the password: a wrong old one changes nothing
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

  // codes of an app
  await visitor.open("/account");
  const codes = page.locator(".panel", { hasText: "authenticator" });
  await codes.locator("text=Set up").click();
  await page.waitForSelector("dialog .secret code");
  const secret = await page.innerText("dialog .secret code");
  bench.ok(await page.isVisible("dialog svg.qr path"), "a picture for the app");
  await page.fill("dialog [name=code]", totp(secret));
  await page.click("dialog >> text=Turn on");
  await page.waitForSelector("dialog .codes li");
  const recovery = await page.$$eval("dialog .codes li", (all) => all.map((one) => one.textContent));
  bench.ok(recovery.length >= 8, `${recovery.length} recovery codes`);
  await page.click("dialog >> text=I have kept them");
  await codes.locator(`text=${recovery.length} recovery codes left`).waitFor();

  // signing in then has a second step: a wrong code, a recovery code, and not the same one again
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
  bench.equal(await secondStep(recovery[0]), true, "a recovery code");
  bench.equal(await secondStep(recovery[0]), false, "a recovery code is good once");
  // the code of the set-up is used up; the next step's is good already, for clocks differ
  bench.equal(await secondStep(totp(secret, 1)), true, "a code of the app");

  await visitor.open("/account");
  await codes.locator(`text=${recovery.length - 1} recovery codes left`).waitFor();
  await codes.locator("text=Turn off").click();
  await page.fill("dialog [name=password]", changed);
  await page.locator("dialog .button.danger").click();
  await codes.locator("text=Set up").waitFor();
};
