// Matches are marked in the bytes as sent: in queries, forms, JSON, multipart, headers and cookies.
const SCRIPT = "<script>alert(1)</script>";

export default async (bench) => {
  const visitor = await bench.owner();
  const { page } = visitor;
  const boundary = "b0undary";
  const REQUESTS = [
    { path: `/a?q=${encodeURIComponent(SCRIPT)}`, marked: /^%3Cscript/ },
    { path: `/b?q=%253Cscript%253Ealert(1)`, marked: /^%253Cscript/ },
    {
      path: "/c",
      method: "POST",
      headers: { "Content-Type": "application/x-www-form-urlencoded" },
      body: `a=1&q=${encodeURIComponent(SCRIPT).replaceAll("%20", "+")}`,
      marked: /^%3Cscript/,
    },
    {
      path: "/d",
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: `{"list":[{"q":"\\u003cscript\\u003ealert(1)"}]}`,
      marked: /^\\u003cscript/,
    },
    {
      path: "/e",
      method: "POST",
      headers: { "Content-Type": `multipart/form-data; boundary=${boundary}` },
      body: `--${boundary}\r\nContent-Disposition: form-data; name="q"\r\n\r\n${SCRIPT}\r\n--${boundary}--\r\n`,
      marked: /^<script/,
    },
    { path: "/f", headers: { "User-Agent": SCRIPT }, marked: /^<script/ },
    { path: "/g", headers: { Referer: `http://x/?${SCRIPT}` }, marked: /^<script/ },
  ];
  for (const { path, method, headers, body } of REQUESTS) await bench.attack(path, { method, headers, body });
  const events = await visitor.events(REQUESTS.length);
  for (const [index, { path, marked }] of REQUESTS.entries()) {
    const event = events.find(({ evidence }) => evidence.request.line.startsWith?.(`${REQUESTS[index].method ?? "GET"} ${path.split("?")[0]}`));
    await visitor.open(`/events/${event.id}`);
    // the rule whose pattern is a script tag
    const match = page.locator(".match-choice", { hasText: "941110" }).first();
    await match.click();
    const text = (await page.locator("mark.chosen").allInnerTexts()).join("");
    bench.ok(marked.test(text), `${path}: ${text}`);
    await page.keyboard.press("v");
    bench.ok((await page.locator(".bytes.hex mark.chosen").count()) > 0, `${path}: in hex`);
    await page.keyboard.press("v");
    const decoded = (await page.locator("mark.chosen").allInnerTexts()).join("");
    bench.ok(decoded.includes("<script") || decoded.includes("%3Cscript"), `${path}: decoded ${decoded}`);
    // every matching rule of the Core Rule Set can be read
    await page.locator(".match-line", { hasText: "941110" }).first().getByRole("button", { name: "Show rule" }).click();
    await page.locator(".rule-text .rule-code", { hasText: "941110" }).waitFor();
    bench.ok(/REQUEST-941-.*\.conf:\d+/.test(await visitor.text(".rule-text")), "file and line");
  }

  // the copied command sends the same request
  await visitor.context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await page.locator("h1").click();
  await page.keyboard.press("c");
  await page.locator(".toast").waitFor();
  const command = await page.evaluate(() => navigator.clipboard.readText());
  const { execFileSync } = await import("node:child_process");
  const status = execFileSync("bash", ["-c", `${command} -s -o /dev/null -w '%{http_code}'`], { encoding: "utf8" });
  bench.ok(status.endsWith("403"), `${command}: ${status}`);
  const again = await visitor.events(REQUESTS.length + 1);
  const lines = again.map(({ evidence }) => JSON.stringify([evidence.request.line, evidence.request.body ?? null]));
  bench.equal(lines[0], lines[1], "the same line and body");
};
