// Browser windows in front of one monban. Each records problems that must never occur.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import http from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";

const { chromium } = createRequire(new URL("../../web/package.json", import.meta.url))("playwright-core");

/** Milliseconds that anything may take to appear. No test depends on less. */
const DEADLINE_MS = 60_000;

export const OWNER = { user: "mika", password: "correct horse battery" };

export class Bench {
  checks = 0;
  visitors = [];

  static async start(environment) {
    const bench = new Bench();
    bench.console = `http://localhost:${environment.MONBAN_CONSOLE.split(":").pop()}`;
    bench.gate = `http://${environment.MONBAN_GATE}`;
    bench.link = environment.MONBAN_LINK;
    bench.images = environment.MONBAN_IMAGES;
    bench.folder = environment.MONBAN_FOLDER;
    bench.binary = environment.MONBAN_BINARY;
    bench.config = environment.MONBAN_CONFIG;
    // each window has its own context in a new profile, which playwright creates and removes
    bench.browser = await chromium.launch({
      executablePath: environment.MONBAN_CHROMIUM ?? "/usr/bin/chromium",
      args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"],
    });
    return bench;
  }

  async stop() {
    await this.browser.close();
  }

  /** Counts an assertion. */
  ok(value, message) {
    this.checks++;
    assert.ok(value, message);
  }

  equal(found, expected, message) {
    this.checks++;
    assert.deepEqual(found, expected, message);
  }

  /** Opens a new window without stored data. */
  async visitor({ width = 1280, height = 860, locale = "en-GB", scheme = "light", scale = 1 } = {}) {
    const context = await this.browser.newContext({
      viewport: { width, height },
      locale,
      timezoneId: "Asia/Tokyo",
      colorScheme: scheme,
      deviceScaleFactor: scale,
      reducedMotion: "reduce",
    });
    context.setDefaultTimeout(DEADLINE_MS);
    const visitor = new Visitor(this, context, await context.newPage());
    this.visitors.push(visitor);
    await visitor.watch();
    return visitor;
  }

  /** Opens a window with a signed-in owner; the first one creates the account. */
  async owner(options) {
    const visitor = await this.visitor(options);
    if (this.made) {
      await visitor.signIn(OWNER);
    } else {
      await visitor.setUp(this.link, OWNER);
      this.made = true;
    }
    return visitor;
  }

  /** Asserts that no window recorded a problem. */
  assertClean() {
    for (const visitor of this.visitors) this.equal(visitor.problems, [], "what the browser complained of");
  }

  async keepPicture(name) {
    for (const [index, { page }] of this.visitors.entries()) {
      if (page.isClosed()) continue;
      await page.screenshot({ path: join(this.folder, `${name}-${index}.png`) }).catch(() => {});
    }
  }

  /** Runs a monban command with this configuration. */
  command(...words) {
    return execFileSync(this.binary, [...words, "--config", this.config], { encoding: "utf8" });
  }

  /** Sends a request to the gate with the bytes of `path` unchanged; returns the status. */
  async request(path, { method = "GET", headers = {}, body } = {}) {
    const { hostname, port } = new URL(this.gate);
    return new Promise((resolve, reject) => {
      const request = http.request({ hostname, port, path, method, headers, insecureHTTPParser: true }, (answer) => {
        answer.resume();
        answer.on("end", () => resolve(answer.statusCode));
      });
      request.on("error", reject);
      request.end(body);
    });
  }

  /** Sends a request that the rules block. */
  async attack(path = "/?name=%3Cscript%3Ealert(1)%3C/script%3E", options) {
    this.equal(await this.request(path, options), 403, `${path} is blocked`);
  }
}

export class Visitor {
  /** Problems recorded in this window. */
  problems = [];
  /** Parts of console messages that the case provokes, such as 403 for a viewer. */
  #expected = [];

  constructor(bench, context, page) {
    this.bench = bench;
    this.context = context;
    this.page = page;
  }

  async watch() {
    const { page } = this;
    const own = new URL(this.bench.console).host;
    page.on("console", (message) => {
      if (message.type() !== "error" && message.type() !== "warning") return;
      const from = message.location().url;
      // the API answers 401 without a session
      const signedOut = from.endsWith("/api/session") && / 401 /.test(message.text());
      const expected = this.#expected.some((part) => `${from} ${message.text()}`.includes(part));
      if (!signedOut && !expected) this.problems.push(`console: ${message.text()} (${from})`);
    });
    page.on("pageerror", (error) => this.problems.push(`error: ${error.stack ?? error}`));
    page.on("dialog", (dialog) => {
      this.problems.push(`a dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    this.context.on("request", (request) => {
      const url = new URL(request.url());
      if (url.protocol !== "data:" && url.protocol !== "blob:" && url.host !== own) {
        this.problems.push(`a request to ${url.origin}`);
      }
    });
    await page.exposeFunction("reportViolation", (text) => this.problems.push(`policy: ${text}`));
    await page.addInitScript(() => {
      addEventListener("securitypolicyviolation", (event) => {
        void globalThis.reportViolation(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
      });
    });
  }

  /** Allows console messages that contain `part`. */
  expect(part) {
    this.#expected.push(part);
  }

  /** Opens an address of the console and waits until the page is loaded. */
  async open(path) {
    await this.page.goto(this.bench.console + path);
    await this.settled();
  }

  /** Waits for the heading and until nothing is loading. */
  async settled() {
    await this.page.waitForSelector("h1");
    await this.page.waitForFunction(() => document.querySelector(".loading") === null);
  }

  async setUp(link, { user, password }) {
    await this.open(`/setup${new URL(link).hash}`);
    // an invitation has a user name
    if (await this.page.isEditable("[name=username]")) await this.page.fill("[name=username]", user);
    await this.page.fill("[name=password]", password);
    await this.page.fill("[name=again]", password);
    await this.page.keyboard.press("Enter");
    await this.page.waitForSelector(".shell");
    await this.settled();
  }

  async signIn({ user, password }) {
    await this.open("/signin");
    await this.page.fill("[name=username]", user);
    await this.page.fill("[name=password]", password);
    await this.page.keyboard.press("Enter");
    await this.page.waitForSelector(".shell");
    await this.settled();
  }

  /** Sends an API request as the page does; returns status and JSON. */
  async api(method, path, body) {
    return this.page.evaluate(
      async ([method, path, body]) => {
        const session = await (await fetch("/api/session")).json();
        const answer = await fetch(path, {
          method,
          headers: { "X-CSRF-Token": session.csrf ?? "", ...(body ? { "Content-Type": "application/json" } : {}) },
          ...(body ? { body: JSON.stringify(body) } : {}),
        });
        const text = await answer.text();
        return { status: answer.status, body: text ? JSON.parse(text) : null };
      },
      [method, path, body],
    );
  }

  /** Waits until the store has `count` events that match `filter`; returns them, newest first. */
  async events(count, filter = "") {
    const end = Date.now() + DEADLINE_MS;
    for (;;) {
      const { body } = await this.api("GET", `/api/events?limit=1000&${filter}`);
      if (body.events?.length >= count) return body.events;
      if (Date.now() > end) throw new Error(`${body.events?.length} events instead of ${count}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /** Returns the text of the page. */
  text(selector = "body") {
    return this.page.innerText(selector);
  }
}
