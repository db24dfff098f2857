// Every page in both languages, wide and at phone width, light and dark: nothing overflows, the keyboard reaches every control,
// texts have enough contrast, and (as in every case) the browser reports no problem.
import { byKeyboard, faint, stickingOut } from "../look.mjs";

const JAPANESE = /[\u3040-\u30ff\u4e00-\u9fff]/;

export default async (bench) => {
  for (let count = 0; count < 3; count++) await bench.attack(`/shop/${count}?name=%3Cscript%3Ealert(1)%3C/script%3E`);
  let paths = [];
  for (const [locale, scheme] of [
    ["en-GB", "light"],
    ["ja-JP", "dark"],
  ]) {
    const visitor = await bench.owner({ locale, scheme });
    const { page } = visitor;
    visitor.expect("/api/setup/check"); // of the link that is none
    if (paths.length === 0) {
      const [event] = await visitor.events(3);
      paths = await page.$$eval("nav a[href]", (links) => links.map((link) => link.getAttribute("href")));
      bench.ok(paths.length >= 11, `pages: ${paths.join(" ")}`);
      paths.push(`/events/${event.id}`, "/nothing/here", "/setup#wrong");
    }
    for (const path of paths) {
      await page.setViewportSize({ width: 1280, height: 860 });
      await visitor.open(path);
      const at = `${path} ${locale}`;
      bench.equal(await page.evaluate(() => document.documentElement.lang), locale.slice(0, 2), at);
      const heading = await page.innerText("h1");
      if (locale === "ja-JP" && !path.startsWith("/events/")) bench.ok(JAPANESE.test(heading), `${at}: ${heading}`);
      bench.ok((await page.title()).endsWith("monban"), at);
      bench.equal(await faint(page), [], `${at}: contrast`);
      bench.equal(await stickingOut(page), [], `${at}: sticks out`);
      await page.setViewportSize({ width: 360, height: 760 });
      bench.equal(await stickingOut(page), [], `${at}: sticks out at 360`);
      const { wanted, missed, hidden } = await byKeyboard(page);
      bench.ok(wanted > 2, `${at}: ${wanted} things to use`);
      bench.equal(missed, [], `${at}: not reached by Tab`);
      bench.equal(hidden, [], `${at}: has the focus unseen`);
    }
    // the same without a session
    await page.setViewportSize({ width: 360, height: 760 });
    await visitor.context.clearCookies();
    await visitor.open("/");
    bench.equal(new URL(page.url()).pathname, "/signin");
    bench.equal(await stickingOut(page), [], `signin ${locale}`);
    bench.equal(await faint(page), [], `signin ${locale}`);
    bench.equal((await byKeyboard(page)).missed, [], `signin ${locale}`);
  }
};
