// A scripted API, for situations that a real gate shows only under load or by chance, such as long counts, a live view that loses
// events, or two browsers that change the same exclusion. It serves the built page with the policy of the real console.
import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const PROPERTIES = JSON.parse(readFileSync(join(import.meta.dirname, "../unit/properties.json"), "utf8"));
const dist = join(import.meta.dirname, "../../dist");
const TYPES = { ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };
export const POLICY =
  "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const NO_COUNTS = { series: [], totals: {}, top: {}, complete: true };

/** Starts the API. `routes` maps `METHOD /path` to JSON, or to a function of the URL and the body that returns it. */
export async function startApi(routes) {
  const asked = [];
  const tails = new Set();
  const server = createServer(async (request, response) => {
    const url = new URL(request.url, "http://localhost");
    response.setHeader("Content-Security-Policy", POLICY);
    response.setHeader("X-Content-Type-Options", "nosniff");
    if (!url.pathname.startsWith("/api/") && url.pathname !== "/healthz") return page(url, response);
    let body = "";
    for await (const piece of request) body += piece;
    const key = `${request.method} ${url.pathname}`;
    asked.push({ key, query: url.search.slice(1), body: body ? JSON.parse(body) : undefined });
    if (key === "GET /api/live") {
      const refusal = typeof routes[key] === "function" ? routes[key]() : undefined;
      if (refusal) return json(response, refusal.status, refusal.body);
      response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
      // a browser reconnects after 3 seconds by default
      response.write("retry: 100\n\n");
      tails.add(response);
      response.on("close", () => tails.delete(response));
      return;
    }
    if (key === "GET /api/properties") return json(response, 200, PROPERTIES);
    if (key === "GET /api/parts" && !routes[key]) return json(response, 200, []);
    if (key === "GET /api/overview" && !routes[key]) return json(response, 200, NO_COUNTS);
    if (key === "GET /healthz" && !routes[key]) return json(response, 200, HEALTH);
    let answer = routes[key] ?? Object.entries(routes).find(([name]) => name.endsWith("*") && key.startsWith(name.slice(0, -1)))?.[1];
    if (typeof answer === "function") answer = await answer(url, body ? JSON.parse(body) : undefined);
    if (answer === undefined) return json(response, 404, { error: `there is no ${key}` });
    const { status = 200, ...rest } = answer.status ? answer : { answer };
    json(response, status, rest.answer ?? rest.body ?? null);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    address: `http://127.0.0.1:${server.address().port}`,
    asked,
    routes,
    /** Sends a message of the stream to every open live view. */
    push(name, data, id = "1") {
      for (const tail of tails) tail.write(`event: ${name}\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`);
    },
    /** Returns the number of open live views. */
    tails: () => tails.size,
    /** Breaks every stream. */
    cut() {
      for (const tail of tails) tail.destroy();
    },
    stop() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

function json(response, status, value) {
  response.writeHead(status, { "Content-Type": "application/json" });
  response.end(JSON.stringify(value));
}

function page(url, response) {
  const asset = /^\/assets\/([\w.-]+)$/.exec(url.pathname);
  const path = join(dist, asset ? `${asset[1]}.gz` : "index.html");
  try {
    const content = readFileSync(path);
    const type = asset ? TYPES[/\.\w+$/.exec(asset[1])?.[0]] : "text/html; charset=utf-8";
    response.writeHead(200, { "Content-Type": type, ...(asset ? { "Content-Encoding": "gzip" } : {}) });
    response.end(content);
  } catch {
    response.writeHead(404).end();
  }
}

let serial = 0;

/** Returns an event of the API; `request` changes its evidence. */
export function event(change = {}, request = {}) {
  serial += 1;
  return {
    v: 2,
    id: `01M86FYNWH4TW6${String(serial).padStart(12, "0")}`,
    time: new Date(Date.UTC(2026, 10, 24, 9, 0, 0) - serial * 1000).toISOString().replace("Z", "000Z"),
    node: "vps1",
    gate: "request",
    kind: "request.blocked",
    outcome: "blocked",
    severity: "critical",
    subject: "shop",
    actor: { address: "203.0.113.7", port: 38596 },
    ...change,
    evidence: {
      request: {
        line: 'GET /search?name="><script>alert(1)</script>&page=2 HTTP/1.1',
        headers: [
          ["Host", "shop.example"],
          ["User-Agent", "curl/8.5"],
          ["Accept", "*/*"],
        ],
        response: { status: 403, headers: [["Content-Type", "text/html"]] },
        rules: [
          {
            id: 941100,
            phase: 2,
            message: "XSS Attack Detected via libinjection",
            severity: "critical",
            tags: ["attack-xss", "paranoia-level/1"],
            file: "/usr/share/modsecurity-crs/rules/REQUEST-941-APPLICATION-ATTACK-XSS.conf",
            line: 55,
            operator: "detectXSS",
            detail: "detected XSS using libinjection.",
            variable: "ARGS:name",
            value: '"><script>alert(1)</script>',
          },
          {
            id: 941110,
            phase: 2,
            message: "XSS Filter - Category 1: Script Tag Vector",
            severity: "critical",
            tags: ["attack-xss", "paranoia-level/1"],
            file: "/usr/share/modsecurity-crs/rules/REQUEST-941-APPLICATION-ATTACK-XSS.conf",
            line: 82,
            operator: "rx",
            argument: "(?i)<script[^>]*>",
            variable: "ARGS:name",
            value: '"><script>alert(1)</script>',
            matched: "<script>",
          },
          {
            id: 949110,
            phase: 2,
            message: "Inbound Anomaly Score Exceeded (Total Score: 10)",
            severity: "critical",
            line: 81,
            operator: "ge",
            argument: "5",
            variable: "TX:ANOMALY_SCORE",
            value: "10",
            disruptive: { deny: { status: 403 } },
          },
        ],
        scores: { inbound: 10, outbound: 0, categories: { xss: 10 } },
        durations: { phases_us: [120, 800, 0, 0, 90], total_us: 1400 },
        engine: "on",
        ...request,
      },
    },
  };
}

export const SESSION = { user: "ada", role: "owner", csrf: "token", second_factor: true, passkeys: 0 };

export const HEALTH = { status: "ok", findings: [], waiting: 0, lost: 0, ingested: 0, removed: 0, unindexed: 0, rules: 1 };
