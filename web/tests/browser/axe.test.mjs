// axe-core on every page, in both themes and three widths, and on what pages open. A page is opened once for all widths.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { startApi } from "./api.fixture.mjs";
import { axe } from "./axe.mjs";
import { NOW, routes, scene } from "./scene.fixture.mjs";

const EVENTS = scene();
const ONE = EVENTS.find(({ outcome }) => outcome === "detected").id;
const PATHS = [
  "/",
  "/?since=2026-11-29T00:00:00Z&until=2026-11-30T00:00:00Z",
  "/events?outcome=blocked&since=24h",
  `/events?open=${ONE}`,
  `/events/${ONE}`,
  "/live",
  "/incidents",
  "/findings",
  "/logins",
  "/tuning",
  "/learning",
  "/history",
  "/notices",
  "/account",
  "/users",
  "/audit",
  "/about",
  "/about/looking",
  "/about/changelog",
  "/nothing/here",
];
/** What a button opens: page, its name, what appears. */
const OPENED = [
  ["/events", "Custom…", ".menu-body"],
  ["/events", "Columns", ".menu-body"],
  ["/events", "Saved queries", ".saved-choice"],
  [`/events/${ONE}`, "Add exclusion…", "dialog"],
  ["/history", "Undo", "dialog .diff"],
  ["/users", "Invite user", "dialog form"],
  ["/users", "Remove: bob", "dialog"],
  ["/account", "Create token…", "dialog form"],
  ["/findings", "Acknowledge", "dialog"],
];

let browser;
before(async () => {
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
});
after(() => browser?.close());

test("axe-core is asked: it finds what is wrong", async () => {
  const page = await browser.newPage();
  await page.setContent("<html lang='en'><title>x</title><main><h1>x</h1><button></button><p style='color:#aaa'>faint</p></main>");
  const found = await axe(page);
  assert.deepEqual(found.map((one) => one.split(":")[0]).sort(), ["button-name", "color-contrast"]);
  await page.close();
});

/** A theme changes colours alone, which one rule is about. */
async function inBothThemes(page, about) {
  assert.deepEqual(await axe(page), [], about);
  await page.emulateMedia({ colorScheme: "dark" });
  assert.deepEqual(await axe(page, ["color-contrast"]), [], `${about}, dark`);
  await page.emulateMedia({ colorScheme: "light" });
}

const WIDTHS = [1280, 360, 2560];

/** Asks about a page as it is now, in all widths and both themes. */
async function inAllWidths(page, about, widths = WIDTHS) {
  for (const width of widths) {
    await page.setViewportSize({ width, height: 900 });
    await inBothThemes(page, `${about}, ${width} pixels`);
    const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wider <= 0, `${about} is ${wider} pixels too wide for ${width}`);
  }
}

/** Runs over a lively gate; `open` opens a path. */
async function overGate(run) {
  const api = await startApi(routes(EVENTS));
  const context = await browser.newContext({ locale: "en-GB", colorScheme: "light", reducedMotion: "reduce" });
  context.setDefaultTimeout(10_000);
  const page = await context.newPage();
  const open = async (path) => {
    await page.setViewportSize({ width: WIDTHS[0], height: 900 });
    await page.goto(api.address + path);
    await page.locator("h1").first().waitFor();
    await page.waitForFunction(() => document.querySelector(".loading") === null);
  };
  try {
    await page.clock.setFixedTime(NOW);
    await run(page, open, api);
  } finally {
    await context.close();
    await api.stop();
  }
}

test("no finding on any page, in both themes and three widths", async () => {
  await overGate(async (page, open, api) => {
    for (const path of PATHS) {
      await open(path);
      await inAllWidths(page, path);
    }
    api.routes["GET /api/session"] = { status: 401, body: { error: "sign in", code: "session.none" } };
    for (const path of ["/signin", "/setup#wrong"]) {
      await open(path);
      await inAllWidths(page, path);
    }
  });
});

test("no finding in what pages open, in both themes and three widths", async () => {
  await overGate(async (page, open) => {
    for (const [path, name, shown] of OPENED) {
      await open(path);
      await page.getByRole("button", { name, exact: true }).first().click();
      await page.locator(shown).first().waitFor();
      // cards have no columns
      await inAllWidths(page, `${path}: ${name}`, name === "Columns" ? WIDTHS.filter((width) => width > 360) : WIDTHS);
      assert.ok(await page.locator(shown).first().isVisible(), `${name} is still open`);
    }
  });
});
