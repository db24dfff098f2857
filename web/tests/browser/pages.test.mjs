// The pages of events, incidents, the live tail and tuning, over an API that answers as it is told.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { event, SESSION, startApi } from "./api.fixture.mjs";

/** Markup that runs where it is taken for markup, and characters that are obeyed where they are not escaped. */
const MARKUP = `"'><img src=x onerror=window.ran=1><script>window.ran=1</script><svg/onload=window.ran=1>`;
const HIDDEN = "\u202e\u2066\u200b\u001b[31m\u001b]0;x\u0007\u0000\u0085\u2028\ufeff";
const SHOWN = "\\u{202e}\\u{2066}\\u{200b}\\x1b[31m\\x1b]0;x\\x07\\x00\\x85\\u{2028}\\u{feff}";

let browser;
before(async () => {
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox"],
  });
});
after(() => browser?.close());

/** Opens a page of the API; fails the test afterwards if anything ran, was blocked by the policy, or threw. */
async function withPage(routes, options, run) {
  const api = await startApi({
    "GET /api/session": SESSION,
    "GET /api/filters": { filters: [] },
    "GET /api/count": { count: 0, complete: true, next: null, searched_to: null },
    ...routes,
  });
  const context = await browser.newContext({
    locale: "en-GB",
    viewport: { width: 1280, height: 900 },
    permissions: ["clipboard-read", "clipboard-write"],
    ...options,
  });
  const page = await context.newPage();
  const faults = [];
  page.on("pageerror", (error) => faults.push(`error: ${error.message}`));
  page.on("dialog", (dialog) => (faults.push(`dialog: ${dialog.message()}`), dialog.dismiss()));
  page.on("console", (message) => /Content Security Policy/.test(message.text()) && faults.push(message.text()));
  page.on("request", (request) => {
    if (!request.url().startsWith(api.address)) faults.push(`asked ${request.url()}`);
  });
  try {
    await run(page, api);
    faults.push(...(await page.evaluate(() => (window.ran ? ["a script ran"] : []))));
    const wider = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    if (wider > 0) faults.push(`${wider} pixels wider than the window`);
    assert.deepEqual(faults, []);
  } finally {
    await context.close();
    await api.stop();
  }
}

const rows = (page) => page.locator(".event-row");
const list = (count, change) => Array.from({ length: count }, () => event(change));

test("events: rows, keys, older ones, searched up to, count that goes on", async () => {
  const first = list(3);
  const second = list(2);
  const routes = {
    "GET /api/events": (url) =>
      url.searchParams.get("before")
        ? { events: second, next: null, searched_to: null }
        : { events: first, next: first[2].id, searched_to: "2026-11-24T08:00:00Z" },
    "GET /api/count": (url) =>
      url.searchParams.get("before")
        ? { count: 20, complete: true, next: null, searched_to: null }
        : { count: 1000, complete: false, next: "01M86FYNWH4TW6000006YA3X7R", searched_to: "2026-11-24T08:00:00Z" },
    "GET /api/events/*": () => first[1],
  };
  await withPage(routes, {}, async (page, api) => {
    await page.goto(`${api.address}/events`);
    await page.getByText("1,020 events").waitFor();
    assert.equal(await rows(page).count(), 3);
    await page.getByText("Searched back to").waitFor();
    await page.keyboard.press("j");
    await page.keyboard.press("j");
    assert.equal(await page.locator(".event-row.selected").getAttribute("data-id"), first[1].id);
    await page.keyboard.press("k");
    assert.equal(await page.locator(".event-row.selected").getAttribute("data-id"), first[0].id);
    await page.getByRole("button", { name: "Go on searching" }).click();
    await page.getByText("That is all.").waitFor();
    assert.equal(await rows(page).count(), 5);
    const asked = api.asked.filter(({ key }) => key === "GET /api/events").map(({ query }) => query);
    assert.deepEqual(asked, ["limit=50", `limit=50&before=${first[2].id}`]);
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await page.waitForURL(`${api.address}/events/${first[1].id}`);
  });
});

test("events: the query is typed, completed, faulty, clicked, inverted, shared, saved", async () => {
  const saved = [];
  const routes = {
    "GET /api/events": { events: list(2), next: null, searched_to: null },
    "GET /api/filters": () => ({ filters: saved }),
    "POST /api/filters": (_, body) => (saved.push({ id: "f1", owner: "ada", ...body }), { id: "f1" }),
    "DELETE /api/filters/f1": () => (saved.splice(0), { status: 204 }),
  };
  await withPage(routes, {}, async (page, api) => {
    await page.goto(`${api.address}/events`);
    await rows(page).first().waitFor();
    await page.keyboard.press("/");
    await page.keyboard.type("acti");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await page.keyboard.type("!pas");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    const input = page.getByRole("combobox", { name: "Query" });
    assert.equal(await input.inputValue(), "action=!passed ");
    await page.keyboard.type("status=99");
    await page.keyboard.press("Enter");
    await page.getByText("neither a status such as 403").waitFor();
    const selected = await input.evaluate((one) => one.value.slice(one.selectionStart, one.selectionEnd));
    assert.equal(selected, "99");
    await page.keyboard.type("403");
    await page.keyboard.press("Enter");
    await page.waitForURL("**/events?action=%21passed&status=403");
    // clicked together
    await page.locator(".event-client .filtering").first().click();
    await page.waitForURL("**/events?action=%21passed&status=403&client=203.0.113.7");
    await page.locator(".event-site .filtering").first().click({ modifiers: ["Alt"] });
    await page.waitForURL("**&site=%21shop");
    assert.equal(await input.inputValue(), "action=!passed status=403 client=203.0.113.7 site=!shop");
    // inverted and taken away
    await page.locator(".chip").first().getByRole("button").first().click();
    await page.waitForURL("**/events?action=passed&status=403*");
    await page.getByRole("button", { name: "Remove the condition on status" }).click();
    await page.waitForURL("**/events?action=passed&client=203.0.113.7&site=%21shop");
    await page.getByRole("button", { name: "Copy link" }).click();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), page.url());
    // saved
    await page.getByRole("button", { name: "Saved queries" }).click();
    await page.getByLabel("Save this query as").fill("mine");
    await page.getByLabel("for everybody").check();
    await page.getByRole("button", { name: "Save", exact: true }).click();
    await page.locator(".saved-choice").waitFor();
    assert.deepEqual(saved, [
      { id: "f1", owner: "ada", name: "mine", query: "action=passed&client=203.0.113.7&site=%21shop", shared: true },
    ]);
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Remove all" }).click();
    await page.waitForURL("**/events");
    await page.getByRole("button", { name: "Saved queries" }).click();
    await page.locator(".saved-choice").click();
    await page.waitForURL("**/events?action=passed&client=203.0.113.7&site=%21shop");
    await page.getByRole("button", { name: "Saved queries" }).click();
    await page.getByRole("button", { name: "Remove the saved query" }).click();
    await page.getByText("No query is saved yet.").waitFor();
    // back goes back through queries
    await page.goBack();
    await page.waitForURL("**/events");
  });
});

test("events: what a link asks for in vain is said", async () => {
  const routes = { "GET /api/events": { events: [], next: null, searched_to: null } };
  await withPage(routes, {}, async (page, api) => {
    await page.goto(`${api.address}/events?site=shop&colour=${encodeURIComponent(MARKUP + HIDDEN)}`);
    await page.getByText("can't be searched").waitFor();
    assert.ok((await page.locator(".query-errors").innerText()).includes(`colour=${MARKUP}${SHOWN}`));
    await page.getByText("No event fits.").waitFor();
  });
});

test("events: an API that fails is said, and asked again", async () => {
  let fails = true;
  const routes = {
    "GET /api/events": () =>
      fails ? { status: 503, body: { error: "the store is locked" } } : { events: list(1), next: null, searched_to: null },
  };
  await withPage(routes, {}, async (page, api) => {
    await page.goto(`${api.address}/events`);
    await page.getByText("the store is locked").waitFor();
    fails = false;
    await page.getByRole("button", { name: "Try again" }).click();
    await rows(page).first().waitFor();
  });
});

const RULE = {
  id: 941110,
  text: `SecRule ARGS "@rx <script" \\\n    "id:941110,phase:2"`,
  comment: "Script tag vector",
  file: "/usr/share/rules/941.conf",
  line: 82,
  message: "m",
  tags: ["attack-xss"],
  severity: "critical",
  phase: 2,
  disabled_by: [],
};

test("event: matches in text, hex and decoded; rule; curl; neighbours; keys", async () => {
  const older = list(2);
  const one = event({}, { line: "GET /search?name=%22%3E%3Cscript%3Ealert(1) HTTP/1.1" });
  const newer = list(6);
  for (const rule of one.evidence.request.rules) if (rule.value !== "10") rule.value = '"><script>alert(1)';
  const routes = {
    // nothing within a second after it
    "GET /api/events": ({ searchParams }) => {
      const span = Date.parse(searchParams.get("until")) - Date.parse(one.time);
      const found = searchParams.get("before") === one.id ? older : span > 2_000 ? [...newer, one] : [one];
      return { events: found.toSorted((a, b) => (a.id < b.id ? 1 : -1)), next: null, searched_to: null };
    },
    "GET /api/events/*": one,
    "GET /api/rules/941110": RULE,
  };
  await withPage(routes, {}, async (page, api) => {
    await page.goto(`${api.address}/events/${one.id}`);
    await page.locator(".match-choice").nth(1).click();
    const chosen = async () => (await page.locator("mark.chosen").allInnerTexts()).join("");
    assert.equal(await chosen(), "%3Cscript%3E");
    await page.keyboard.press("v");
    // twelve bytes in two rows
    assert.deepEqual(await page.locator("mark.chosen").allInnerTexts(), [
      "25  33 43 73 63 72 69 70 74",
      "%3Cscript",
      "25 33 45",
      "%3E",
    ]);
    await page.keyboard.press("v");
    assert.equal(await chosen(), "<script>");
    await page.keyboard.press("k");
    assert.equal(await page.locator(".match-line.selected .match-rule").innerText(), "941100");
    await page.getByRole("button", { name: "Rule" }).nth(1).click();
    await page.getByText("/usr/share/rules/941.conf:82").waitFor();
    await page.getByText("Script tag vector", { exact: true }).waitFor();
    await page.keyboard.press("c");
    await page.getByText("Copied").waitFor();
    const command = await page.evaluate(() => navigator.clipboard.readText());
    assert.ok(command.startsWith("curl -i -g --path-as-is -H 'Host: shop.example'"), command);
    assert.ok(command.endsWith("'http://shop.example/search?name=%22%3E%3Cscript%3Ealert(1)'"), command);
    await page.getByText("The threshold is 5: reached.").waitFor();
    await page.getByText("Computed by rules, not sent.").waitFor();
    const near = page.locator("section.panel", { hasText: "Same client" }).locator(".event-row");
    const nearest = [...older, one, ...newer.slice(0, 5)].map(({ id }) => id).toReversed();
    await near.nth(7).waitFor();
    assert.deepEqual(await near.evaluateAll((rows) => rows.map((row) => row.dataset.id)), nearest);
    assert.equal(await page.locator(".event-row.here").first().getAttribute("data-id"), one.id);
    const asked = api.asked.find(({ query }) => query.startsWith("client="));
    assert.match(asked.query, new RegExp(`^client=203\\.0\\.113\\.7&since=.*&until=.*&before=${one.id}&limit=5$`));
    await page.locator("summary", { hasText: "JSON" }).click();
    assert.ok((await page.locator("details pre").innerText()).includes(`"id": "${one.id}"`));
  });
});

const WIDTHS = ["narrowest", "parameter", "path", "site"];

/** What an event suggests: two rules, each in every width. */
function proposals() {
  const of = (rule, width) => ({
    rule,
    message: `message ${rule}`,
    variable: "ARGS:name",
    width,
    path_match: "exact",
    seclang: `SecRule of ${rule} ${width}`,
    scope: {
      site: "shop",
      path: width === "narrowest" || width === "path" ? "/search" : null,
      parameter: width === "narrowest" || width === "parameter" ? "ARGS:name" : null,
    },
  });
  return { proposals: WIDTHS.flatMap((width) => [of(941100, width), of(941110, width)]), blocking_rule: 949110 };
}

const REPLAY = {
  id: "r1",
  state: "done",
  done: 3,
  total: 3,
  now_pass: [],
  now_pass_count: 2,
  slips_through: [],
  slips_through_count: 0,
  still_blocked: 1,
  newly_blocked: [],
  newly_blocked_count: 0,
  still_pass: 0,
  sample_of_passed: 9,
  changed: 0,
  not_replayed: { truncated: 0, without_rules: 0, not_reproduced: 0 },
};

test("exclusion: proposed, replayed and applied with two clicks from the event; refusals in words", async () => {
  const one = event();
  const attack = event();
  const posted = [];
  let answer;
  const replays = [
    { ...REPLAY, state: "running", done: 1 },
    {
      ...REPLAY,
      slips_through: [
        { event: attack.id, request: `GET /${MARKUP}`, score_before: 15, score_after: 0, attack: true, signs: ["942100"] },
      ],
      slips_through_count: 1,
    },
  ];
  const routes = {
    "GET /api/events": { events: [], next: null, searched_to: null },
    [`GET /api/events/${one.id}`]: one,
    [`GET /api/events/${one.id}/exclusions`]: proposals(),
    "POST /api/replays": { status: 202, body: { id: "r1" } },
    "GET /api/replays/r1": () => replays.shift() ?? REPLAY,
    "GET /api/exclusions": { version: "v1", exclusions: [], problems: [] },
    "POST /api/exclusions": (_, body) => {
      posted.push(body);
      return answer ?? { status: 201, body: { version: `v${posted.length + 1}`, exclusion: {} } };
    },
  };
  await withPage(routes, {}, async (page, api) => {
    await page.goto(`${api.address}/events/${one.id}`);
    await page.getByRole("button", { name: "Exclude …" }).click();
    // the replay of the narrowest began by itself
    await page.getByText("1 attack would slip through").waitFor();
    assert.deepEqual(api.asked.find(({ key }) => key === "POST /api/replays").body, {
      add: [941100, 941110].map((rule) => ({
        rule,
        path_match: "exact",
        site: "shop",
        path: "/search",
        parameter: "ARGS:name",
      })),
    });
    assert.ok((await page.locator(".replay").innerText()).includes(`GET /${MARKUP}`));
    assert.equal(await page.locator(".replay a").getAttribute("href"), `/events/${attack.id}`);
    assert.ok((await page.locator(".seclang").innerText()).includes("SecRule of 941110 narrowest"));
    // somebody else was faster
    answer = { status: 409, body: { error: "the version is v9", version: "v9" } };
    await page.getByRole("button", { name: "Apply" }).click();
    await page.getByText("Somebody else changed the exclusions").waitFor();
    answer = { status: 422, body: { error: `the rules do not load: ${MARKUP}` } };
    await page.getByRole("button", { name: "Apply" }).click();
    await page.getByText(`Not applied: the rules do not load: ${MARKUP}`).waitFor();
    answer = undefined;
    posted.splice(0);
    await page.getByRole("radio", { name: "This path The rules" }).click();
    await page.getByText("2 stored events would now pass").waitFor();
    await page.getByRole("checkbox").nth(1).uncheck();
    await page.getByLabel("Reason").fill("our editor");
    await page.getByLabel("Ends").selectOption("30");
    await page.getByRole("button", { name: "Apply" }).click();
    await page.getByText("1 exclusion is in force").waitFor();
    assert.deepEqual(posted, [
      {
        version: "v1",
        rule: 941100,
        path_match: "exact",
        site: "shop",
        path: "/search",
        reason: "our editor",
        event: one.id,
        expires_days: 30,
      },
    ]);
    // all of them, one version after the other, by keys alone
    posted.splice(0);
    await page.keyboard.press("x");
    await page.getByRole("button", { name: "Apply" }).waitFor();
    await page.getByLabel("Reason").press("Enter");
    await page.getByText("2 exclusions are in force").waitFor();
    assert.deepEqual(posted.map(({ version, rule }) => [version, rule]), [
      ["v1", 941100],
      ["v2", 941110],
    ]);
  });
});

test("a viewer is offered no change", async () => {
  const one = event();
  const routes = {
    "GET /api/session": { ...SESSION, role: "viewer" },
    "GET /api/events": { events: [], next: null, searched_to: null },
    "GET /api/events/*": one,
    "GET /api/exclusions": { version: "v1", exclusions: [EXCLUSION], problems: [] },
    "GET /api/history": { changes: [CHANGE] },
    "GET /api/learning": { sites: [{ site: "shop", mode: "learning", since: null, requests: 1, proposals: 0 }] },
    "GET /api/learning/shop/proposals": { proposals: [] },
  };
  await withPage(routes, {}, async (page, api) => {
    await page.goto(`${api.address}/events/${one.id}`);
    await page.locator(".match-choice").first().waitFor();
    await page.keyboard.press("x");
    assert.equal(await page.locator("dialog, button:has-text('Exclude')").count(), 0);
    for (const [path, shown] of [
      ["/tuning", ".exclusion"],
      ["/history", ".change"],
      ["/learning", "section.panel"],
    ]) {
      await page.goto(api.address + path);
      await page.locator(shown).first().waitFor();
      const names = await page.locator("main button").allInnerTexts();
      assert.deepEqual(names.filter((name) => /exclusion|Edit|Remove|Undo|Block|learn|Accept/.test(name)), [], path);
    }
  });
});

test("live: events as they come, pause, the newest 500, missed ones, reconnection, refusal", async () => {
  await withPage({}, {}, async (page, api) => {
    await page.goto(`${api.address}/live?site=shop`);
    await page.getByText("connected", { exact: true }).waitFor();
    assert.equal(api.asked.find(({ key }) => key === "GET /api/live").query, "site=shop");
    const [older, newer] = [event(), event()];
    api.push("event", older);
    api.push("event", newer);
    await rows(page).nth(1).waitFor();
    assert.equal(await rows(page).first().getAttribute("data-id"), newer.id);
    await page.keyboard.press("p");
    for (const one of list(3)) api.push("event", one);
    await page.getByRole("button", { name: "Go on (3 held)" }).click();
    await rows(page).nth(4).waitFor();
    for (const one of list(600)) api.push("event", one);
    const last = event();
    api.push("event", last);
    await page.waitForFunction((id) => document.querySelector(".event-row")?.dataset.id === id, last.id);
    assert.equal(await rows(page).count(), 500);
    await page.keyboard.press("p");
    for (const one of list(510)) api.push("event", one);
    await page.getByText("Only the newest 500 are held").waitFor();
    api.push("missed", { count: 1234 });
    await page.getByText("1,234 events came too fast").waitFor();
    api.cut();
    await page.getByText("connection lost, trying again").waitFor();
    await page.getByText("connected", { exact: true }).waitFor();
    // an event that is sent once more after a reconnection is shown once
    await page.keyboard.press("p");
    api.push("event", last);
    const next = event();
    api.push("event", next);
    await page.waitForFunction((id) => document.querySelector(".event-row")?.dataset.id === id, next.id);
    api.routes["GET /api/live"] = 400;
    api.cut();
    await page.getByText("monban ended the connection").waitFor();
  });
});

test("live: leaving the page closes its connection", async () => {
  await withPage({ "GET /api/events": { events: [], next: null, searched_to: null } }, {}, async (page, api) => {
    await page.goto(`${api.address}/live`);
    await page.getByText("connected", { exact: true }).waitFor();
    await page.keyboard.press("g");
    await page.keyboard.press("e");
    await page.waitForURL("**/events");
    for (let tries = 0; api.tails() > 0 && tries < 100; tries += 1) await new Promise((done) => setTimeout(done, 50));
    assert.equal(api.tails(), 0);
  });
});

const INCIDENT = {
  id: "i1",
  client: "203.0.113.7",
  target: "shop /login",
  kind: "attack-sqli",
  first: "2026-11-24T08:00:00Z",
  last: "2026-11-24T09:00:00Z",
  events: 10000,
  blocked: 9999,
  highest_score: 45,
  rules: [{ id: 942100, count: 9000 }],
  course: Array.from({ length: 32 }, (_, at) => at),
  filter: "client=203.0.113.7&site=shop",
};

test("incidents: a scan is one line with its course; it expands, and leads to its events", async () => {
  const routes = {
    "GET /api/incidents": { incidents: [INCIDENT, { ...INCIDENT, id: "i2", blocked: 10000 }], next: null, complete: false },
    "GET /api/events": { events: [], next: null, searched_to: null },
  };
  await withPage(routes, {}, async (page, api) => {
    await page.goto(`${api.address}/incidents`);
    const line = page.locator(".incident-line").first();
    await line.waitFor();
    const text = await line.innerText();
    for (const part of ["SQL injection", "203.0.113.7", "shop /login", "10,000", "1 not blocked"]) assert.ok(text.includes(part), text);
    assert.equal(await line.locator("svg rect").count(), 32);
    const heights = await line.locator("svg rect").evaluateAll((bars) => bars.map((bar) => Number(bar.getAttribute("height"))));
    assert.ok(heights[31] === 20 && heights[0] === 0 && heights[1] === 2, String(heights));
    await page.getByText("Older events are still being grouped.").waitFor();
    await page.keyboard.press("j");
    await page.keyboard.press("o");
    await page.getByText("942100 × 9,000").waitFor();
    await page.getByLabel("Time", { exact: true }).selectOption("24h");
    await page.waitForURL("**/incidents?span=24h");
    await page.locator("h1").click();
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await page.waitForURL(/\/events\?client=203\.0\.113\.7&site=shop$/);
  });
});

const EXCLUSION = {
  id: 10000,
  rule: 941100,
  site: "shop",
  path: "/search",
  path_match: "exact",
  parameter: "ARGS:name",
  reason: "our editor",
  author: "bob",
  created: "2026-11-20T08:00:00Z",
  expires: "2036-11-20T08:00:00Z",
  seclang: "SecRule REQUEST_FILENAME",
  file: "exclusions.conf",
  line: 7,
  event: "01M86FYNWH4TW6000006YA3X7R",
};

const CHANGE = {
  number: 3,
  time: "2026-11-20T08:00:00Z",
  author: "bob",
  what: "added 10000",
  reason: "our editor",
  undoes: null,
  undone_by: null,
  diff: "+SecRule new\n-SecRule old\n",
};

test("tuning: list, edit with preview and replay, conflict, removal, another rule set", async () => {
  const posted = [];
  let conflict = true;
  const routes = {
    "GET /api/exclusions": { version: "v1", exclusions: [EXCLUSION], problems: [{ line: 3, message: `odd ${MARKUP}` }] },
    "POST /api/exclusions/preview": (_, body) =>
      body.rule === 949110 ? { seclang: "", refused: "without it nothing would be blocked at all" } : { seclang: `text of ${body.path}` },
    "POST /api/exclusions": (_, body) => {
      posted.push(body);
      return conflict ? { status: 409, body: { error: "x", version: "v2" } } : { status: 201, body: { version: "v2", exclusion: {} } };
    },
    "DELETE /api/exclusions/10000": (url) => (posted.push(url.search), { version: "v3" }),
    "POST /api/replays": { id: "r1" },
    "GET /api/replays/r1": REPLAY,
  };
  await withPage(routes, {}, async (page, api) => {
    await page.goto(`${api.address}/tuning`);
    await page.getByText("our editor").waitFor();
    assert.ok((await page.locator(".problem").innerText()).includes(`Line 3 of the file: odd ${MARKUP}`));
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await page.getByText("text of /search").waitFor();
    await page.getByLabel("Rule (id)").fill("949110");
    await page.getByText("without it nothing would be blocked at all").waitFor();
    assert.equal(await page.getByRole("button", { name: "Save", exact: true }).isDisabled(), true);
    await page.getByLabel("Rule (id)").fill("941110");
    await page.getByLabel("Path", { exact: true }).fill("/search/");
    await page.getByLabel("The path is").selectOption("prefix");
    await page.getByText("text of /search/").waitFor();
    await page.getByRole("button", { name: "Replay" }).first().click();
    await page.getByText("2 stored events would now pass").waitFor();
    assert.deepEqual(api.asked.find(({ key }) => key === "POST /api/replays").body.remove, [10000]);
    await page.getByRole("button", { name: "Save", exact: true }).click();
    await page.getByText("Somebody else changed the exclusions").waitFor();
    conflict = false;
    posted.splice(0);
    await page.getByRole("button", { name: "Save", exact: true }).click();
    await page.getByText("The exclusion is in force").waitFor();
    assert.equal(posted[0].path_match, "prefix");
    assert.equal(posted[0].path, "/search/");
    assert.ok(posted[0].expires_days > 3000);
    // the old one goes after the new one stands
    assert.deepEqual(posted.slice(1), ["?version=v2"]);
    posted.splice(0);
    await page.locator(".exclusion").getByRole("button", { name: "Remove" }).click();
    await page.locator("dialog").getByRole("button", { name: "Remove" }).click();
    await page.getByText("The exclusion is removed").waitFor();
    assert.deepEqual(posted, ["?version=v1"]);
    await page.getByText("Try another rule set").click();
    await page.getByLabel(/Rule files/).fill("/srv/crs-4/*.conf\n");
    await page.locator("details").getByRole("button", { name: "Replay" }).click();
    await page.getByText("2 stored events would now pass").waitFor();
    assert.deepEqual(api.asked.filter(({ key }) => key === "POST /api/replays").at(-1).body, { rules: ["/srv/crs-4/*.conf"] });
  });
});

test("history: differences and undo", async () => {
  let undone;
  const routes = {
    "GET /api/history": () => ({ changes: [{ ...CHANGE, undone_by: undone ? 4 : null }] }),
    "GET /api/exclusions": { version: "v7", exclusions: [], problems: [] },
    "POST /api/history/3/undo": (_, body) => ((undone = body), { version: "v8" }),
  };
  await withPage(routes, {}, async (page, api) => {
    await page.goto(`${api.address}/history`);
    await page.getByText("added 10000").waitFor();
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    assert.equal((await page.locator(".diff .added").innerText()).trim(), "+SecRule new");
    await page.keyboard.press("u");
    await page.locator("dialog").getByRole("button", { name: "Undo" }).click();
    await page.getByText("undone by #4").waitFor();
    assert.deepEqual(undone, { version: "v7" });
  });
});

test("learning: modes, proposals by likelihood, accepted", async () => {
  const accepted = [];
  const modes = [];
  const of = (rule, likely) => ({
    rule,
    site: "shop",
    path: "/edit",
    path_match: "exact",
    parameter: "ARGS:text",
    message: "m",
    variable: "ARGS:text",
    clients: 30,
    events: 90,
    seclang: `SecRule ${rule}`,
    likely,
    why: "many clients, one parameter",
  });
  const routes = {
    "GET /api/learning": {
      sites: [{ site: "shop", mode: "learning", configured: "block", since: "2026-11-20T08:00:00Z", requests: 1000, proposals: 2 }],
    },
    "GET /api/learning/shop/proposals": { proposals: [of(941100, 0.9), of(942100, 0.2)] },
    "GET /api/exclusions": { version: "v1", exclusions: [], problems: [] },
    "POST /api/learning/shop/accept": (_, body) => (accepted.push(body), { version: "v2", exclusions: [10001] }),
    "POST /api/learning/shop": (_, body) => (modes.push(body), {}),
  };
  await withPage(routes, {}, async (page, api) => {
    await page.goto(`${api.address}/learning`);
    await page.getByText("90% likely a false positive").waitFor();
    await page.getByRole("button", { name: "Accept 1" }).click();
    await page.getByText("1 exclusion is in force").waitFor();
    const [{ version, proposals }] = accepted;
    assert.deepEqual([version, proposals], [
      "v1",
      [{ rule: 941100, path_match: "exact", site: "shop", path: "/edit", parameter: "ARGS:text" }],
    ]);
    await page.getByRole("button", { name: "Block" }).click();
    await page.locator("dialog").getByRole("button", { name: "Block" }).click();
    await page.getByText("mode is changed").waitFor();
    assert.deepEqual(modes, [{ mode: "block" }]);
  });
});

/** An event and an API with an attack in each field that a page shows. */
function hostile() {
  const bad = (name) => `${name}:${MARKUP}${HIDDEN}`;
  const bytes = { escaped: `${bad("bytes").replaceAll("\\", "\\\\")}\\xff\\xfe` };
  const long = "L".repeat(1_000_000);
  const one = event(
    {
      site: bad("site"),
      node: bad("node"),
      reason: bad("reason"),
      origin_id: bad("origin"),
      client: { address: bad("client"), port: 1 },
    },
    {
      line: { escaped: `GET /?name=${bad("line").replaceAll("\\", "\\\\")}\\xff HTTP/1.1` },
      headers: [
        ["Content-Type", "application/json"],
        [bad("header-name"), bad("header-value")],
        ["Cookie", `${bad("cookie")}=${bad("cookie-value")}`],
        ["X-Long", long],
      ],
      body: { bytes: JSON.stringify({ [bad("key")]: bad("body"), long }), total: 2_000_000, truncated: true },
      response: {
        status: 200,
        reason: bytes,
        protocol: bad("protocol"),
        headers: [[bad("answer-header"), bad("answer-value")]],
        body: { bytes, total: 10 },
      },
      upstream: bad("upstream"),
      server: bad("server"),
      not_inspected: [{ what: bad("what"), bytes: 5 }],
      rules: ["message", "data", "argument", "detail"].map((field, at) => ({
        id: 941100 + at,
        phase: 2,
        line: 1,
        operator: bad("operator"),
        severity: "critical",
        tags: [bad("tag")],
        file: bad("file"),
        message: bad("message"),
        variable: at === 0 ? { escaped: "ARGS:name\\xff" } : `REQUEST_HEADERS:${bad("header-name")}`,
        value: bad("header-value"),
        matched: bad("matched"),
        [field]: bad(field),
      })),
      scores: { inbound: 20, outbound: 0, categories: { [bad("category")]: 20 } },
    },
  );
  return {
    one,
    fields: ["site", "reason", "client", "line", "header-name", "header-value", "cookie", "message", "node", "origin", "upstream"],
    routes: {
      "GET /api/session": { ...SESSION, user: bad("user") },
      "GET /api/filters": { filters: [{ id: "1", name: bad("filter"), query: `text=${encodeURIComponent(bad("query"))}`, shared: true, owner: bad("owner") }] },
      "GET /api/events": { events: [one], next: null, searched_to: null },
      "GET /api/events/*": (url) =>
        url.pathname.endsWith("/exclusions")
          ? {
              proposals: [
                {
                  rule: 941100,
                  message: bad("message"),
                  variable: bad("variable"),
                  width: "narrowest",
                  path_match: "exact",
                  seclang: bad("seclang"),
                  scope: { site: bad("site"), path: bad("path"), parameter: bad("parameter") },
                },
                { rule: 949110, message: "", variable: "", width: "site", path_match: "exact", seclang: "", scope: {}, refused: bad("refused") },
              ],
            }
          : one,
      "GET /api/rules/*": { ...RULE, text: bad("text"), comment: bad("comment"), file: bad("file"), message: bad("m"), tags: [bad("tag")] },
      "POST /api/replays": { id: "r1" },
      "GET /api/replays/r1": {
        ...REPLAY,
        slips_through: [{ event: one.id, request: bad("request"), score_before: 1, score_after: 0, attack: true, signs: [bad("sign")] }],
        slips_through_count: 1,
      },
      "GET /api/incidents": {
        incidents: [{ ...INCIDENT, client: bad("client"), target: bad("target"), kind: bad("kind"), filter: `site=${encodeURIComponent(bad("site"))}` }],
        next: null,
        complete: true,
      },
      "GET /api/exclusions": {
        version: "v1",
        problems: [],
        exclusions: [{ ...EXCLUSION, site: bad("site"), path: bad("path"), parameter: bytes, reason: bad("reason"), author: bad("author"), seclang: bad("seclang"), file: bad("file") }],
      },
      "GET /api/history": { changes: [{ ...CHANGE, author: bad("author"), what: bad("what"), reason: bad("reason"), diff: `+${bad("diff")}` }] },
      "GET /api/learning": { sites: [{ site: "shop", mode: "learning", since: null, requests: 1, proposals: 1 }] },
      "GET /api/learning/shop/proposals": {
        proposals: [
          { rule: 1, site: bad("site"), path: bad("path"), path_match: "exact", parameter: bytes, message: bad("message"), variable: "", clients: 1, events: 1, seclang: bad("seclang"), likely: 1, why: bad("why") },
        ],
      },
    },
  };
}

/** No character on the page, and in no attribute that a person meets, may be one that is obeyed instead of shown. */
async function assertLiteral(page, what) {
  const found = await page.evaluate(() => {
    const hidden = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/;
    const bad = [];
    for (const element of document.querySelectorAll("*")) {
      for (const name of ["title", "aria-label", "alt", "placeholder"]) {
        const value = element.getAttribute(name);
        if (value && hidden.test(value)) bad.push(`${element.tagName} ${name}=${JSON.stringify(value).slice(0, 80)}`);
      }
      for (const node of element.childNodes) {
        if (node.nodeType === Node.TEXT_NODE && hidden.test(node.data)) bad.push(JSON.stringify(node.data).slice(0, 80));
      }
    }
    if (document.querySelector("main img, main script, main iframe, main svg[onload]")) bad.push("an element of the payload");
    if (hidden.test(document.title)) bad.push("the title");
    return bad;
  });
  assert.deepEqual(found, [], what);
}

for (const [name, options] of [
  ["wide, English, light", { locale: "en-GB", viewport: { width: 1280, height: 900 }, colorScheme: "light" }],
  ["phone, Japanese, dark", { locale: "ja-JP", viewport: { width: 360, height: 740 }, colorScheme: "dark" }],
]) {
  test(`attacks in every field are text: ${name}`, async () => {
    const { one, fields, routes } = hostile();
    await withPage(routes, options, async (page, api) => {
      await page.goto(`${api.address}/events/${one.id}`);
      await page.locator(".match-choice").first().waitFor();
      const opened = page.locator(".match-line > .button");
      await opened.first().click();
      await page.locator(".rule-code").first().waitFor();
      await page.locator("summary").last().click();
      const text = await page.locator("main").innerText();
      for (const field of fields) {
        assert.ok(text.includes(`${field}:${MARKUP}`), `${field} as text`);
        assert.ok(text.includes(SHOWN), `${field} with its escapes`);
      }
      assert.ok(!text.includes("L".repeat(100_000)), "long values are folded");
      await assertLiteral(page, "text");
      for (const view of ["hex", "decoded"]) {
        await page.keyboard.press("v");
        await page.keyboard.press("j");
        await assertLiteral(page, view);
      }
      await page.keyboard.press("v");
      await page.locator(".message > .button").first().click();
      await page.waitForFunction(() => document.querySelector(".bytes.text").textContent.length > 1_000_000);
      await assertLiteral(page, "everything shown");
      await page.locator(".page-actions .primary").click();
      await page.locator(".replay-sums").waitFor();
      for (const summary of await page.locator("dialog details:not([open]) > summary").all()) await summary.click();
      const dialog = await page.locator("dialog").innerText();
      for (const field of ["message", "path", "parameter", "seclang", "refused", "request", "sign"]) {
        assert.ok(dialog.includes(`${field}:${MARKUP}`), `${field} in the dialog`);
      }
      await assertLiteral(page, "dialog");
      await page.keyboard.press("Escape");
      await page.goto(`${api.address}/events?text=${encodeURIComponent(`x${MARKUP}${HIDDEN}`)}`);
      await rows(page).first().waitFor();
      assert.ok((await page.locator(".chip").innerText()).includes(MARKUP.slice(0, 60)));
      await page.locator(".menu button").first().click();
      await page.locator(".saved-choice").waitFor();
      await assertLiteral(page, "list");
      for (const [path, shown] of [
        ["/incidents", ".incident-line"],
        ["/tuning", ".exclusion .actions button"],
        ["/history", ".change .actions button"],
        ["/learning", ".proposals"],
      ]) {
        await page.goto(api.address + path);
        await page.locator(shown).first().waitFor();
        if (!shown.endsWith("proposals")) await page.locator(shown).first().click();
        await assertLiteral(page, path);
        const wider = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
        assert.ok(wider <= 0, `${path} is ${wider} pixels too wide`);
      }
      await page.goto(`${api.address}/live`);
      for (let tries = 0; api.tails() === 0 && tries < 100; tries += 1) await new Promise((done) => setTimeout(done, 50));
      api.push("event", one);
      await rows(page).first().waitFor();
      await assertLiteral(page, "live");
    });
  });
}
