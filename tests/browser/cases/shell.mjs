// The shell: shortcuts and their help, language and theme, phone width, unknown addresses, back and forward.
export default async (bench) => {
  const visitor = await bench.owner();
  const { page } = visitor;
  const at = () => new URL(page.url()).pathname;

  // a page focuses its heading shortly after it renders, so clear the focus first
  const blur = () => page.evaluate(() => document.activeElement?.blur());
  const headingIsFocused = () => page.waitForFunction(() => document.activeElement?.tagName === "H1");
  for (const [keys, path] of [
    ["g e", "/events"],
    ["g l", "/live"],
    ["g i", "/incidents"],
    ["g t", "/tuning"],
    ["g n", "/notices"],
    ["g a", "/account"],
    ["g u", "/users"],
    ["g o", "/"],
  ]) {
    await blur();
    for (const key of keys.split(" ")) await page.keyboard.press(key);
    await page.waitForFunction((wanted) => location.pathname === wanted, path);
    await visitor.settled();
    bench.equal(at(), path, keys);
    bench.equal(await page.getAttribute(`nav a[href="${path}"]`, "aria-current"), "page", path);
    await headingIsFocused();
  }
  await blur();
  await page.goBack();
  await page.waitForFunction(() => location.pathname === "/users");
  await headingIsFocused();
  await blur();
  await page.goForward();
  await page.waitForFunction(() => location.pathname === "/");
  await headingIsFocused();

  // the help disables shortcuts while it is open; Escape closes it and returns the focus
  await page.focus("nav a[href='/events']");
  await page.keyboard.press("?");
  await page.waitForSelector("dialog[open]");
  const help = await visitor.text("dialog");
  for (const word of ["Events", "Overview", "g", "?"]) bench.ok(help.includes(word), `help tells of ${word}`);
  await page.keyboard.press("g");
  await page.keyboard.press("e");
  bench.equal(at(), "/");
  await page.keyboard.press("Escape");
  await page.waitForSelector("dialog", { state: "detached" });
  await page.waitForFunction(() => document.activeElement?.getAttribute("href") === "/events");

  // disabled single-key shortcuts stay disabled
  await page.keyboard.press("?");
  await page.click("dialog >> text=Enable single-key shortcuts");
  await page.keyboard.press("Escape");
  await page.reload();
  await visitor.settled();
  await page.keyboard.press("g");
  await page.keyboard.press("e");
  bench.equal(at(), "/", "turned off");
  await page.evaluate(() => localStorage.removeItem("monban.keys"));

  // the skip link
  await page.reload();
  await visitor.settled();
  await page.evaluate(() => document.activeElement?.blur());
  await page.keyboard.press("Tab");
  await page.waitForFunction(() => document.activeElement?.className === "skip");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.activeElement?.id === "main");

  // this browser remembers language and theme
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await background();
  await page.selectOption("nav [aria-label=Theme]", "dark");
  bench.ok((await background()) !== light, "dark");
  await page.selectOption("nav [aria-label=Language]", "ja");
  await page.waitForFunction(() => document.documentElement.lang === "ja");
  bench.equal(await page.innerText("h1"), "概要");
  await page.reload();
  await visitor.settled();
  bench.equal(await page.innerText("h1"), "概要");
  bench.ok((await background()) !== light, "dark after loading anew");
  bench.equal(await page.evaluate(() => document.documentElement.lang), "ja");
  await page.selectOption("nav [aria-label=言語]", "en");
  await page.waitForFunction(() => document.documentElement.lang === "en");
  await page.selectOption("nav [aria-label=Theme]", "system");
  bench.equal(await background(), light);

  await visitor.open("/no/such/page");
  bench.equal(await page.innerText("h1"), "Page not found");

  // at phone width the menu is behind a button
  await page.setViewportSize({ width: 360, height: 700 });
  bench.equal(await page.isVisible("nav a[href='/events']"), false);
  await page.click("text=Menu");
  bench.equal(await page.getAttribute(".menu-button", "aria-expanded"), "true");
  await page.click("nav a[href='/events']");
  await page.waitForFunction(() => location.pathname === "/events");
  await page.waitForSelector("nav a[href='/events']", { state: "hidden" });
  bench.equal(await page.isVisible("nav a[href='/events']"), false, "it closes when a page is chosen");
};
