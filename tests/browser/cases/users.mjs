// Users: an invitation is accepted, a viewer has only a viewer's permissions, a role changes, a user is removed; the audit log
// lists all changes.
export default async (bench) => {
  const owner = await bench.owner();
  const { page } = owner;
  await owner.open("/users");
  await page.click("text=Invite user");
  // the first field has the focus, and Enter sends
  await page.waitForFunction(() => document.activeElement?.getAttribute("name") === "user");
  await page.keyboard.type("sora");
  await page.keyboard.press("Enter");
  await page.waitForSelector("dialog .secret code");
  const link = await page.innerText("dialog .secret code");
  bench.ok(link.includes("/setup#"), link);
  await page.waitForFunction(() => document.activeElement?.closest("dialog .actions"));
  await page.locator("dialog .button.primary").click();
  await page.locator("td", { hasText: "invited" }).waitFor();

  const sora = { user: "sora", password: "another long sentence" };
  const viewer = await bench.visitor({ locale: "ja-JP" });
  await viewer.open(`/setup${new URL(link).hash}`);
  bench.equal(await viewer.page.inputValue("[name=username]"), "sora", "an invitation says for whom it is");
  bench.ok(await viewer.page.evaluate(() => document.querySelector("[name=username]").readOnly));
  await viewer.setUp(link, sora);
  const links = await viewer.page.$$eval("nav a[href]", (all) => all.map((one) => one.getAttribute("href")));
  bench.ok(links.includes("/events") && !links.includes("/users") && !links.includes("/audit"), links.join(" "));
  for (const [path, title] of [
    ["/users", "ユーザー"],
    ["/audit", "監査ログ"],
  ]) {
    await viewer.open(path);
    bench.equal(await viewer.page.innerText("h1"), title);
    const told = await viewer.text("main");
    bench.ok(told.includes("開けるのはオーナーだけです") && told.includes("あなたの役割は閲覧者です"), told);
  }
  viewer.expect(" 403 ");
  for (const [method, path, body] of [
    ["GET", "/api/users", undefined],
    ["GET", "/api/audit", undefined],
    ["POST", "/api/users", { user: "eve", role: "owner" }],
    ["PATCH", "/api/users/sora", { role: "owner" }],
  ]) {
    bench.equal((await viewer.api(method, path, body)).status, 403, `${method} ${path}`);
  }

  // a reset lists the tokens that it ends
  const made = await viewer.api("POST", "/api/account/tokens", { name: "night backup", scopes: ["read"] });
  const reset = (await owner.api("POST", "/api/users/sora/reset")).body.link;
  const again = await bench.visitor();
  await again.open(`/setup${new URL(reset).hash}`);
  bench.ok((await again.text("main")).includes("night backup"), "the token is named");
  await again.setUp(reset, sora);
  const bearer = { Authorization: `Bearer ${made.body.token}` };
  const withToken = await fetch(`${bench.console}/api/events`, { headers: bearer });
  bench.equal(withToken.status, 401, "the token has ended");
  await viewer.signIn(sora);

  await owner.open("/users");
  await page.selectOption("[aria-label='Role: sora']", "analyst");
  await page.locator("dialog .button.danger").click();
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

  for (let tries = 0; tries < 2; tries++) {
    const body = JSON.stringify({ user: "nobody", password: "wrong horse battery" });
    await fetch(`${bench.console}/api/session`, { method: "POST", headers: { "Content-Type": "application/json" }, body });
  }
  await owner.open("/audit");
  bench.ok((await owner.text("table")).includes("× 2, last "), "refusals of one kind are one entry");
  const trail = await owner.text("table");
  for (const word of ["user invited", "role changed", "user removed", "token removed", "sora"]) {
    bench.ok(trail.includes(word), `${word}: ${trail}`);
  }
  // every word of the log is translated
  bench.equal(/\b[a-z]+_[a-z_]+\b/.exec(trail)?.[0] ?? null, null);
};
