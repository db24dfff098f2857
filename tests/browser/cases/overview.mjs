// Totals, their links, the chart: zooming by mouse and keyboard, and back.
import { writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

export default async (bench) => {
  for (let count = 0; count < 4; count++) await bench.attack(`/cart/${count % 2}?q=%3Cscript%3Ealert(1)%3C/script%3E`);
  bench.equal(await bench.request("/quiet"), 200);
  const visitor = await bench.owner();
  const { page } = visitor;
  await visitor.events(4, "outcome=blocked");

  const blocked = page.locator(".stat", { hasText: "Blocked" }).first().locator(".stat-value");
  await page.reload();
  await visitor.settled();
  bench.equal(await blocked.innerText(), "4");
  const { status, body } = await visitor.api("GET", `/api/overview?step=hour&since=${ago(24)}&until=${ago(-1)}`);
  bench.equal(status, 200);
  bench.equal(body.totals.blocked, 4);
  bench.ok((await page.innerText(".tops")).includes("941100"), "the rules are named");
  bench.ok((await page.innerText(".tops")).includes("127.0.0.1"), "the client is named");

  // a total links to the list of its events
  await blocked.locator("a").click();
  await page.waitForFunction(() => location.pathname === "/events");
  const query = new URL(page.url()).searchParams;
  bench.equal(query.get("outcome"), "blocked");
  bench.ok(Date.parse(query.get("since")) < Date.parse(query.get("until")));
  await page.goBack();
  await visitor.settled();
  await page.waitForSelector(".histogram svg rect");

  // drags over the last third
  const box = await page.locator(".histogram-frame").boundingBox();
  await page.mouse.move(box.x + box.width * 0.66, box.y + 40);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.8, box.y + 50, { steps: 4 });
  await page.mouse.move(box.x + box.width - 2, box.y + 60, { steps: 4 });
  await page.mouse.up();
  await page.waitForFunction(() => new URLSearchParams(location.search).has("since"));
  const zoomed = new URL(page.url()).searchParams;
  const hours = (Date.parse(zoomed.get("until")) - Date.parse(zoomed.get("since"))) / 3_600_000;
  bench.ok(hours >= 6 && hours <= 11 && Number.isInteger(hours), `${hours} hours`);
  await visitor.settled();
  bench.equal(await blocked.innerText(), "4", "the attacks are within");

  // by keyboard: selects the last bar and zooms in
  await page.focus(".histogram-frame");
  await page.keyboard.press("End");
  await page.waitForSelector(".histogram-reading time");
  bench.ok(/blocked\s*4/.test(await page.innerText(".histogram-reading")), await page.innerText(".histogram-reading"));
  await page.keyboard.press("ArrowLeft");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("Enter");
  await page.waitForFunction((before) => location.search !== before, `?${zoomed}`);
  const one = new URL(page.url()).searchParams;
  bench.equal(Date.parse(one.get("until")) - Date.parse(one.get("since")), 3_600_000);
  await page.keyboard.press("z");
  await page.waitForFunction(() => !new URLSearchParams(location.search).has("since"));

  for (const [label, range] of [
    ["7 days", "7d"],
    ["30 days", "30d"],
    ["90 days", "90d"],
  ]) {
    await page.click(`.choices >> text="${label}"`);
    await page.waitForFunction((wanted) => location.search.includes(wanted), `range=${range}`);
    await visitor.settled();
    bench.equal(await blocked.innerText(), "4", range);
  }
  // an owner acknowledges a lasting finding
  await writeFile(join(dirname(bench.config), "data", "events.db.damaged-1"), "x");
  await visitor.open("/");
  await page.click(".banner");
  await page.locator(".finding", { hasText: "events.db.damaged-1" }).waitFor();
  await page.click('.page-actions button:has-text("Acknowledge")');
  await page.locator("dialog .button.danger").click();
  await page.locator(".finding", { hasText: "events.db.damaged-1" }).waitFor({ state: "detached" });
  bench.ok((await (await fetch(`${bench.console}/healthz`)).text()).includes("damaged") === false);

  // a filter in the address filters everything
  await visitor.open("/?outcome=detected");
  bench.equal(await blocked.innerText(), "0");
};

const ago = (hours) => new Date(Date.now() - hours * 3_600_000).toISOString();
