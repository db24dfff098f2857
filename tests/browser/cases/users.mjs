// Users: an invitation is accepted, a viewer sees and may only what viewers may, a role changes, somebody is removed; the audit
// trail tells of all that.
export default async (bench) => {
  const owner = await bench.owner();
  const { page } = owner;
  await owner.open("/users");
  await page.click("text=Invite somebody");
  await page.fill("dialog [name=user]", "sora");
  await page.click("dialog >> text=Make the link");
  await page.waitForSelector("dialog .secret code");
  const link = await page.innerText("dialog .secret code");
  bench.ok(link.includes("/setup#"), link);
  await page.locator("dialog .button.primary").click();
  await page.locator("td", { hasText: "invited" }).waitFor();

  const sora = { user: "sora", password: "another long sentence" };
  const viewer = await bench.visitor({ locale: "ja-JP" });
  await viewer.setUp(link, sora);
  const links = await viewer.page.$$eval("nav a[href]", (all) => all.map((one) => one.getAttribute("href")));
  bench.ok(links.includes("/events") && !links.includes("/users") && !links.includes("/audit"), links.join(" "));
  await viewer.open("/users");
  bench.equal(await viewer.page.innerText("h1"), "ページが見つかりません");
  viewer.expect(" 403 ");
  for (const [method, path, body] of [
    ["GET", "/api/users", undefined],
    ["GET", "/api/audit", undefined],
    ["POST", "/api/users", { user: "eve", role: "owner" }],
    ["PATCH", "/api/users/sora", { role: "owner" }],
  ]) {
    bench.equal((await viewer.api(method, path, body)).status, 403, `${method} ${path}`);
  }

  await owner.open("/users");
  await page.selectOption("[aria-label='Role: sora']", "analyst");
  await page.waitForSelector(".toast");
  await viewer.open("/notices");
  bench.equal((await viewer.api("GET", "/api/session")).body.role, "analyst");

  await page.click("[aria-label='Remove: sora']");
  await page.locator("dialog .button.danger").click();
  await page.locator("td", { hasText: "sora" }).waitFor({ state: "detached" });
  viewer.expect(" 401 ");
  await viewer.page.goto(`${bench.console}/events`);
  await viewer.page.waitForURL("**/signin?next=*");
  bench.equal(new URL(viewer.page.url()).pathname, "/signin", "who is removed is out at once");

  await owner.open("/audit");
  const trail = await owner.text("table");
  for (const word of ["user invited", "role changed", "user removed", "sora"]) {
    bench.ok(trail.includes(word), `${word}: ${trail}`);
  }
  // every word of the trail has a text, in both languages
  bench.equal(/\b[a-z]+_[a-z_]+\b/.exec(trail)?.[0] ?? null, null);
};
