// Takes pictures into docs/images, over the scripted API: the page of logins; and Events, Event and Findings in both themes, both
// languages, wide and on a phone. `make screenshots` runs it, and the tests of the gallery for the pictures of the blocks.
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { event, HEALTH, SESSION, startApi } from "./api.fixture.mjs";
import { NOW as TODAY, routes as lively, scene } from "./scene.fixture.mjs";

const images = join(import.meta.dirname, "../../../docs/images");
const NOW = new Date("2026-11-30T12:00:00Z");

/** Returns an event of a login. */
const login = (time, user, address, evidence, change = {}) => ({
  ...event(),
  time,
  gate: "login",
  kind: "login.accepted",
  outcome: "accepted",
  severity: "notice",
  subject: "sshd",
  actor: { user, address },
  evidence: { login: { service: "sshd", ...evidence } },
  ...change,
});
const key = (comment) => ({ method: "publickey", key: { algorithm: "ED25519", fingerprint: "SHA256:sLB8sPuU", comment } });
const failed = (time, address, users) => {
  const tries = users.reduce((sum, { tries }) => sum + tries, 0);
  return login(time, undefined, address, { tries, users }, { kind: "login.failed", outcome: "denied" });
};
const tried = (user, tries) => ({ user, tries });

const accepted = [
  login("2026-11-30T11:52:10Z", "alice", "203.0.113.7", { ...key("alice@phone"), country: "DE", new: ["country", "key"] }, { severity: "warning" }),
  login("2026-11-30T08:04:46Z", "alice", "192.0.2.61", { ...key("alice@laptop"), country: "JP" }),
  login("2026-11-29T21:15:02Z", "backup", "2001:db8:77::19", { ...key("backup@nas"), country: "JP" }),
  login("2026-11-29T08:01:33Z", "alice", "192.0.2.61", { ...key("alice@laptop"), country: "JP" }),
  login("2026-11-28T19:40:00Z", "root", undefined, { service: "login" }),
];
const tries = [
  failed("2026-11-30T11:31:00Z", "198.51.100.24", [tried("root", 9120), tried("admin", 880)]),
  failed("2026-11-30T10:02:00Z", "203.0.113.88", [tried("ubuntu", 210), tried("test", 35), tried("git", 12)]),
  failed("2026-11-30T08:04:30Z", "192.0.2.61", [tried("alice", 1)]),
];
const session = (user, address, since, terminal) => ({ user, service: "sshd", address, since, method: "publickey", key: "SHA256:sLB8sPuU", terminal });
const api = await startApi({
  "GET /api/session": SESSION,
  "GET /healthz": { status: 200, body: HEALTH },
  "GET /api/logins": {
    reading: true,
    sessions: [session("alice", "203.0.113.7", "2026-11-30T11:52:10Z", "pts/1"), session("backup", "2001:db8:77::19", "2026-11-29T21:15:02Z", null)],
    trying: [{ address: "198.51.100.140", tries: 17 }],
  },
  "GET /api/events": (url) => ({ events: url.searchParams.get("kind") === "login.accepted" ? accepted : tries, next: null, searched_to: null }),
});
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
for (const [name, locale] of [["logins", "en"], ["logins-ja", "ja"]]) {
  const context = await browser.newContext({ viewport: { width: 1200, height: 800 }, timezoneId: "UTC" });
  const page = await context.newPage();
  await page.clock.setFixedTime(NOW);
  await page.addInitScript((chosen) => localStorage.setItem("monban.language", chosen), locale);
  await page.goto(`${api.address}/logins`);
  await page.locator(".timeline section").nth(2).waitFor();
  await page.screenshot({ path: join(images, `${name}.png`) });
  await context.close();
}

const events = scene();
const one = events.find(({ outcome }) => outcome === "detected").id;
const gate = await startApi(lively(events));
const folder = join(images, "console");
mkdirSync(folder, { recursive: true });
for (const locale of ["en", "ja"]) {
  for (const colorScheme of ["light", "dark"]) {
    for (const [size, viewport] of [["wide", { width: 1440, height: 900 }], ["phone", { width: 360, height: 740 }]]) {
      const context = await browser.newContext({ viewport, colorScheme, timezoneId: "Asia/Tokyo", reducedMotion: "reduce", deviceScaleFactor: size === "phone" ? 2 : 1 });
      const page = await context.newPage();
      await page.clock.setFixedTime(TODAY);
      await page.addInitScript((chosen) => localStorage.setItem("monban.language", chosen), locale);
      for (const [name, path, shown] of [
        ["events", size === "wide" ? `/events?since=24h&open=${one}` : "/events?since=24h", size === "wide" ? ".side-panel .bytes" : ".event-row"],
        ["event", `/events/${one}`, ".match-choice"],
        ["findings", "/findings", ".finding"],
      ]) {
        await page.goto(gate.address + path);
        await page.locator(shown).first().waitFor();
        await page.waitForFunction(() => document.querySelector(".loading") === null);
        await page.screenshot({ path: join(folder, `${name}-${locale}-${colorScheme}-${size}.png`) });
      }
      await context.close();
    }
  }
}
await gate.stop();
await browser.close();
await api.stop();
for (const shrunk of [images, folder, join(images, "gallery")]) {
  const pictures = readdirSync(shrunk).filter((name) => name.endsWith(".png"));
  for (const name of pictures) {
    execFileSync("pngquant", ["--force", "--strip", "--speed", "1", "--output", name, "64", name], { cwd: shrunk });
  }
}
