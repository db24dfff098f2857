// What a visitor saw go wrong once, by its number. Each case stands for its kind.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { event, HEALTH, startApi } from "./api.fixture.mjs";
import { NOW, routes as lively, scene } from "./scene.fixture.mjs";

let browser;
before(async () => {
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
});
after(() => browser?.close());

/** Opens `path` over a lively gate. */
async function on(path, run, { routes = {}, events = scene(), ...options } = {}) {
  const api = await startApi({ ...lively(events), "GET /healthz": { status: 200, body: HEALTH }, ...routes });
  const context = await browser.newContext({ locale: "en-GB", viewport: { width: 1280, height: 900 }, timezoneId: "Asia/Tokyo", ...options });
  context.setDefaultTimeout(10_000);
  const page = await context.newPage();
  const faults = [];
  page.on("pageerror", (error) => faults.push(error.message));
  try {
    await page.clock.setFixedTime(NOW);
    await page.goto(api.address + path);
    await page.locator("h1").waitFor();
    await page.waitForFunction(() => document.querySelector(".loading") === null);
    await run(page, api, events);
    assert.deepEqual(faults, []);
  } finally {
    await context.close();
    await api.stop();
  }
}

const focus = (page) => page.evaluate(() => document.activeElement?.tagName);
const row = (page, id) => page.locator(`.event-row[data-id="${id}"]`);

test("1: the role list asks before it makes an owner, and arrow keys alone change nothing", async () => {
  const sent = [];
  const routes = { "PATCH /api/users/bob": (_, body) => (sent.push(body), { status: 200, body: {} }) };
  await on(
    "/users",
    async (page) => {
      const roles = page.getByLabel("Role: bob");
      await roles.focus();
      await page.keyboard.press("End");
      await page.getByText("They can do everything, including removing you.").waitFor();
      assert.equal(await roles.inputValue(), "viewer", "until it is confirmed");
      await page.waitForFunction(() => document.activeElement?.textContent === "Cancel");
      await page.keyboard.press("Enter");
      await page.locator("dialog").waitFor({ state: "detached" });
      assert.deepEqual(sent, []);
      await roles.selectOption("analyst");
      await page.getByText("They can tune rules and test channels, but not manage users.").waitFor();
      await page.locator("dialog .danger").click();
      await page.getByText("bob is now an analyst.").waitFor();
      assert.deepEqual(sent, [{ role: "analyst" }]);
      // the changed row has the focus
      await page.waitForFunction(() => document.activeElement?.getAttribute("aria-label") === "Role: bob");
    },
    { routes },
  );
});

test("1: ending a session and removing a saved query, a token, a row ask first; the focus stays in the page", async () => {
  let users = lively()["GET /api/users"];
  let exclusions = lively()["GET /api/exclusions"];
  const routes = {
    "GET /api/exclusions": () => exclusions,
    "DELETE /api/exclusions/10000": { version: "v2" },
    "GET /api/users": () => users,
    "DELETE /api/users/bob": () => ((users = { users: users.users.filter(({ user }) => user !== "bob") }), { status: 204 }),
  };
  await on(
    "/users",
    async (page, api) => {
      await page.getByLabel("Remove: bob").click();
      await page.locator("dialog .danger").click();
      await page.locator("td", { hasText: "bob" }).waitFor({ state: "detached" });
      await page.waitForFunction(() => document.activeElement?.tagName === "H1");
      // a card in a list of another page
      await page.goto(`${api.address}/tuning`);
      await page.getByRole("button", { name: "Remove" }).click();
      exclusions = { ...exclusions, exclusions: [] };
      await page.locator("dialog .danger").click();
      await page.locator(".exclusion").waitFor({ state: "detached" });
      await page.waitForFunction(() => document.activeElement?.tagName === "H1");
      await page.goto(`${api.address}/account`);
      await page.getByRole("button", { name: "End: 203.0.113.9" }).click();
      await page.getByText("That browser must sign in again.").waitFor();
      await page.keyboard.press("Escape");
      await page.getByRole("button", { name: "Remove: backup" }).click();
      await page.getByText("Programs that use it are refused at once.").waitFor();
      assert.equal(api.asked.filter(({ key }) => key.startsWith("DELETE")).length, 2);
    },
    { routes },
  );
});

test("2: Back restores rows, scroll position and selection", async () => {
  await on("/events", async (page, api, events) => {
    await page.getByRole("button", { name: "Load older events" }).click();
    await page.waitForFunction(() => document.querySelector(".grid").getAttribute("aria-rowcount") === "101");
    const chosen = events[70].id;
    await page.evaluate(() => scrollTo(0, 70 * 34));
    await row(page, chosen).locator(".event-what").click();
    await page.locator(".side-panel .match-choice, .side-panel .facts").first().waitFor();
    const y = await page.evaluate(() => scrollY);
    assert.ok(y > 1500, String(y));
    await page.locator(".side-panel-head a").click();
    await page.waitForURL(`**/events/${chosen}`);
    await page.locator("h1").waitFor();
    const asked = () => api.asked.filter(({ key, query }) => key === "GET /api/events" && !query.includes("since")).length;
    const before = asked();
    await page.goBack();
    await page.locator(".side-panel").waitFor();
    await page.waitForFunction((y) => Math.abs(scrollY - y) < 3, y);
    await page.goBack();
    await page.locator(".side-panel").waitFor({ state: "detached" });
    await page.waitForFunction((y) => Math.abs(scrollY - y) < 3, y);
    assert.match(await row(page, chosen).getAttribute("class"), /selected/);
    assert.equal(await page.locator(".grid").getAttribute("aria-rowcount"), "101");
    assert.equal(asked(), before, "the rows are not fetched again");
    // the same after another page
    await page.keyboard.press("g");
    await page.keyboard.press("t");
    await page.waitForURL("**/tuning");
    await page.goBack();
    await row(page, chosen).waitFor();
    await page.waitForFunction((y) => Math.abs(scrollY - y) < 3, y);
    await page.waitForFunction(() => document.activeElement?.getAttribute("role") === "grid");
  });
});

test("the list is sorted by time from its head, by mouse and keyboard; other heads do not look as if they sorted", async () => {
  await on("/events?outcome=blocked", async (page, api, events) => {
    const head = page.getByRole("columnheader", { name: "Time" });
    assert.equal(await head.getAttribute("aria-sort"), "descending");
    assert.equal(await page.locator("thead button").count(), 1);
    assert.equal(await page.locator("thead [aria-sort]").count(), 1);
    await head.getByRole("button").click();
    await row(page, events.at(-1).id).waitFor();
    assert.equal(await page.locator(".event-row").first().getAttribute("data-id"), events.at(-1).id);
    assert.equal(await head.getAttribute("aria-sort"), "ascending");
    assert.equal(new URL(page.url()).searchParams.get("order"), "oldest");
    await page.getByRole("button", { name: "Load newer events" }).click();
    await page.locator('.grid[aria-rowcount="101"]').waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "Load newer events", "the focus stays");
    const asked = api.asked.filter(({ key }) => key === "GET /api/events").map(({ query }) => new URLSearchParams(query));
    assert.deepEqual([asked.at(-1).get("order"), asked.at(-1).get("before")], ["oldest", events.at(-50).id]);
    // a stream of newer events has no place at the begin of this list
    assert.equal(api.tails(), 0);
    // a filter and a reload keep the order, and so does the way back
    await page.locator(".col-client .filtering").first().click();
    await page.waitForURL(/outcome=blocked&[a-z]+=[^&]+&order=oldest$/);
    await page.reload();
    await row(page, events.at(-1).id).waitFor();
    await page.goBack();
    await page.waitForURL(/outcome=blocked&order=oldest$/);
    // by keyboard
    await head.getByRole("button").focus();
    await page.keyboard.press("Enter");
    await page.waitForURL(/outcome=blocked$/);
    await row(page, events[0].id).waitFor();
    assert.equal(await head.getAttribute("aria-sort"), "descending");
    await page.setViewportSize({ width: 360, height: 800 });
    const box = await head.getByRole("button").boundingBox();
    assert.ok(box.x >= 0 && box.height >= 24 && box.width >= 24, JSON.stringify(box));
  });
});

test("4: refused events are not said to have passed", async () => {
  await on("/incidents", async (page) => {
    const lines = await page.locator(".incident-row").allInnerTexts();
    assert.ok(lines[0].includes("1 not stopped") && lines[1].includes("all stopped"), lines.join("\n"));
  });
});

test("what is filtered is exported", async () => {
  await on("/events?outcome=blocked&since=2026-11-30T00:00:00Z", async (page) => {
    await page.getByRole("button", { name: "Export" }).click();
    const links = await page.locator(".menu-body a").evaluateAll((all) => all.map((one) => one.getAttribute("href")));
    const filter = "outcome=blocked&since=2026-11-30T00%3A00%3A00Z";
    assert.deepEqual(links, [`/api/events/export?${filter}&format=csv`, `/api/events/export?${filter}&format=jsonl`]);
  });
});

test("9: a channel that has sent nothing is not said to work", async () => {
  await on("/notices", async (page) => {
    const badge = (name) => page.locator(".panel", { hasText: name }).locator(".badge");
    assert.equal(await badge("mail").getAttribute("class"), "badge plain");
    assert.equal(await badge("mail").innerText(), "Not tried yet");
    assert.equal(await badge("ops").getAttribute("class"), "badge good");
    assert.equal(await badge("hook").getAttribute("class"), "badge bad");
  });
});

test("10: what other programs call it is understood, or answered", async () => {
  await on("/events", async (page, api, events) => {
    const input = page.getByRole("combobox", { name: "Query" });
    const typed = async (text) => {
      await input.fill(text);
      await input.press("Escape");
      await input.press("Enter");
    };
    for (const [text, search, shown] of [
      ["site:shop", "?subject=shop", "subject=shop"],
      ["status>400", "?status=401-", "status=401-"],
      ["status:403", "?status=403", "status=403"],
      ["NOT site:shop", "?subject=%21shop", "subject=!shop"],
      ["status:403 OR status:404", "?status=403&status=404", "status=403 status=404"],
      ["ip=203.0.113.7", "?client=203.0.113.7", "client=203.0.113.7"],
      ["203.0.113.7", "?client=203.0.113.7", "client=203.0.113.7"],
      ["-status:200", "?status=%21200", "status=!200"],
      ["score>=5", "?score=5", "score=5"],
      ['path:"/a b"', "?path=%2Fa+b", 'path="/a b"'],
      ["http://example.org/x", "?text=http%3A%2F%2Fexample.org%2Fx", "text=http://example.org/x"],
    ]) {
      await typed(text);
      await page.waitForFunction((search) => location.search === search, search, { timeout: 3000 }).catch(async () => assert.fail(`${text}: ${page.url()}`));
      assert.equal(await input.inputValue(), shown);
    }
    for (const [text, answer] of [
      ["site:shop OR status:403", "OR works only between values of one filter."],
      ["colour:red", "Unknown filter “colour”. Quote it to search for the text."],
      ["(site:shop status:403)", "Parentheses are not supported."],
      ["site>shop", "Only numbers have an order"],
    ]) {
      await typed(text);
      await page.locator(".query-errors", { hasText: answer }).waitFor();
    }
    await typed(events[3].id);
    await page.waitForURL(`**/events/${events[3].id}`);
  });
});

test("10: values of every property are completed, rules by their message", async () => {
  await on("/events", async (page) => {
    const input = page.getByRole("combobox", { name: "Query" });
    await input.fill("rule=shell");
    await page.getByRole("option", { name: "Remote Command Execution" }).click();
    assert.equal(await input.inputValue(), "rule=932160 ");
    await input.fill("client=2001");
    await page.getByRole("option", { name: "2001:db8:77::19" }).waitFor();
    await input.fill("kind=login");
    await page.getByRole("option", { name: "login.accepted" }).waitFor();
    // stored values that no listed event has
    await input.fill("host=on");
    await page.getByRole("option", { name: "only-stored.example" }).click();
    assert.equal(await input.inputValue(), "host=only-stored.example ");
  });
});

test("11: new events are announced by themselves, and shown on request", async () => {
  await on("/events?outcome=blocked", async (page, api, events) => {
    for (let tries = 0; api.tails() === 0 && tries < 100; tries++) await new Promise((done) => setTimeout(done, 50));
    const fresh = Array.from({ length: 12 }, (_, at) => event({ id: `01N${String(at).padStart(23, "0")}`, time: new Date(NOW.getTime() + at).toISOString() }));
    for (const one of fresh) api.push("event", one);
    api.push("event", events[0]);
    await page.getByText("12 new events").waitFor();
    assert.equal(await page.locator(".event-row").first().getAttribute("data-id"), events[0].id, "rows do not move by themselves");
    await page.getByRole("button", { name: "Show new events" }).click();
    await row(page, fresh[11].id).waitFor();
    assert.equal(await page.locator(".event-row").first().getAttribute("data-id"), fresh[11].id);
    await page.getByText("12 new events").waitFor({ state: "detached" });
    assert.equal(api.asked.find(({ key }) => key === "GET /api/live").query, "outcome=blocked");
  });
});

test("11: a page that nobody sees holds no connection, and shows afterwards what came meanwhile", async () => {
  const see = (page, hidden) =>
    page.evaluate((hidden) => {
      Object.defineProperty(document, "hidden", { get: () => hidden, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }, hidden);
  const tails = async (api, count) => {
    for (let tries = 0; api.tails() !== count && tries < 100; tries++) await new Promise((done) => setTimeout(done, 50));
    assert.equal(api.tails(), count);
  };
  await on("/events?outcome=blocked", async (page, api, events) => {
    await tails(api, 1);
    await see(page, true);
    await tails(api, 0);
    const fresh = Array.from({ length: 3 }, (_, at) => event({ id: `01N${String(at).padStart(23, "0")}`, time: new Date(NOW.getTime() + at).toISOString() }));
    api.routes["GET /api/events"] = { status: 200, body: { events: [...fresh].reverse().concat(events.filter(({ id }) => id <= events[0].id).slice(0, 90)), next: null, searched_to: null } };
    await see(page, false);
    await tails(api, 1);
    await page.getByText("3 new events").waitFor();
    await page.getByRole("button", { name: "Show new events" }).click();
    assert.equal(await page.locator(".event-row").first().getAttribute("data-id"), fresh[2].id);
    // more than is fetched: the list begins anew
    await see(page, true);
    await tails(api, 0);
    const many = Array.from({ length: 100 }, (_, at) => event({ id: `01P${String(99 - at).padStart(23, "0")}`, time: new Date(NOW.getTime() + 1000 - at).toISOString() }));
    api.routes["GET /api/events"] = { status: 200, body: { events: many, next: null, searched_to: null } };
    await see(page, false);
    await page.getByText("100+ new events").waitFor();
    await page.getByRole("button", { name: "Show new events" }).click();
    await row(page, many[0].id).waitFor();
    assert.equal(await row(page, fresh[2].id).count(), 0);
  });
});

test("12: the question before an undo shows what the undo changes", async () => {
  await on("/history", async (page) => {
    await page.getByRole("button", { name: "Undo" }).click();
    const dialog = page.locator("dialog");
    assert.equal((await dialog.locator(".diff .taken").innerText()).trim(), "-SecRule new");
    assert.equal(await dialog.locator(".diff .added").count(), 0);
    assert.equal((await dialog.locator(".diff .where").innerText()).trim(), "@@ -1,2 +1 @@");
    assert.match(await dialog.locator(".change-about").innerText(), /−\s*941100/);
  });
});

test("14: a zoom leads back to the range from which it came", async () => {
  await on("/?range=90d", async (page) => {
    await page.locator(".histogram-frame").focus();
    await page.keyboard.press("End");
    await page.keyboard.press("Enter");
    await page.waitForURL("**since=*");
    await page.getByRole("button", { name: "Back to 90 days" }).click();
    await page.waitForURL("**/?range=90d");
    assert.equal(await page.getByRole("button", { name: "90 days" }).getAttribute("aria-pressed"), "true");
  });
});

test("attacks that the site answered are a red bar of their own; days are those of the visitor's zone", async () => {
  const fills = (page) =>
    page.$$eval(".histogram rect[class^=fill-]", (all) => Object.fromEntries(all.map((one) => [one.getAttribute("class"), getComputedStyle(one).fill])));
  const asked = (api) => new URLSearchParams(api.asked.findLast(({ key }) => key === "GET /api/overview").query);
  const reading = async (page, key) => {
    await page.locator(".histogram-frame").focus();
    await page.keyboard.press(key);
    return (await page.locator(".histogram-reading").innerText()).replace(/\s+/g, " ");
  };
  for (const path of ["/?range=7d", "/events?since=7d"]) {
    await on(path, async (page, api) => {
      assert.deepEqual(await page.locator(".legend li").allInnerTexts().then((all) => all.slice(0, 3)), ["not blocked", "blocked", "detected"]);
      await page.locator(".histogram .fill-bad").first().waitFor({ state: "attached" });
      const colours = await fills(page);
      assert.match(colours["fill-bad"], /^rgb\((1[6-9]|2\d)\d, \d{1,2}, \d{1,2}\)$/);
      assert.ok(colours["fill-neutral"] && colours["fill-warn"] && new Set(Object.values(colours)).size >= 3, JSON.stringify(colours));
      const query = asked(api);
      assert.deepEqual([query.get("step"), query.get("offset")], ["day", "540"]);
      assert.match(await reading(page, "End"), /^30 Nov /);
      await page.keyboard.press("Enter");
      await page.waitForURL("**since=*until=*");
      const { searchParams } = new URL(page.url());
      assert.deepEqual([searchParams.get("since"), searchParams.get("until")], ["2026-11-29T15:00:00.000Z", "2026-11-30T15:00:00.000Z"]);
    });
  }
  // clocks go back on 25 October in Berlin: that day has 25 hours
  await on("/?since=2026-10-20T10:00:00Z&until=2026-10-28T10:00:00Z", async (page, api) => {
    const { query } = api.asked.find(({ key }) => key === "GET /api/overview");
    const [step, since, until] = ["step", "since", "until"].map((name) => new URLSearchParams(query).get(name));
    assert.deepEqual([step, since, until], ["hour", "2026-10-19T22:00:00.000Z", "2026-10-28T23:00:00.000Z"]);
    assert.match(await reading(page, "Home"), /^20 Oct /);
    for (let day = 21; day <= 25; day++) assert.match(await reading(page, "ArrowRight"), new RegExp(`^${day} Oct `));
    await page.keyboard.press("Enter");
    await page.waitForURL("**since=2026-10-24T22*until=2026-10-25T23*");
  }, { timezoneId: "Europe/Berlin" });
});

test("15: chips, query and rows say local time, and the zone stands there once", async () => {
  const since = "2026-11-29T16:00:00Z";
  await on(`/live?since=${since}`, async (page, api) => {
    assert.match(await page.locator(".chip").innerText(), /30 Nov 2026, 01:00:00/);
    assert.equal(await page.getByRole("combobox", { name: "Query" }).inputValue(), "since=2026-11-30T01:00");
    await page.goto(`${api.address}/events?since=${since}&until=2026-11-30T03:00:00Z`);
    await page.locator(".event-row").first().waitFor();
    const text = await page.locator("main").innerText();
    assert.ok(!/\dZ\b|T\d\d:\d\d/.test(text), text);
    assert.equal(text.split("Asia/Tokyo").length, 2, "once");
    // applying the query as it is shown changes nothing
    const input = page.getByRole("combobox", { name: "Query" });
    await input.focus();
    await input.press("Escape");
    await input.press("Enter");
    const query = new URL(page.url()).searchParams;
    assert.equal(Date.parse(query.get("since")), Date.parse(since));
    // by dragging over the histogram
    const box = await page.locator(".histogram-frame").boundingBox();
    await page.mouse.move(box.x + box.width * 0.5, box.y + 40);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.8, box.y + 40, { steps: 3 });
    await page.mouse.up();
    await page.waitForFunction((before) => new URLSearchParams(location.search).get("since") !== before, query.get("since"));
    assert.match(new URL(page.url()).searchParams.get("since"), /Z$/);
    for (const [name, value] of [["1 hour", "?since=1h"], ["All", ""]]) {
      await page.getByRole("button", { name, exact: true }).click();
      await page.waitForFunction((value) => location.search === value, value);
    }
  });
});

test("18: the focus is at the heading of what was opened, and returns to the row", async () => {
  await on("/events", async (page, api, events) => {
    await row(page, events[2].id).locator(".event-what").click();
    await page.waitForFunction(() => document.activeElement?.matches(".side-panel h2"));
    await page.keyboard.press("Escape");
    await page.waitForFunction(() => document.activeElement?.getAttribute("role") === "grid");
    assert.match(await row(page, events[2].id).getAttribute("class"), /selected/);
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.activeElement?.matches(".side-panel h2"));
    await page.locator(".side-panel-head a").click();
    await page.waitForURL(`**/events/${events[2].id}`);
    await page.waitForFunction(() => document.activeElement?.tagName === "H1");
    for (const path of ["/incidents", "/findings", "/notices"]) {
      await page.locator(`nav a[href='${path}']`).click();
      await page.waitForFunction((path) => location.pathname === path && document.activeElement?.tagName === "H1", path);
    }
    assert.equal(await focus(page), "H1");
  });
});

test("19: the rows are one stop of Tab; arrow keys reach rows and the buttons in them", async () => {
  await on("/events", async (page, api, events) => {
    const stops = await page.evaluate(() => [...document.querySelectorAll(".grid, .grid tbody *")].filter((one) => one.tabIndex >= 0 && one.matches("a, button, [tabindex]")).length);
    assert.equal(stops, 1);
    await page.getByRole("button", { name: "Columns" }).focus();
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement?.getAttribute("role")), "grid");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowDown");
    assert.match(await row(page, events[2].id).getAttribute("class"), /selected/);
    const active = () => page.evaluate(() => document.getElementById(document.activeElement.getAttribute("aria-activedescendant"))?.innerText);
    for (let press = 0; press < 3; press++) await page.keyboard.press("ArrowRight");
    assert.equal(await active(), events[2].actor.address);
    await page.keyboard.press("Alt+Enter");
    await page.waitForURL(`**/events?client=%21${encodeURIComponent(events[2].actor.address)}`);
  });
});

test("20: messages end with the session", async () => {
  const routes = { "POST /api/notices/ops/test": { status: 401, body: { error: "the session has ended", code: "session.ended" } } };
  await on(
    "/events",
    async (page) => {
      await page.evaluate(() => Object.defineProperty(navigator, "clipboard", { value: { writeText: () => Promise.reject(new Error("no")) } }));
      await page.getByRole("button", { name: "Copy link" }).click();
      await page.locator(".toast.failed").waitFor();
      await page.locator("nav a[href='/notices']").click();
      await page.getByRole("button", { name: "Send test: ops" }).click();
      await page.waitForURL("**/signin?next=%2Fnotices");
      await page.locator(".alone").waitFor();
      assert.equal(await page.locator(".toast").count(), 0);
    },
    { routes },
  );
});

test("21: wide screens are used, or the content is centred", async () => {
  await on(
    "/events",
    async (page, api) => {
      for (const path of ["/", "/events", "/live", "/incidents", "/findings", "/logins", "/tuning", "/learning", "/history", "/notices", "/account", "/users", "/audit"]) {
        await page.goto(api.address + path);
        await page.locator("h1").waitFor();
        const { left, right } = await page.evaluate(() => {
          const [main, content] = [document.querySelector("main"), document.querySelector(".page")].map((one) => one.getBoundingClientRect());
          return { left: content.left - main.left, right: main.right - content.right };
        });
        assert.ok(Math.abs(left - right) < 2, `${path}: ${left} left, ${right} right`);
      }
    },
    { viewport: { width: 2560, height: 1300 } },
  );
});

test("22: no band stands behind times", async () => {
  await on("/events", async (page, api) => {
    for (const path of ["/events", "/incidents", "/logins", "/users", "/audit", "/history"]) {
      await page.goto(api.address + path);
      await page.locator("main time").first().waitFor();
      const grounds = await page.evaluate(() =>
        [...document.querySelectorAll("main time")].flatMap((time) => [time, time.parentElement].map((one) => getComputedStyle(one).backgroundColor)),
      );
      assert.deepEqual([...new Set(grounds)], ["rgba(0, 0, 0, 0)"], path);
    }
  });
});

test("targets are at least 24 pixels", async () => {
  for (const viewport of [{ width: 1280, height: 900 }, { width: 360, height: 780 }]) {
    await on(
      "/events?outcome=blocked",
      async (page, api) => {
        for (const path of ["/events?outcome=blocked", "/", "/incidents", "/findings", "/users", "/account", "/history", "/tuning"]) {
          await page.goto(api.address + path);
          await page.locator("h1").waitFor();
          const small = await page.evaluate(() =>
            [...document.querySelectorAll("button, select, summary, a.button, nav a, input:not([type=checkbox], [type=radio], [aria-hidden])")]
              .filter((one) => one.checkVisibility())
              .map((one) => [one.getBoundingClientRect(), one])
              .filter(([box]) => box.width > 0 && (box.height < 24 || box.width < 24))
              .map(([box, one]) => `${Math.round(box.width)}×${Math.round(box.height)} ${one.outerHTML.slice(0, 90)}`),
          );
          assert.deepEqual(small, [], `${path} at ${viewport.width}`);
        }
      },
      { viewport },
    );
  }
});

test("a key that is pressed while a page loads opens nothing later", async () => {
  let answer;
  const held = new Promise((done) => (answer = done));
  const exclusions = lively(scene())["GET /api/exclusions"];
  const routes = { "GET /api/exclusions": () => held.then(() => exclusions) };
  await on("/history", async (page) => {
    await page.evaluate(() => document.querySelector('a[href="/tuning"]').click());
    await page.locator(".loading").waitFor();
    await page.keyboard.press("n");
    answer();
    await page.locator(".exclusion").waitFor();
    assert.equal(await page.locator("dialog[open]").count(), 0);
    await page.keyboard.press("n");
    await page.locator("dialog[open]").waitFor();
  }, { routes });
});

test("long names and names from right to left stay within cards, rows and panels", async () => {
  const names = ["x".repeat(300), "مرحبا بالعالم ".repeat(20)];
  const events = scene().map((one, at) => ({ ...one, subject: names[at % 2], actor: { user: names[at % 2] }, summary: names.join(" ") }));
  const [, incident] = lively(events)["GET /api/incidents"].incidents;
  const incidents = names.map((name, at) => ({ ...incident, id: `i${at}`, actor: name, target: name, categories: [{ category: name, count: 3 }] }));
  const routes = { "GET /api/incidents": { incidents, next: null } };
  for (const width of [360, 1280]) {
    for (const path of ["/events", "/incidents", "/incidents?open=i0"]) {
      await on(path, async (page) => {
        const cut = await page.locator("tr.row").evaluateAll((all) =>
          all.slice(0, 8).flatMap((row) => {
            const { top, bottom } = row.getBoundingClientRect();
            const out = (cell) => cell.getClientRects().length > 0 && (cell.getBoundingClientRect().top < top - 1 || cell.getBoundingClientRect().bottom > bottom + 1);
            return [...row.children].filter(out).map((cell) => cell.className);
          }),
        );
        assert.deepEqual(cut, [], `${path} at ${width}`);
        const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(wider <= 0, `${path} is ${wider} pixels too wide for ${width}`);
        if (path.includes("open")) assert.ok((await page.locator(".side-panel-title").boundingBox()).height < 100);
      }, { events, routes, viewport: { width, height: 800 } });
    }
  }
});

test("forced colours keep all bars of a histogram apart", async () => {
  await on("/events?since=24h", async (page) => {
    await page.locator(".histogram .fill-rest").first().waitFor({ state: "attached" });
    const fills = await page.$$eval(".histogram rect[class^=fill-]", (all) => [...new Set(all.map((one) => getComputedStyle(one).fill))]);
    assert.equal(fills.length, 4, fills.join());
  }, { forcedColors: "active" });
});
