// The gallery of blocks: photographed in both themes, both languages and three widths, without a finding of axe-core; a long table.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { axe } from "./axe.mjs";
import { startGallery } from "./gallery.mjs";

/** Where the pictures go; `make screenshots` sets the folder of the docs. */
const images = resolve(process.env.MONBAN_IMAGES ?? join(tmpdir(), "monban-browser"));

let browser;
let gallery;
before(async () => {
  mkdirSync(images, { recursive: true });
  gallery = await startGallery();
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--js-flags=--expose-gc"] });
});
after(async () => {
  await browser?.close();
  await gallery?.stop();
});

for (const [locale, language] of [["en-GB", "en"], ["ja-JP", "ja"]]) {
  for (const colorScheme of ["light", "dark"]) {
    test(`the blocks in ${language}, ${colorScheme}`, async () => {
      for (const width of [360, 1280, 2560]) {
        const context = await browser.newContext({ viewport: { width, height: 900 }, locale, colorScheme, timezoneId: "Asia/Tokyo", reducedMotion: "reduce" });
        context.setDefaultTimeout(10_000);
        const page = await context.newPage();
        const faults = [];
        page.on("pageerror", (error) => faults.push(error.message));
        page.on("console", (message) => message.type() === "error" && faults.push(message.text()));
        await page.goto(gallery.address);
        await page.locator(".side-panel .bytes").waitFor();
        assert.deepEqual(await axe(page), [], `${width} pixels`);
        // on a narrow screen the panel covers the page
        if (width === 360) await page.keyboard.press("Escape");
        if (width === 360) await page.locator(".side-panel").waitFor({ state: "detached" });
        assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= width, `${width} pixels`);
        await page.screenshot({ path: join(images, `gallery-${language}-${colorScheme}-${width}.png`), fullPage: true });
        await page.getByRole("button", { name: /^(Remove|削除)$/ }).click();
        await page.locator("dialog").waitFor();
        assert.deepEqual(await axe(page), [], `the question at ${width} pixels`);
        assert.deepEqual(faults, []);
        await context.close();
      }
    });
  }
}

test("forced colours keep bars and legends", async () => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, forcedColors: "active" });
  const page = await context.newPage();
  await page.goto(gallery.address);
  await page.locator(".histogram rect").first().waitFor();
  const { bars, legend, ground } = await page.evaluate(() => {
    const fill = (one) => getComputedStyle(one).fill;
    return {
      bars: [...new Set([...document.querySelectorAll(".histogram rect")].map(fill))],
      legend: [...document.querySelectorAll(".legend .swatch")].map((one) => getComputedStyle(one).backgroundColor),
      ground: getComputedStyle(document.body).backgroundColor,
    };
  });
  assert.equal(bars.length, 3, bars.join());
  assert.deepEqual(legend.toSorted(), bars.toSorted());
  assert.ok(!bars.includes(ground));
  await context.close();
});

test("a table of 100,000 rows scrolls smoothly and stays small", async () => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  await page.goto(`${gallery.address}/?rows=100000`);
  await page.locator(".event-row").first().waitFor();
  const devtools = await context.newCDPSession(page);
  await devtools.send("Performance.enable");
  const busy = async () => (await devtools.send("Performance.getMetrics")).metrics.find(({ name }) => name === "TaskDuration").value * 1000;
  const FRAMES = 60;
  let each = Infinity;
  let seen;
  // the quietest of three runs, for others may use the machine
  for (let run = 0; run < 3; run++) {
    const before = await busy();
    seen = await page.evaluate(async (frames) => {
      const frame = () => new Promise(requestAnimationFrame);
      let [most, missed] = [0, 0];
      for (let count = 0; count < frames; count++) {
        // 18,000 pixels a second at 60 frames
        scrollBy(0, 300);
        await frame();
        most = Math.max(most, document.querySelectorAll(".event-row").length);
        if (!document.elementFromPoint(600, 450)?.closest(".event-row")) missed++;
      }
      return { most, missed };
    }, FRAMES);
    each = Math.min(each, ((await busy()) - before) / FRAMES);
  }
  const bytes = await page.evaluate(() => (globalThis.gc(), performance.memory.usedJSHeapSize));
  const { most, missed } = seen;
  console.log(`${each.toFixed(1)} ms a frame, ${most} rows in the document, ${(bytes / 1048576).toFixed(0)} MiB`);
  assert.ok(most < 120, `${most} rows`);
  assert.ok(missed <= 2, `${missed} frames without rows`);
  assert.ok(bytes < 60 * 1024 * 1024, `${bytes} bytes`);
  // 50 frames a second
  assert.ok(each < 20, `${each} ms a frame`);
  await page.locator(".grid").focus();
  await page.keyboard.press("End");
  await page.locator('.event-row[data-id="99999"].selected').waitFor();
  assert.equal(await page.locator(".grid").getAttribute("aria-rowcount"), "100001");
  await page.keyboard.press("Home");
  await page.locator('.event-row[data-id="0"].selected').waitFor();
  await context.close();
});
