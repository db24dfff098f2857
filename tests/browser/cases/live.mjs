// The live view: events as they arrive, filtered, paused, and after a broken connection.
import { OWNER } from "../visitor.mjs";

export default async (bench) => {
  const visitor = await bench.owner();
  const { page } = visitor;
  const rows = page.locator(".event-row");
  await visitor.open("/live");
  await page.locator(".badge.good [role=status]").waitFor();
  await bench.attack("/one?q=%3Cscript%3E1");
  await rows.first().waitFor();
  await page.keyboard.press("p");
  await bench.attack("/two?q=%3Cscript%3E1");
  await bench.attack("/three?q=%3Cscript%3E1");
  await page.locator("button", { hasText: "2 held" }).waitFor();
  bench.equal(await rows.count(), 1, "paused");
  await page.keyboard.press("p");
  await rows.nth(2).waitFor();
  bench.ok((await rows.first().innerText()).includes("/three"), "the newest first");

  // a filter in the address
  await visitor.open("/live?text=%2Fwanted");
  await page.locator(".badge.good [role=status]").waitFor();
  await bench.attack("/other?q=%3Cscript%3E1");
  await bench.attack("/wanted?q=%3Cscript%3E1");
  await rows.first().waitFor();
  bench.equal(await rows.count(), 1);
  bench.ok((await rows.first().innerText()).includes("/wanted"));

  // the connection breaks and resumes: nothing is lost
  await visitor.open("/live");
  await page.locator(".badge.good [role=status]").waitFor();
  visitor.expect("/api/live");
  await visitor.context.setOffline(true);
  await bench.attack("/offline?q=%3Cscript%3E1");
  await visitor.context.setOffline(false);
  await page.locator(".event-row", { hasText: "/offline" }).waitFor();

  // opens the event by keyboard
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/live?open=*");
  await page.locator(".side-panel .match-choice").first().waitFor();

  // the session is ended in another browser: the sign-in page says so, and leads back
  await visitor.open("/live");
  await page.locator(".badge.good [role=status]").waitFor();
  visitor.expect(" 401 ");
  const other = await bench.owner();
  const { sessions } = (await other.api("GET", "/api/account/sessions")).body;
  for (const { id } of sessions.filter((one) => !one.current)) await other.api("DELETE", `/api/account/sessions/${id}`);
  await page.waitForURL("**/signin?next=%2Flive");
  await page.locator("[role=status]", { hasText: "Your session has ended" }).waitFor();
  await page.fill("[name=username]", OWNER.user);
  await page.fill("[name=password]", OWNER.password);
  await page.keyboard.press("Enter");
  await page.locator(".badge.good [role=status]").waitFor();
  bench.equal(new URL(page.url()).pathname, "/live");
};
