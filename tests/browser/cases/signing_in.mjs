// The first owner uses the printed link; wrong passwords, return to the requested page, signing out, and a stolen session.
import { OWNER } from "../visitor.mjs";

export default async (bench) => {
  const visitor = await bench.visitor();
  const { page } = visitor;
  await visitor.open("/events?outcome=blocked");
  bench.equal(new URL(page.url()).pathname, "/signin", "who is not signed in comes to the sign-in");
  bench.ok((await visitor.text()).includes("monban console link"), "it tells how the first owner is made");

  await visitor.open("/setup");
  bench.ok((await visitor.text()).includes("incomplete"), "a link without its token says so");
  await visitor.open(`/setup${new URL(bench.link).hash}`);
  await page.fill("[name=username]", OWNER.user);
  await page.fill("[name=password]", "short");
  await page.fill("[name=again]", "short");
  await page.keyboard.press("Enter");
  await page.waitForSelector("[role=alert]:not(:empty)");
  bench.ok((await page.innerText(".form-error:not(:empty)")).includes("12"), "too short a password is refused");
  await visitor.setUp(bench.link, OWNER);
  bench.equal(new URL(page.url()).pathname, "/");
  bench.equal(new URL(page.url()).hash, "", "the link's token leaves the address");
  bench.ok((await visitor.text("nav")).includes(OWNER.user));

  // a used link says so before anything is typed, also in Japanese
  const second = await bench.visitor();
  const japanese = await bench.visitor({ locale: "ja-JP" });
  for (const [one, told] of [
    [second, "This link has expired or was already used."],
    [japanese, "このリンクは使用済みか"],
  ]) {
    one.expect("/api/setup");
    await one.open(`/setup${new URL(bench.link).hash}`);
    await one.page.locator("[role=alert]", { hasText: told }).waitFor();
    bench.equal(await one.page.$("form, .shell"), null, "a used link asks for nothing and opens nothing");
  }

  // a wrong password, then the right one; the requested page opens
  second.expect("/api/session Failed");
  await second.open("/audit?x=1");
  bench.equal(new URL(second.page.url()).pathname, "/signin");
  await second.page.fill("[name=username]", OWNER.user);
  await second.page.fill("[name=password]", "wrong horse battery");
  await second.page.keyboard.press("Enter");
  await second.page.waitForSelector(".form-error:not(:empty)");
  await second.page.fill("[name=password]", OWNER.password);
  await second.page.keyboard.press("Enter");
  await second.page.waitForSelector(".shell");
  bench.equal(new URL(second.page.url()).pathname + new URL(second.page.url()).search, "/audit?x=1");

  // a crafted address does not lead to another site
  const third = await bench.visitor();
  await third.open("/signin?next=//evil.example/");
  await third.page.fill("[name=username]", OWNER.user);
  await third.page.fill("[name=password]", OWNER.password);
  await third.page.keyboard.press("Enter");
  await third.page.waitForSelector(".shell");
  bench.equal(third.page.url(), `${bench.console}/`);

  // a late 401 of a request from before the sign-in does not end the session
  const fourth = await bench.visitor();
  let release;
  const released = new Promise((resolve) => (release = resolve));
  await fourth.page.route("**/api/session", async (route) => {
    if (route.request().method() !== "GET") return route.continue();
    const response = await route.fetch();
    await released;
    await route.fulfill({ response });
  });
  fourth.expect("/api/session");
  await fourth.page.goto(`${bench.console}/signin`);
  await fourth.page.fill("[name=username]", OWNER.user);
  await fourth.page.fill("[name=password]", OWNER.password);
  await fourth.page.keyboard.press("Enter");
  await fourth.page.waitForSelector(".shell");
  const late = fourth.page.waitForResponse((response) => response.url().endsWith("/api/session") && response.status() === 401);
  release();
  await late;
  await fourth.settled();
  bench.equal(await fourth.page.$(".shell") !== null, true, "still signed in");

  // signing out ends the session on the server: a copy of the cookie is useless
  const cookies = await visitor.context.cookies();
  const session = cookies.find((cookie) => cookie.name === "monban_session");
  bench.ok(session.httpOnly && session.sameSite === "Strict", "the cookie is out of reach of scripts and other sites");
  await page.click("nav >> text=Sign out");
  await page.waitForURL("**/signin");
  const thief = await bench.visitor();
  await thief.context.addCookies(cookies);
  await thief.open("/");
  bench.equal(new URL(thief.page.url()).pathname, "/signin", "a stolen session after sign-out");
  bench.ok((await thief.text()).includes("Your session has ended"));
  bench.ok(!(await visitor.text()).includes("has ended"), "who signs out knows it");
  bench.equal((await thief.page.request.get(`${bench.console}/api/events`)).status(), 401);

  // refusals are in the page's language, each text once
  japanese.expect("/api/session Failed");
  await japanese.open("/signin");
  await japanese.page.fill("[name=username]", "nobody");
  await japanese.page.fill("[name=password]", "wrong horse battery");
  const refusals = new Set();
  for (let tries = 0; tries < 40 && !/秒後/.test([...refusals].at(-1) ?? ""); tries++) {
    await japanese.page.click("button[type=submit]:not(:disabled)");
    await japanese.page.waitForSelector(".form-error:not(:empty)");
    refusals.add(await japanese.page.innerText(".form-error:not(:empty)"));
  }
  bench.equal([...refusals][0], "ユーザー名またはパスワードが違います。");
  bench.ok(/^試行回数が多すぎます。\d+ 秒後にもう一度お試しください。$/.test([...refusals].at(-1)), [...refusals].join("|"));
};
