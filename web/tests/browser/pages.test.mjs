// Pages of events, incidents, the live view and tuning, with a scripted API.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { event, HEALTH, SESSION, startApi } from "./api.fixture.mjs";

/** Text that would run as markup, and characters that would have an effect unless escaped. */
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

/** Opens a page with the API. Fails the test if any script ran, the policy blocked anything, or the page threw an error. */
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
  context.setDefaultTimeout(10_000);
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
    await page.getByRole("button", { name: "Continue searching" }).click();
    await page.getByText("End of results").waitFor();
    assert.equal(await rows(page).count(), 5);
    const asked = api.asked.filter(({ key }) => key === "GET /api/events").map(({ query }) => query);
    assert.deepEqual(asked, ["limit=50", `limit=50&before=${first[2].id}`]);
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await page.waitForURL(`${api.address}/events?open=${first[1].id}`);
    await page.locator(".side-panel .match-choice").first().waitFor();
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
    await page.keyboard.type("outc");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await page.keyboard.type("!pas");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    const input = page.getByRole("combobox", { name: "Query" });
    assert.equal(await input.inputValue(), "outcome=!passed ");
    await page.keyboard.type("status=ninety");
    await page.keyboard.press("Enter");
    await page.getByText("Not a number (403)").waitFor();
    const selected = await input.evaluate((one) => one.value.slice(one.selectionStart, one.selectionEnd));
    assert.equal(selected, "ninety");
    await page.keyboard.type("403");
    await page.keyboard.press("Enter");
    await page.waitForURL("**/events?outcome=%21passed&status=403");
    // clicked together
    await page.locator(".col-client .filtering").first().click();
    await page.waitForURL("**/events?outcome=%21passed&status=403&client=203.0.113.7");
    await page.locator(".col-subject .filtering").first().click({ modifiers: ["Alt"] });
    await page.waitForURL("**&subject=%21shop");
    assert.equal(await input.inputValue(), "outcome=!passed status=403 client=203.0.113.7 subject=!shop");
    // inverted and removed
    await page.locator(".chip").first().getByRole("button").first().click();
    await page.waitForURL("**/events?outcome=passed&status=403*");
    await page.getByRole("button", { name: "Remove the filter on status" }).click();
    await page.waitForURL("**/events?outcome=passed&client=203.0.113.7&subject=%21shop");
    await page.getByRole("button", { name: "Copy link" }).click();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), page.url());
    // saved
    await page.getByRole("button", { name: "Saved queries" }).click();
    await page.getByLabel("Query name").fill("mine");
    await page.getByLabel("Share with everyone").check();
    await page.getByRole("button", { name: "Save", exact: true }).click();
    await page.locator(".saved-choice").waitFor();
    assert.deepEqual(saved, [
      { id: "f1", owner: "ada", name: "mine", query: "outcome=passed&client=203.0.113.7&subject=%21shop", shared: true },
    ]);
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Clear filters" }).click();
    await page.waitForURL("**/events");
    await page.getByRole("button", { name: "Saved queries" }).click();
    await page.locator(".saved-choice").click();
    await page.waitForURL("**/events?outcome=passed&client=203.0.113.7&subject=%21shop");
    await page.getByRole("button", { name: "Saved queries" }).click();
    await page.getByRole("button", { name: "Remove saved query" }).click();
    await page.getByText("“mine” is removed for everyone. The events stay.").waitFor();
    await page.locator("dialog").getByRole("button", { name: "Remove" }).click();
    await page.getByText("No saved queries yet.").waitFor();
    // the back button steps through queries
    await page.goBack();
    await page.waitForURL("**/events");
  });
});

test("events: unknown filters of a link are named", async () => {
  const routes = { "GET /api/events": { events: [], next: null, searched_to: null } };
  await withPage(routes, {}, async (page, api) => {
    await page.goto(`${api.address}/events?subject=shop&colour=${encodeURIComponent(MARKUP + HIDDEN)}`);
    await page.getByText("Ignored unknown filters").waitFor();
    assert.ok((await page.locator(".query-errors").innerText()).includes(`colour=${MARKUP}${SHOWN}`));
    await page.getByText("No matching events.").waitFor();
  });
});

test("events: an API error is shown and retried", async () => {
  let fails = 500;
  const routes = {
    "GET /api/events": () =>
      fails ? { status: fails, body: { error: "the store is locked" } } : { events: list(1), next: null, searched_to: null },
  };
  await withPage(routes, {}, async (page, api) => {
    await page.goto(`${api.address}/events`);
    await page.getByText("the store is locked").waitFor();
    fails = 503;
    await page.getByRole("button", { name: "Try again" }).click();
    await page.getByText("Retrying automatically.").waitFor();
    fails = 0;
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
    // no event within a second after it
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
    await page.getByRole("button", { name: "Show rule" }).nth(1).click();
    await page.getByText("/usr/share/rules/941.conf:82").waitFor();
    await page.getByText("Script tag vector", { exact: true }).waitFor();
    await page.keyboard.press("c");
    await page.getByText("Copied").waitFor();
    const command = await page.evaluate(() => navigator.clipboard.readText());
    assert.ok(command.startsWith("curl -i -g --path-as-is -H 'Host: shop.example'"), command);
    assert.ok(command.endsWith("'http://shop.example/search?name=%22%3E%3Cscript%3Ealert(1)'"), command);
    await page.getByText("Reached the threshold of 5.").waitFor();
    await page.getByText("1 blocking rule").click();
    await page.getByText("Computed by rules, not part of the request.").waitFor();
    const near = page.locator("section.panel", { hasText: "Same actor" }).locator(".event-row");
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

/** Returns proposals for an event: two rules, each in every width. */
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
  const proposals = WIDTHS.flatMap((width) => [of(941100, width), of(941110, width)]);
  return { version: "v1", proposals, blocking_rule: 949110, narrowest: [], in_force: [] };
}

/** A refusal with an unknown code. */
const refusal = (error) => ({ error: { en: error, ja: error }, code: "tuning.refused", values: {} });

/** Returns the rule texts for a request, with IDs from 80003. */
function previewed(_, { add }) {
  const one = ({ rule, path, parameter }, at) =>
    rule === 949110
      ? { id: null, seclang: "", refused: refusal("without it nothing would be blocked at all"), warnings: [] }
      : {
          id: 80003 + at,
          seclang: `text of ${rule} ${path} ${parameter} id:${80003 + at}\n`,
          warnings: rule === 4711 ? [{ warning: "unknown_rule", rule }, { warning: "unknown_site", site: "shpo", known: ["shop"] }] : [],
        };
  return { exclusions: add.map(one) };
}

const REPLAY = {
  id: "r1",
  state: "done",
  done: 3,
  total: 3,
  now_pass: [],
  now_pass_count: 2,
  now_pass_detected: 0,
  slips_through: [],
  slips_through_count: 0,
  still_blocked: 1,
  still_detected: 3,
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
  const signs = [
    { sign: "several_rules", rules: [941100, 941110, 941160, 941390] },
    { sign: "high_score", score: 20 },
    { sign: "several_kinds", kinds: ["attack-xss", `attack-${MARKUP}`] },
    { sign: "still_matched", rules: [942100] },
    { sign: "same_client" },
  ];
  const passing = (id, signs) => ({ event: id, request: `GET /${MARKUP}`, score_before: 20, score_after: 0, attack: true, signs });
  const attacks = [passing(one.id, signs), passing(attack.id, [signs[4]])];
  const replays = [
    { ...REPLAY, state: "running", done: 1 },
    { ...REPLAY, now_pass: attacks, slips_through: attacks, slips_through_count: 2 },
  ];
  const routes = {
    "GET /api/events": { events: [], next: null, searched_to: null },
    [`GET /api/events/${one.id}`]: one,
    [`GET /api/events/${one.id}/exclusions`]: proposals(),
    "POST /api/replays": { status: 202, body: { id: "r1" } },
    "GET /api/replays/r1": () => replays.shift() ?? REPLAY,
    "POST /api/exclusions/preview": previewed,
    "POST /api/exclusions": (_, body) => {
      posted.push(body);
      return answer ?? { status: 201, body: { version: `v${posted.length + 1}`, exclusions: body.add } };
    },
  };
  const asked = (key) => api.asked.filter((one) => one.key === key);
  let api;
  await withPage(routes, {}, async (page, started) => {
    api = started;
    await page.goto(`${api.address}/events/${one.id}`);
    await page.getByRole("button", { name: "Add exclusion…" }).click();
    await page.waitForFunction(() => document.activeElement?.matches("dialog form input"));
    // the replay of the narrowest scope starts automatically, with its event
    await page.getByText("This event itself looks like an attack.").waitFor();
    await page.getByText("2 of the requests that would pass look like attacks.").waitFor();
    const scope = (rule) => ({ rule, path_match: "exact", site: "shop", path: "/search", parameter: "ARGS:name" });
    const narrowest = [941100, 941110].map(scope);
    assert.deepEqual(asked("POST /api/replays")[0].body, { add: narrowest, remove: [], event: one.id });
    const own = await page.locator(".replay .warning").innerText();
    for (const sign of [
      "4 attack rules matched",
      "score 20",
      `several attack types: Cross-site scripting, attack-${MARKUP}`,
      "rule 942100 still matches",
      "other attacks from the same client stay blocked",
    ]) assert.ok(own.includes(sign), `${sign}: ${own}`);
    const sums = await page.locator(".replay-sums").innerText();
    assert.ok(sums.includes("1 still blocked") && sums.includes("3 still detected"), sums);
    assert.ok((await page.locator(".replay").innerText()).includes(`GET /${MARKUP}`));
    assert.equal(await page.locator(".replay a").nth(1).getAttribute("href"), `/events/${attack.id}`);
    // the rule text is folded and has the final IDs; reason and expiry are visible
    assert.equal(await page.locator(".seclang pre").isVisible(), false);
    await page.locator(".seclang summary").click();
    const text = await page.locator(".seclang pre").innerText();
    assert.ok(text.includes("941100 /search ARGS:name id:80003") && text.includes("id:80004"), text);
    // a conflict changes nothing and loads the newest version
    answer = { status: 409, body: { error: "the version is v9", version: "v9" } };
    await page.getByRole("button", { name: "Apply anyway" }).click();
    await page.getByText("Someone else changed the exclusions").waitFor();
    assert.equal(await page.locator("dialog button[type=submit]").isDisabled(), true);
    const now = proposals();
    for (const proposal of now.proposals) if (proposal.rule === 941100 && proposal.width !== "site") proposal.in_force = 80000;
    const theirs = { ...EXCLUSION, id: 80000, author: "bob" };
    api.routes[`GET /api/events/${one.id}/exclusions`] = { ...now, version: "v9", in_force: [theirs] };
    await page.getByRole("button", { name: "Refresh" }).click();
    await page.getByText("Already excluded among these matches:").waitFor();
    assert.ok((await page.locator(".in-force").innerText()).includes("bob"));
    assert.equal(await page.locator("dialog .proposals li").count(), 1, "what is excluded is not offered again");
    answer = { status: 422, body: { error: `the rules do not load: ${MARKUP}` } };
    await page.getByRole("button", { name: "Apply" }).click();
    await page.getByText(`Not applied: the rules do not load: ${MARKUP}`).waitFor();
    assert.equal(posted[1].version, "v9");
    answer = undefined;
    posted.splice(0);
    api.routes[`GET /api/events/${one.id}/exclusions`] = proposals();
    await page.keyboard.press("Escape");
    await page.keyboard.press("x");
    await page.getByText("none of them looks like an attack").waitFor();
    await page.getByRole("radio", { name: "This path The selected rules" }).click();
    await page.getByText("2 stored events would now pass").waitFor();
    await page.getByRole("checkbox").nth(1).uncheck();
    await page.getByLabel("Reason").fill("our editor");
    await page.getByLabel("Expires").selectOption("30");
    await page.getByRole("button", { name: "Apply" }).click();
    // a whole rule is more than the match
    await page.getByText("The rules skip all of this from now on.").waitFor();
    await page.locator("dialog dialog").getByRole("button", { name: "Apply" }).click();
    await page.getByText("1 exclusion added").waitFor();
    assert.deepEqual(posted, [
      {
        version: "v1",
        add: [{ rule: 941100, path_match: "exact", site: "shop", path: "/search", event: one.id }],
        remove: [],
        reason: "our editor",
        expires_days: 30,
      },
    ]);
    // all at once, by keyboard; the reason is composed, the expiry is a chosen date
    posted.splice(0);
    await page.keyboard.press("x");
    await page.getByText("none of them looks like an attack").waitFor();
    await page.getByLabel("Expires").selectOption("day");
    await page.getByLabel("Last day").fill("2031-02-03");
    await page.getByLabel("Reason").press("Enter");
    await page.getByText("2 exclusions added").waitFor();
    const [all] = posted;
    assert.deepEqual(all.add, narrowest.map((one_) => ({ ...one_, event: one.id })));
    assert.equal(all.reason, "Cross-site scripting rules on ARGS:name of shop /search");
    assert.ok(all.expires.startsWith("2031-02-03T") || all.expires.startsWith("2031-02-04T"), all.expires);
    assert.equal(posted.length, 1);
    // everything is excluded now
    for (const proposal of now.proposals) proposal.in_force = 80000;
    api.routes[`GET /api/events/${one.id}/exclusions`] = { ...now, version: "v10", in_force: [theirs] };
    await page.keyboard.press("x");
    await page.getByText("All matches are already excluded:").waitFor();
    assert.equal(await page.locator("dialog button[type=submit]").count(), 0);
  });
});

test("a viewer is offered no change", async () => {
  const one = event();
  const routes = {
    "GET /api/session": { ...SESSION, role: "viewer" },
    "GET /api/events": { events: [], next: null, searched_to: null },
    "GET /api/events/*": one,
    "GET /api/exclusions": { version: "v1", exclusions: [EXCLUSION], problems: [] },
    "GET /api/history": { version: "v1", changes: [CHANGE] },
    "GET /api/learning": { sites: [{ site: "shop", mode: "learning", since: null, requests: 1, proposals: 0 }] },
    "GET /api/learning/shop/proposals": { version: "v1", proposals: [] },
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

test("live: new events, pause, the newest 500, missed ones, reconnection, refusal", async () => {
  await withPage({}, {}, async (page, api) => {
    await page.goto(`${api.address}/live?subject=shop`);
    await page.getByText("connected", { exact: true }).waitFor();
    assert.equal(api.asked.find(({ key }) => key === "GET /api/live").query, "subject=shop");
    const [older, newer] = [event(), event()];
    api.push("event", older);
    api.push("event", newer);
    await rows(page).nth(1).waitFor();
    assert.equal(await rows(page).first().getAttribute("data-id"), newer.id);
    await page.keyboard.press("p");
    for (const one of list(3)) api.push("event", one);
    await page.getByRole("button", { name: "Resume (3 held)" }).click();
    await rows(page).nth(4).waitFor();
    for (const one of list(600)) api.push("event", one);
    const last = event();
    api.push("event", last);
    await page.waitForFunction((id) => document.querySelector(".event-row")?.dataset.id === id, last.id);
    const count = () => page.locator(".grid").getAttribute("aria-rowcount");
    assert.equal(await count(), "501");
    assert.ok((await rows(page).count()) < 100, "rows out of sight are not in the document");
    await page.keyboard.press("p");
    for (const one of list(510)) api.push("event", one);
    await page.getByText("holds only the newest 500").waitFor();
    api.push("missed", { count: 1234 });
    await page.getByText("1,234 events arrived too fast").waitFor();
    api.cut();
    await page.getByText("connection lost, retrying").waitFor();
    await page.getByText("connected", { exact: true }).waitFor();
    // an event sent again after a reconnection is shown once
    await page.keyboard.press("p");
    api.push("event", last);
    const next = event();
    api.push("event", next);
    await page.waitForFunction((id) => document.querySelector(".event-row")?.dataset.id === id, next.id);
    // a transient refusal is retried, and the rows stay
    const failures = [{ status: 503, body: { error: "too many live tails", code: "events.too_many_tails" } }];
    api.routes["GET /api/live"] = () => failures[0];
    api.cut();
    await page.getByText("too many live tails Retrying automatically.").waitFor();
    failures.pop();
    await page.getByText("connected", { exact: true }).waitFor();
    assert.ok(Number(await count()) > 400);
    assert.equal(await page.locator(".problem").count(), 0);
    // a faulty query shows its error
    failures.push({ status: 400, body: { error: "since: not a time", code: "request.bad" } });
    api.cut();
    await page.getByText("since: not a time").waitFor();
    assert.equal(await page.getByText("by itself").count(), 0);
    // an ended session leads to the sign-in
    failures[0] = { status: 401, body: { error: "the session has ended", code: "session.ended" } };
    await page.getByRole("button", { name: "Try again" }).click();
    await page.waitForURL("**/signin?next=%2Flive%3Fsubject%3Dshop");
    await page.getByText("Your session has ended").waitFor();
  });
});

test("live: a session that ends while the stream is cut leads to the sign-in at once", async () => {
  await withPage({}, {}, async (page, api) => {
    await page.goto(`${api.address}/live`);
    await page.getByText("connected", { exact: true }).waitFor();
    api.routes["GET /api/session"] = { status: 401, body: { error: "the session has ended", code: "session.ended" } };
    api.cut();
    await page.waitForURL("**/signin?next=%2Flive");
    await page.getByText("Your session has ended").waitFor();
  });
});

test("requests to an unreachable daemon are retried automatically, and the page says so in both languages", async () => {
  const away = { status: 503, body: { error: "the store is locked", code: "daemon.unavailable" } };
  const notices = { channels: [], skipped_events: 0, problem: null };
  for (const [locale, problem, told, there] of [
    ["en-GB", "the store is locked", "Retrying automatically.", "No channels yet"],
    ["ja-JP", "the store is locked", "自動的に再試行しています。", "通知先がまだありません"],
  ]) {
    const routes = { "GET /api/notices": away };
    await withPage(routes, { locale }, async (page, api) => {
      await page.goto(`${api.address}/notices`);
      await page.getByText(`${problem} ${told}`).waitFor();
      api.routes["GET /api/notices"] = notices;
      await page.getByText(there).waitFor();
      assert.equal(await page.locator(".problem").count(), 0);
      // a lasting error is not retried
      api.routes["GET /api/notices"] = { status: 400, body: { error: "no", code: "request.bad" } };
      await page.locator(".page-actions button").click();
      await page.locator(".problem").waitFor();
      assert.equal(await page.getByText(told).count(), 0);
    });
  }
});

test("a page whose code fails to load appears once monban responds", async () => {
  const routes = {
    "GET /healthz": { status: 503, body: {} },
    "GET /api/events": { events: list(1), next: null, searched_to: null },
    "GET /api/notices": { channels: [], skipped_events: 0, problem: null },
  };
  await withPage(routes, {}, async (page, api) => {
    await page.goto(`${api.address}/events`);
    await rows(page).first().waitFor();
    await page.route("**/assets/channels-*", (route) => route.abort());
    await page.keyboard.press("g");
    await page.keyboard.press("n");
    await page.getByText("Retrying automatically.").waitFor();
    await page.unroute("**/assets/channels-*");
    api.routes["GET /healthz"] = { status: 200, body: HEALTH };
    await page.getByText("No channels yet").waitFor();
    // if monban responds and the file is missing, monban was updated
    await page.route("**/assets/account-*", (route) => route.fulfill({ status: 404 }));
    await page.keyboard.press("g");
    await page.keyboard.press("a");
    await page.getByText("monban has been updated").waitFor();
  });
});

test("texts come with their part, in one language; another language is fetched when it is chosen", async () => {
  const routes = { "GET /healthz": { status: 200, body: HEALTH }, "GET /api/events": { events: [], next: null, searched_to: null }, "GET /api/exclusions": { exclusions: [], problems: [], version: "v" } };
  await withPage(routes, {}, async (page, api) => {
    const fetched = [];
    page.on("request", (request) => {
      const name = /\/assets\/((?:texts\.)?(?:en|ja))-/.exec(request.url());
      if (name) fetched.push(name[1]);
    });
    await page.goto(`${api.address}/events`);
    await page.getByText("No events yet.").waitFor();
    assert.deepEqual(fetched.sort(), ["en", "texts.en"]);
    await page.goto(`${api.address}/tuning`);
    await page.getByText("No exclusions").waitFor();
    fetched.length = 0;
    // a language that can't be fetched leaves the page as it is
    await page.route("**/assets/texts.ja-*", (route) => route.abort());
    await page.selectOption("nav [aria-label=Language]", "ja");
    await page.getByText("Can't reach monban.").waitFor();
    assert.equal(await page.getAttribute("html", "lang"), "en");
    await page.getByText("No exclusions").waitFor();
    await page.unroute("**/assets/texts.ja-*");
    await page.reload();
    await page.selectOption("nav [aria-label=Language]", "ja");
    await page.getByText("除外はありません。").waitFor();
    assert.ok(fetched.includes("texts.ja") && fetched.filter((name) => name === "ja").length > 0, fetched.join());
    // a page of another part is loaded in the new language
    await page.click("nav a[href='/events']");
    await page.getByText("イベントはまだありません。").waitFor();
  });
});

test("the daemon's findings, in both languages, with a link to the page about them", async () => {
  const text = (en, ja) => ({ en, ja });
  const finding = {
    code: "notifications.channel_fails",
    severity: "error",
    subject: "ops",
    evidence: { why: "responded 404", waiting: 2 },
    title: text("Channel “ops” is failing", "通知先「ops」への送信失敗"),
    cause: text("The last delivery failed: responded 404.", "直近の送信に失敗しました: responded 404。"),
    cure: text("Check the address.", "アドレスを確認してください。"),
    undo: null,
    lasting: false,
  };
  const counted = { totals: {}, series: [], top: { rules: [], clients: [], paths: [], sites: [], kinds: [], facts: [] }, complete: true };
  for (const [locale, language] of [
    ["en-GB", "en"],
    ["ja-JP", "ja"],
  ]) {
    const routes = {
      "GET /api/overview": counted,
      "GET /healthz": { status: 200, body: { ...HEALTH, status: "degraded", findings: [finding] } },
      "GET /api/notices": { channels: [], skipped_events: 0, problem: null },
    };
    await withPage(routes, { locale }, async (page, api) => {
      await page.goto(`${api.address}/`);
      // the banner is the shortest form
      await page.locator(".banner", { hasText: finding.title[language] }).click();
      await page.waitForURL("**/findings");
      const shown = page.locator(".finding");
      for (const part of ["cause", "cure"]) await shown.getByText(finding[part][language]).waitFor();
      assert.equal(await page.locator(".banner").count(), 0);
      await shown.getByText("why: responded 404 · waiting: 2").waitFor();
      const command = language === "en" ? "monban explain notifications.channel_fails" : "monban explain --language ja notifications.channel_fails";
      assert.equal(await shown.locator("code").innerText(), command);
      await shown.getByRole("button").first().click();
      assert.equal(await page.evaluate(() => navigator.clipboard.readText()), finding.cure[language]);
      await shown.locator("header a").click();
      await page.waitForURL("**/notices");
    });
  }
});

test("live: leaving the page closes its connection", async () => {
  await withPage({ "GET /api/events": { events: [], next: null, searched_to: null } }, {}, async (page, api) => {
    await page.goto(`${api.address}/live`);
    await page.getByText("connected", { exact: true }).waitFor();
    await page.keyboard.press("g");
    await page.keyboard.press("t");
    await page.waitForURL("**/tuning");
    for (let tries = 0; api.tails() > 0 && tries < 100; tries += 1) await new Promise((done) => setTimeout(done, 50));
    assert.equal(api.tails(), 0);
  });
});

const INCIDENT = {
  id: "i1",
  property: "client",
  actor: "203.0.113.7",
  target: "shop /login",
  categories: [
    { category: "attack-sqli", count: 9000 },
    { category: "login.denied", count: 900 },
    { category: "scanner", count: 100 },
  ],
  first: "2026-11-24T08:00:00Z",
  last: "2026-11-24T09:00:00Z",
  events: 10000,
  stopped: 9999,
  highest_score: 45,
  rules: [{ id: 942100, count: 9000 }],
  course: Array.from({ length: 32 }, (_, at) => at),
  filter: "client=203.0.113.7&subject=shop",
};

test("incidents: a scan is one row with its course; it opens beside the list, and leads to its events", async () => {
  const routes = {
    "GET /api/incidents": { incidents: [INCIDENT, { ...INCIDENT, id: "i2", stopped: 10000 }], next: null },
    "GET /api/events": { events: [], next: null, searched_to: null },
  };
  await withPage(routes, {}, async (page, api) => {
    await page.goto(`${api.address}/incidents`);
    const line = page.locator(".incident-row").first();
    await line.waitFor();
    const text = await line.innerText();
    for (const part of ["SQL injection, login.denied +1", "203.0.113.7", "shop /login", "10,000", "1 not stopped"]) assert.ok(text.includes(part), text);
    assert.equal(await line.locator("svg rect").count(), 32);
    const heights = await line.locator("svg rect").evaluateAll((bars) => bars.map((bar) => Number(bar.getAttribute("height"))));
    assert.ok(heights[31] === 20 && heights[0] === 0 && heights[1] === 2, String(heights));
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await page.waitForURL("**/incidents?open=i1");
    await page.getByText("942100 × 9,000").waitFor();
    await page.getByText("login.denied × 900").waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.matches(".side-panel h2")), true);
    await page.keyboard.press("j");
    await page.waitForURL("**/incidents?open=i2");
    await page.goBack();
    await page.waitForURL("**/incidents");
    assert.equal(await page.locator(".incident-row.selected").getAttribute("data-id"), "i2");
    // the histogram follows the range, and chooses it
    const sent = (path) => page.waitForRequest((request) => request.url().includes(`/api/${path}?`)).then((request) => new URL(request.url()).searchParams);
    const requests = [sent("incidents"), sent("overview")];
    await page.getByRole("button", { name: "24 hours" }).click();
    await page.waitForURL("**/incidents?since=24h");
    const [incidents, counts] = await Promise.all(requests);
    await line.waitFor();
    assert.equal(Date.parse(incidents.get("since")), Date.parse(counts.get("since")));
    assert.deepEqual([counts.get("step"), incidents.get("until")], ["hour", null]);
    await line.click();
    await page.locator(".side-panel").getByRole("link", { name: "Open in Events" }).click();
    await page.waitForURL(/\/events\?client=203\.0\.113\.7&subject=shop$/);
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
  what: "excluded",
  reason: "our editor",
  added: [{ id: 10000, rule: 941100, site: "shop", path: "/search", path_match: "exact", parameter: "ARGS:name" }],
  removed: [],
  site: null,
  undoes: null,
  undone_by: null,
  undo: "possible",
  diff: "+SecRule new\n-SecRule old\n",
};

test("tuning: list, edit with preview and replay, conflict, removal, another rule set", async () => {
  const posted = [];
  let conflict = true;
  const exclusions = { version: "v1", exclusions: [EXCLUSION], problems: [{ line: 3, message: `odd ${MARKUP}` }] };
  const routes = {
    "GET /api/exclusions": () => exclusions,
    "POST /api/exclusions/preview": previewed,
    "POST /api/exclusions": (_, body) => {
      posted.push(body);
      return conflict ? { status: 409, body: { error: "x", version: "v2" } } : { status: 201, body: { version: "v2", exclusions: body.add } };
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
    const apply = page.locator("dialog button[type=submit]");
    await page.getByText("2 stored events would now pass").waitFor();
    await page.getByLabel("Rule ID").fill("949110");
    await page.getByText("without it nothing would be blocked at all").waitFor();
    assert.equal(await apply.isDisabled(), true);
    await page.getByLabel("Rule ID").fill("");
    await page.getByText("Enter a rule ID.").waitFor();
    assert.equal(await apply.isDisabled(), true);
    // a rule that is not loaded and an unknown site cause warnings
    await page.getByLabel("Rule ID").fill("4711");
    await page.getByText("Rule 4711 is not loaded").waitFor();
    await page.getByText("“shpo” is not a site of this gate (shop)").waitFor();
    await page.getByLabel("Rule ID").fill("941110");
    await page.getByLabel("Path", { exact: true }).fill("/search/");
    await page.getByLabel("Path match").selectOption("prefix");
    await page.locator("dialog .seclang summary").click();
    await page.getByText("text of 941110 /search/").waitFor();
    // apply is possible after the replay
    await page.getByText("2 stored events would now pass").waitFor();
    const { remove, add } = api.asked.filter(({ key }) => key === "POST /api/replays").at(-1).body;
    assert.deepEqual([remove, add.length, add[0].path], [[10000], 1, "/search/"]);
    await apply.click();
    await page.getByText("Someone else changed the exclusions").waitFor();
    conflict = false;
    posted.splice(0);
    exclusions.version = "v2";
    await page.getByRole("button", { name: "Refresh" }).click();
    await page.waitForFunction(() => !document.querySelector("dialog button[type=submit]").disabled);
    await apply.click();
    await page.getByText("1 exclusion added").waitFor();
    // one change replaces the old exclusion and keeps its expiry and event
    const event = EXCLUSION.event;
    const edited = { rule: 941110, path_match: "prefix", site: "shop", path: "/search/", parameter: "ARGS:name", event };
    assert.deepEqual(posted, [
      { version: "v2", add: [edited], remove: [10000], reason: "our editor", expires: EXCLUSION.expires },
    ]);
    posted.splice(0);
    // another user has changed it
    await page.locator(".exclusion").getByRole("button", { name: "Edit" }).click();
    await page.getByText("2 stored events would now pass").waitFor();
    conflict = true;
    await apply.click();
    await page.getByText("Someone else changed the exclusions").waitFor();
    exclusions.version = "v3";
    exclusions.exclusions = [{ ...EXCLUSION, seclang: "SecRule of somebody else" }];
    await page.getByRole("button", { name: "Refresh" }).click();
    await page.getByText("Someone else changed or removed this exclusion").waitFor();
    assert.equal(await apply.isDisabled(), true);
    await page.keyboard.press("Escape");
    posted.splice(0);
    exclusions.version = "v1";
    exclusions.exclusions = [EXCLUSION];
    await page.goto(`${api.address}/tuning`);
    await page.locator(".exclusion").getByRole("button", { name: "Remove" }).click();
    await page.locator("dialog").getByRole("button", { name: "Remove" }).click();
    await page.getByText("Exclusion removed").waitFor();
    assert.deepEqual(posted, ["?version=v1"]);
    await page.getByText("Try another rule set").click();
    await page.getByLabel(/Rule files/).fill("/srv/crs-4/*.conf\n");
    await page.locator("details").getByRole("button", { name: "Replay" }).click();
    await page.getByText("2 stored events would now pass").waitFor();
    assert.deepEqual(api.asked.filter(({ key }) => key === "POST /api/replays").at(-1).body, { rules: ["/srv/crs-4/*.conf"] });
  });
});

test("history: diffs and undo", async () => {
  let undone;
  const routes = {
    "GET /api/history": () => ({
      version: "v7",
      changes: [
        { ...CHANGE, undone_by: undone ? 4 : null, undo: undone ? "undone" : "possible" },
        { ...CHANGE, number: 2, what: "undone", undoes: 1, removed: CHANGE.added, added: [], undo: "changed_since" },
        { ...CHANGE, number: 1, what: "site_mode", added: [], site: { site: "shop", before: null, after: "learning" } },
        { ...CHANGE, number: 0, what: "by_hand", author: "-", added: [] },
      ],
    }),
    "POST /api/history/3/undo": (_, body) => ((undone = body), { version: "v8" }),
  };
  await withPage(routes, {}, async (page, api) => {
    await page.goto(`${api.address}/history`);
    const change = (at) => page.locator(".change").nth(at).innerText();
    await page.locator(".change").nth(3).waitFor();
    for (const [at, parts] of [
      ["bob", "excluded", "+ 941100 shop · /search · ARGS:name"],
      ["undid #1", "− 941100", "Changed since"],
      ["shop: Learning"],
      ["The file was edited by hand"],
    ].entries()) for (const part of parts) assert.ok((await change(at)).includes(part), `${part}: ${await change(at)}`);
    assert.equal(await page.locator(".change").nth(1).getByRole("button", { name: "Undo" }).count(), 0);
    assert.ok(!(await change(3)).includes("-\n"));
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
    honest: 29,
    many_rules: rule === 942100,
    samples: [seen[0].id, seen[1].id],
  });
  const seen = list(2);
  const routes = {
    "GET /api/learning": {
      sites: [{ site: "shop", mode: "learning", configured: "block", since: "2026-11-20T08:00:00Z", requests: 1000, proposals: 2 }],
     },
    "GET /api/learning/shop/proposals": { version: "v1", proposals: [of(941100, 0.9), of(942100, 0.2)] },
    "POST /api/exclusions/preview": previewed,
    "POST /api/replays": { id: "r1" },
    "GET /api/replays/r1": REPLAY,
    "POST /api/exclusions": (_, body) => (accepted.push(body), { status: 201, body: { version: "v2", exclusions: body.add } }),
    "POST /api/learning/shop": (_, body) => (modes.push(body), {}),
  };
  await withPage(routes, {}, async (page, api) => {
    await page.goto(`${api.address}/learning`);
    await page.getByText("90% likely false positive").waitFor();
    const notes = await page.locator(".proposals .note").allInnerTexts();
    assert.ok(notes[0].startsWith("90 events from 30 clients. 29 of 30 matched in at most three places"), notes[0]);
    assert.ok(!notes[0].includes("many rules") && notes[1].includes("However, many rules match at once"), notes.join());
    const links = await page.locator(".proposals >> nth=0").locator("li >> nth=0").locator("a").evaluateAll((all) => all.map((a) => a.getAttribute("href")));
    assert.deepEqual(links, [
      `/events/${seen[0].id}`,
      `/events/${seen[1].id}`,
      "/events?subject=shop&rule=941100&outcome=detected&path=%2Fedit",
    ]);
    // in the same dialog, with a replay
    await page.getByRole("button", { name: "Accept 1" }).click();
    await page.getByText("2 stored events would now pass").waitFor();
    await page.locator("dialog button[type=submit]").click();
    await page.getByText("1 exclusion added").waitFor();
    const learned = { rule: 941100, path_match: "exact", site: "shop", path: "/edit", parameter: "ARGS:text", event: seen[0].id };
    assert.deepEqual(accepted, [
      { version: "v1", add: [learned], remove: [], reason: "rule 941100 on ARGS:text of shop /edit", expires_days: 365 },
    ]);
    await page.getByRole("button", { name: "Start blocking" }).click();
    await page.locator("dialog").getByRole("button", { name: "Start blocking" }).click();
    await page.getByText("Site mode changed").waitFor();
    assert.deepEqual(modes, [{ mode: "block" }]);
  });
});

/** Returns an event of a gate that this version does not know. */
function unknown(change = {}) {
  const { evidence, ...envelope } = event({
    gate: "door",
    kind: "door.denied",
    outcome: "denied",
    severity: "warning",
    subject: "sshd",
    actor: { address: "198.51.100.9", user: "root" },
    summary: "3 wrong passwords for root",
    facts: [
      ["method", "password"],
      ["attempts", 3],
    ],
  });
  return { ...envelope, evidence: { door: { service: "sshd", tries: ["a", "b"] } }, ...change };
}

test("an event of an unknown kind: in the list, live, and on its page with facts and JSON; in both languages", async () => {
  const [one, bare] = [unknown(), unknown({ actor: undefined, summary: undefined, evidence: undefined, facts: [] })];
  for (const [locale, notice, facts] of [
    ["en-GB", "This version of monban does not know this evidence.", "Facts"],
    ["ja-JP", "このバージョンの monban が対応していない証跡です。", "属性"],
  ]) {
    const routes = {
      "GET /api/events": { events: [one, bare, event()], next: null, searched_to: null },
      [`GET /api/events/${one.id}`]: { ...one, status: undefined },
      [`GET /api/events/${bare.id}`]: { ...bare, status: undefined },
    };
    await withPage(routes, { locale }, async (page, api) => {
      await page.goto(`${api.address}/events`);
      await rows(page).nth(2).waitFor();
      const text = await rows(page).first().innerText();
      for (const part of ["door.denied", "sshd", "root", "3 wrong passwords for root"]) assert.ok(text.includes(part), `${part}: ${text}`);
      assert.ok((await rows(page).nth(1).innerText()).includes("door.denied"));
      await page.locator(".event-row .col-why", { hasText: "941100" }).waitFor();
      await rows(page).first().locator(".event-what").click();
      await page.getByText(notice).waitFor();
      assert.equal(await page.innerText(".side-panel h2"), "door.denied: sshd");
      await page.locator(".side-panel-head a").click();
      await page.waitForURL(`**/events/${one.id}`);
      await page.locator("h1", { hasText: "door.denied: sshd" }).waitFor();
      const table = await page.locator(".fact-table").innerText();
      for (const part of [facts, "method", "password", "attempts", "3"]) assert.ok(table.includes(part), `${part}: ${table}`);
      assert.ok((await page.locator("pre.bytes").first().innerText()).includes('"service": "sshd"'));
      assert.equal(await page.locator(".page-actions .button").count(), 0, "no action of another gate");
      const asked = api.asked.find(({ query }) => query.startsWith("user=root"));
      assert.ok(asked, "its neighbours are those of the same user");
      await page.goto(`${api.address}/events/${bare.id}`);
      await page.locator("h1", { hasText: "door.denied: sshd" }).waitFor();
      await page.goto(`${api.address}/live`);
      await page.waitForFunction(() => document.querySelector(".page-actions .badge.good"));
      api.push("event", unknown({ id: "01M86FYNWH4TW6999999999999" }));
      await rows(page).first().locator("text=door.denied").waitFor();
    });
  }
});

test("an event's kind has the title of the part that declares it; in both languages", async () => {
  const one = unknown({ gate: "login", kind: "login.denied", evidence: undefined });
  const title = { en: "login refused", ja: "ログインの拒否" };
  const parts = [{ name: "logins", pages: [], kinds: [{ name: "login.denied", severity: "warning", title }] }];
  const top = { rules: [], clients: [], paths: [], sites: [], facts: [], kinds: [{ gate: "login", kind: "login.denied", count: 3 }] };
  for (const [locale, language] of [
    ["en-GB", "en"],
    ["ja-JP", "ja"],
  ]) {
    const routes = {
      "GET /api/parts": parts,
      "GET /api/overview": { totals: {}, series: [], top, complete: true },
      "GET /healthz": { status: 200, body: HEALTH },
      "GET /api/events": { events: [one], next: null, searched_to: null },
      [`GET /api/events/${one.id}`]: { ...one, status: undefined },
      "GET /api/incidents": { incidents: [INCIDENT], next: null, complete: true },
    };
    await withPage(routes, { locale }, async (page, api) => {
      await page.goto(`${api.address}/`);
      assert.equal(await page.locator("a[href*='kind=login.denied']").innerText(), title[language]);
      await page.goto(`${api.address}/events/${one.id}`);
      assert.equal(await page.innerText("h1"), `${title[language]}: sshd`);
      await page.locator(".facts dd", { hasText: title[language] }).waitFor();
      await page.goto(`${api.address}/events`);
      assert.equal(await rows(page).first().locator(".event-what").innerText(), title[language]);
      await page.goto(`${api.address}/incidents`);
      await page.getByText(title[language]).first().waitFor();
    });
  }
});

/** Returns an event and an API with an attack in each field that a page shows. */
function hostile() {
  const bad = (name) => `${name}:${MARKUP}${HIDDEN}`;
  const bytes = { escaped: `${bad("bytes").replaceAll("\\", "\\\\")}\\xff\\xfe` };
  const long = "L".repeat(1_000_000);
  const one = event(
    {
      subject: bad("subject"),
      node: bad("node"),
      gate: bad("gate"),
      kind: bad("kind"),
      outcome: bad("outcome"),
      summary: bad("summary"),
      origin_id: bad("origin"),
      actor: { address: bad("address"), port: 1, user: bad("user"), device: bad("device"), certificate: bad("certificate") },
      facts: [[bad("fact"), bad("value")]],
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
    fields: ["subject", "summary", "user", "address", "gate", "kind", "fact", "value", "line", "header-name", "header-value", "cookie", "message", "node", "origin", "upstream"],
    routes: {
      "GET /api/session": { ...SESSION, user: bad("user") },
      "GET /api/filters": { filters: [{ id: "1", name: bad("filter"), query: `text=${encodeURIComponent(bad("query"))}`, shared: true, owner: bad("owner") }] },
      "GET /api/events": { events: [one], next: null, searched_to: null },
      "GET /api/events/*": (url) =>
        url.pathname.endsWith("/exclusions")
          ? {
              version: "v1",
              in_force: [{ ...EXCLUSION, site: bad("site"), path: bad("path"), author: bad("author") }],
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
                { rule: 949110, message: "", variable: "", width: "site", path_match: "exact", seclang: "", scope: {}, refused: refusal(bad("refused")) },
              ],
            }
          : one,
      "GET /api/rules/*": { ...RULE, text: bad("text"), comment: bad("comment"), file: bad("file"), message: bad("m"), tags: [bad("tag")] },
      "POST /api/exclusions/preview": {
        exclusions: [{ id: 1, seclang: bad("seclang"), warnings: [{ warning: "unknown_site", site: bad("unknown"), known: [bad("known")] }] }],
      },
      "POST /api/replays": { id: "r1" },
      "GET /api/replays/r1": {
        ...REPLAY,
        slips_through: [
          {
            event: one.id,
            request: bad("request"),
            score_before: 1,
            score_after: 0,
            attack: true,
            signs: [{ sign: "several_kinds", kinds: [bad("sign")] }],
          },
        ],
        slips_through_count: 2,
      },
      "GET /api/incidents": {
        incidents: [{ ...INCIDENT, actor: bad("client"), target: bad("target"), categories: [{ category: bad("kind"), count: 1 }], filter: `subject=${encodeURIComponent(bad("site"))}` }],
        next: null,
      },
      "GET /api/exclusions": {
        version: "v1",
        problems: [],
        exclusions: [{ ...EXCLUSION, site: bad("site"), path: bad("path"), parameter: bytes, reason: bad("reason"), author: bad("author"), seclang: bad("seclang"), file: bad("file") }],
      },
      "GET /api/history": {
        version: "v1",
        changes: [
          {
            ...CHANGE,
            author: bad("author"),
            what: "site_mode",
            site: { site: bad("site"), before: null, after: "block" },
            added: [{ ...CHANGE.added[0], path: bad("path"), parameter: bytes }],
            reason: bad("reason"),
            diff: `+${bad("diff")}`,
          },
        ],
      },
      "GET /api/learning": { sites: [{ site: "shop", mode: "learning", since: null, requests: 1, proposals: 1 }] },
      "GET /api/learning/shop/proposals": {
        version: "v1",
        proposals: [
          { rule: 1, site: bad("site"), path: bad("path"), path_match: "exact", parameter: bytes, message: bad("message"), variable: "", clients: 1, events: 1, seclang: bad("seclang"), likely: 1, honest: 1, many_rules: true, samples: [one.id] },
        ],
      },
    },
  };
}

/** Asserts that no text and no visible attribute on the page contains a control or invisible character. */
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
      await page.locator(".page-actions .button.plain").click();
      await page.locator(".replay-sums").waitFor();
      const closed = page.locator("dialog details:not([open]) > summary");
      while ((await closed.count()) > 0) await closed.first().click();
      const dialog = await page.locator("dialog").innerText();
      for (const field of ["message", "path", "parameter", "seclang", "refused", "request", "sign", "author", "unknown", "known"]) {
        assert.ok(dialog.includes(`${field}:${MARKUP}`), `${field} in the dialog`);
      }
      await assertLiteral(page, "dialog");
      await page.keyboard.press("Escape");
      await page.goto(`${api.address}/events?text=${encodeURIComponent(`x${MARKUP}${HIDDEN}`)}`);
      await rows(page).first().waitFor();
      assert.ok((await page.locator(".chip").innerText()).includes(MARKUP.slice(0, 60)));
      await page.locator(".query .menu button").first().click();
      await page.locator(".saved-choice").waitFor();
      await assertLiteral(page, "list");
      for (const [path, shown] of [
        ["/incidents", ".incident-row"],
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
      // the stream of a page before may still be open: the event comes until it is shown
      for (let tries = 0; (await rows(page).count()) === 0 && tries < 100; tries += 1) {
        api.push("event", one);
        await new Promise((done) => setTimeout(done, 50));
      }
      await rows(page).first().waitFor();
      await assertLiteral(page, "live");
    });
  });
}

test("logins: who is in, the last logins by day, failed tries by source; in both languages, on a phone, without the table", async () => {
  const login = (time, user, address, evidence, change = {}) =>
    ({ ...event(), time, gate: "login", kind: "login.accepted", outcome: "accepted", severity: "notice", subject: "sshd", actor: { user, address }, evidence: { login: { service: "sshd", ...evidence } }, ...change });
  const failed = (address, tries, users) =>
    login("2026-11-30T09:00:00Z", undefined, address, { tries, users }, { kind: "login.failed", outcome: "denied", summary: `${tries} failed tries of SSH login` });
  const accepted = [
    login("2026-11-30T09:04:46Z", MARKUP, "203.0.113.7", { method: "publickey", country: "DE", new: ["country", "key"], key: { algorithm: "ED25519", fingerprint: "SHA256:k", comment: `laptop${HIDDEN}` } }, { severity: "warning" }),
    login("2026-11-29T09:04:46Z", "bob", undefined, {}),
  ];
  const session = { user: MARKUP, service: "sshd", address: "203.0.113.7", since: "2026-11-30T09:04:46Z", method: "publickey", key: "SHA256:k", terminal: "pts/0" };
  const routes = {
    "GET /api/logins": { reading: true, sessions: [session], trying: [{ address: "203.0.113.9", tries: 5 }] },
    "GET /api/events": (url) => ({ events: url.searchParams.get("kind") === "login.accepted" ? accepted : [failed("203.0.113.9", 10_000, [{ user: `root${MARKUP}`, tries: 9000 }]), failed("203.0.113.8", 1, [])], next: null, searched_to: null }),
    [`GET /api/events/${accepted[0].id}`]: accepted[0],
  };
  await withPage(routes, { viewport: { width: 390, height: 844 } }, async (page, api) => {
    await page.goto(`${api.address}/logins`);
    const text = (selector) => page.locator(selector).allInnerTexts();
    await page.locator(".timeline section").nth(1).waitFor();
    const days = await text(".timeline section");
    assert.equal(days.length, 2);
    for (const part of ["09:04", MARKUP.slice(0, 30), "203.0.113.7", "DE · key · laptop\\u{202e}", "new country", "new key"]) assert.ok(days[0].includes(part), days[0]);
    assert.ok(days[1].includes("bob") && days[1].includes("Console"), days[1]);
    assert.equal(await page.locator(".timeline li.warn").count(), 1);
    const [sessions, sources] = await text("table");
    for (const part of [MARKUP, "203.0.113.7", "pts/0"]) assert.ok(sessions.includes(part), sessions);
    for (const part of ["203.0.113.9", "10,005", `root${MARKUP.slice(0, 30)}`, "(9,000)", "ongoing"]) assert.ok(sources.includes(part), sources);
    assert.ok(sources.indexOf("203.0.113.9") < sources.indexOf("203.0.113.8"), sources);
    await page.locator(".timeline a").first().click();
    await page.waitForURL(`**/events/${accepted[0].id}`);
    await page.getByText("ED25519 SHA256:k").waitFor();
    api.routes["GET /api/logins"] = { reading: false, sessions: [], trying: [] };
    api.routes["GET /api/events"] = { events: [], next: null, searched_to: null };
    await page.evaluate(() => localStorage.setItem("monban.language", "ja"));
    await page.goto(`${api.address}/logins`);
    for (const part of ["ログインの監視は無効です", "ログインはまだありません。", "ログインの失敗はまだありません。"]) await page.getByText(part).waitFor();
  });
});
