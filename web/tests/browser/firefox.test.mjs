// The main ways in Firefox ESR, by WebDriver BiDi.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before, test } from "node:test";
import puppeteer from "puppeteer-core";
import { startApi } from "./api.fixture.mjs";
import { routes, scene } from "./scene.fixture.mjs";

const FIREFOX = process.env.FIREFOX ?? "/usr/bin/firefox-esr";

let browser;
before(async () => {
  assert.ok(existsSync(FIREFOX), `${FIREFOX} is missing; install the Debian package firefox-esr`);
  browser = await puppeteer.launch({ browser: "firefox", executablePath: FIREFOX, headless: true, extraPrefsFirefox: { "intl.accept_languages": "en-GB", "intl.locale.requested": "en-GB" } });
});
after(() => browser?.close());

/** Opens `path` over a lively gate; fails if the page throws an error. */
async function on(path, run, change = {}) {
  const events = scene();
  const api = await startApi({ ...routes(events), ...change });
  const page = await browser.newPage();
  page.setDefaultTimeout(15_000);
  const faults = [];
  page.on("pageerror", (error) => faults.push(error.message));
  try {
    await page.setViewport({ width: 1280, height: 900 });
    await page.goto(api.address + path);
    await page.waitForSelector("h1");
    await run(page, api, events);
    assert.deepEqual(faults, []);
  } finally {
    await page.close();
    await api.stop();
  }
}

const at = (page, search) => page.waitForFunction((search) => location.pathname + location.search === search, {}, search);
const selected = (page, id) => page.waitForFunction((id) => document.querySelector(".event-row.selected")?.dataset.id === id, {}, id);
const focused = (page, selector) => page.waitForFunction((selector) => document.activeElement?.matches(selector), {}, selector);

/** Presses a key of the page until `selector` is there: a page listens to keys only after it was drawn. */
const pressUntil = async (page, key, selector) => {
  do await page.keyboard.press(key);
  while (!(await page.waitForSelector(selector, { timeout: 500 }).catch(() => null)));
};
const click = async (page, selector) => (await page.waitForSelector(selector, { visible: true })).click();

test("events: the keyboard selects and opens; Back restores the list", async () => {
  await on("/events", async (page, api, events) => {
    await page.waitForSelector(".event-row");
    await page.keyboard.press("j");
    await page.keyboard.press("j");
    await selected(page, events[1].id);
    await page.keyboard.press("Enter");
    await at(page, `/events?open=${events[1].id}`);
    await page.waitForSelector(".side-panel .bytes");
    await focused(page, ".side-panel h2");
    await page.keyboard.press("j");
    await at(page, `/events?open=${events[2].id}`);
    await page.evaluate(() => scrollTo(0, 600));
    await page.waitForFunction(() => scrollY === 600);
    await page.click(".side-panel-head a");
    await at(page, `/events/${events[2].id}`);
    await focused(page, "h1");
    await page.goBack();
    await page.waitForSelector(".side-panel");
    await page.waitForFunction(() => Math.abs(scrollY - 600) < 3);
    await page.keyboard.press("Escape");
    await page.waitForFunction(() => !document.querySelector(".side-panel"));
    await focused(page, ".grid");
    await selected(page, events[2].id);
  });
});

test("events: a query of another program, the histogram, new events", async () => {
  await on("/events", async (page, api, events) => {
    await page.waitForSelector(".event-row");
    await page.keyboard.press("/");
    await page.keyboard.type("site:shop.example.org status>400");
    await page.keyboard.press("Enter");
    await at(page, "/events?subject=shop.example.org&status=401-");
    await page.waitForSelector(".histogram rect");
    const { x, y, width } = await page.$eval(".histogram-frame", (one) => {
      const box = one.getBoundingClientRect();
      return { x: box.x, y: box.y, width: box.width };
    });
    await page.mouse.move(x + width * 0.5, y + 40);
    await page.mouse.down();
    await page.mouse.move(x + width * 0.7, y + 40, { steps: 4 });
    await page.mouse.up();
    await page.waitForFunction(() => /since=.*&until=/.test(location.search));
    await page.goBack();
    await at(page, "/events?subject=shop.example.org&status=401-");
    await page.waitForSelector(".event-row");
    for (let tries = 0; api.tails() !== 1 && tries < 100; tries++) await new Promise((done) => setTimeout(done, 50));
    api.push("event", { ...events[0], id: "01N00000000000000000000001" });
    await page.waitForSelector(".event-list .stale");
    await page.click(".event-list .stale button");
    await page.waitForSelector('.event-row[data-id="01N00000000000000000000001"]');
  });
});

test("a role is confirmed, an exclusion is proposed, a finding is read; both themes and languages", async () => {
  const sent = [];
  const change = { "PATCH /api/users/bob": (_, body) => (sent.push(body), { status: 200, body: {} }) };
  await on(
    "/users",
    async (page, api, events) => {
      await page.waitForSelector("[aria-label='Role: bob']");
      await page.select("[aria-label='Role: bob']", "owner");
      await page.waitForSelector("dialog[open] .danger");
      assert.deepEqual(sent, []);
      await click(page, "dialog[open] .danger");
      await page.waitForSelector(".toast");
      assert.deepEqual(sent, [{ role: "owner" }]);
      await page.goto(`${api.address}/events/${events[0].id}`);
      await page.waitForSelector(".page-actions .button.plain");
      await pressUntil(page, "x", "dialog[open]");
      await page.keyboard.press("Escape");
      await page.waitForFunction(() => !document.querySelector("dialog[open]"));
      await click(page, ".banner");
      await at(page, "/findings");
      await page.waitForSelector(".finding");
      await page.waitForFunction(() => document.querySelectorAll(".finding").length === 3);
      const ground = (colour) => page.waitForFunction((colour) => getComputedStyle(document.body).backgroundColor === colour, {}, colour);
      await page.select("nav [aria-label=Theme]", "light");
      await ground("rgb(246, 247, 249)");
      await page.select("nav [aria-label=Theme]", "dark");
      await ground("rgb(15, 18, 22)");
      await page.select("nav [aria-label=Language]", "ja");
      await page.waitForFunction(() => document.querySelector("h1").textContent === "検出された問題");
    },
    change,
  );
});
