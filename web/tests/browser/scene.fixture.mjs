// A lively gate for the scripted API: events of two days, counts, findings, incidents, users. The same each time.
import { event, HEALTH, SESSION } from "./api.fixture.mjs";

export const NOW = new Date("2026-11-30T12:00:00Z");

const ATTACKS = [
  [941100, "XSS Attack Detected via libinjection", "attack-xss", "/search?q=%3Cscript%3Ealert(1)%3C/script%3E", "ARGS:q", "<script>"],
  [942100, "SQL Injection Attack Detected via libinjection", "attack-sqli", "/products?id=1%27%20OR%20%271%27=%271", "ARGS:id", "1' OR '1'='1"],
  [930120, "OS File Access Attempt", "attack-lfi", "/download?file=../../../../etc/passwd", "ARGS:file", "etc/passwd"],
  [932160, "Remote Command Execution: Unix Shell Code Found", "attack-rce", "/cgi-bin/status?host=;cat%20/etc/passwd", "ARGS:host", "etc/passwd"],
  [913100, "Found User-Agent associated with security scanner", "attack-reputation-scanner", "/wp-login.php", "REQUEST_HEADERS:User-Agent", "nikto"],
  [920440, "URL file extension is restricted by policy", "attack-protocol", "/.env.backup", "TX:EXTENSION", ".backup"],
];
const CLIENTS = ["203.0.113.7", "198.51.100.24", "203.0.113.88", "192.0.2.61", "2001:db8:77::19", "198.51.100.140"];
const SITES = ["shop.example.org", "blog.example.org", "example.org"];

let state = 7;
const random = () => (state = (state * 1_103_515_245 + 12_345) % 2_147_483_648) / 2_147_483_648;
const pick = (list) => list[Math.floor(random() ** 1.7 * list.length)];

/** Returns an event of an attack. */
function attack(time, number) {
  const [id, message, tag, uri, variable, matched] = pick(ATTACKS);
  const roll = random();
  const outcome = roll > 0.25 ? "blocked" : roll > 0.04 ? "detected" : "refused";
  const status = outcome === "blocked" ? 403 : outcome === "refused" ? 400 : roll > 0.15 ? 200 : 404;
  const rule = { id, phase: 2, message, severity: "critical", tags: [tag, "paranoia-level/1"], operator: "rx", variable, value: matched, matched };
  const judge = { id: 949110, phase: 2, message: "Inbound Anomaly Score Exceeded (Total Score: 5)", severity: "critical", operator: "ge", argument: "5", variable: "TX:ANOMALY_SCORE", value: "5" };
  const site = pick(SITES);
  return event(
    {
      id: `01M${String(99_999_999 - number).padStart(23, "0")}`,
      time: time.toISOString(),
      kind: `request.${outcome}`,
      outcome,
      severity: outcome === "refused" ? "notice" : "critical",
      subject: site,
      actor: { address: pick(CLIENTS), port: 40_000 + number },
      ...(outcome === "refused" ? { summary: "Two Content-Length headers" } : {}),
    },
    {
      line: `GET ${uri} HTTP/1.1`,
      headers: [["Host", site], ["User-Agent", "Mozilla/5.0"], ["Accept", "text/html"]],
      response: { status, headers: [["Content-Type", "text/html"]] },
      rules: outcome === "refused" ? [] : [rule, { ...rule, value: `${matched} ` }, judge],
      scores: outcome === "refused" ? undefined : { inbound: 5, outbound: 0, categories: { [tag.replace("attack-", "")]: 5 } },
    },
  );
}

const login = (time, user, kind, outcome, change) => ({
  ...event(),
  id: `01M8Z${time.getTime()}00000000`,
  time: time.toISOString(),
  gate: "login",
  kind,
  outcome,
  severity: "notice",
  subject: "sshd",
  actor: { user, address: "192.0.2.61" },
  summary: outcome === "accepted" ? `${user} signed in with the key ${user}@laptop` : `12 wrong passwords for ${user}`,
  evidence: {},
  ...change,
});

/** Returns `count` events, the newest first. */
export function scene(count = 120) {
  state = 7;
  let time = NOW.getTime() - 40_000;
  return Array.from({ length: count }, (_, number) => {
    time -= Math.floor(random() ** 3 * 3_600_000);
    if (number % 17 === 5) return login(new Date(time), "alice", "login.accepted", "accepted", {});
    if (number % 23 === 11) return login(new Date(time), "root", "login.failed", "denied", { severity: "warning" });
    return attack(new Date(time), number);
  });
}

const text = (en, ja) => ({ en, ja });
export const FINDINGS = [
  {
    code: "store.disk_full",
    severity: "critical",
    subject: "/var/lib/monban",
    evidence: { free_bytes: 1_048_576, waiting: 12 },
    title: text("The disk of the events is full", "イベントを保存するディスクに空きがありません"),
    cause: text("/var/lib/monban has 1 MiB left. 12 events wait in memory.", "/var/lib/monban の空きは 1 MiB です。12 件のイベントがメモリーで待機しています。"),
    cure: text("Free space on the disk, or lower [store] max_bytes and reload.", "ディスクの空きを増やすか、[store] max_bytes を小さくして再読み込みしてください。"),
    undo: text("Restore the former value of max_bytes and reload.", "max_bytes を元の値に戻して再読み込みしてください。"),
    lasting: false,
  },
  {
    code: "notifications.channel_fails",
    severity: "error",
    subject: "ops",
    evidence: { why: "HTTP 404", waiting: 2 },
    title: text("Channel “ops” is failing", "通知先「ops」への送信失敗"),
    cause: text("The last delivery failed: HTTP 404.", "直近の送信に失敗しました: HTTP 404。"),
    cure: text("Check the address of the channel.", "通知先のアドレスを確認してください。"),
    undo: null,
    lasting: false,
  },
  {
    code: "store.damaged",
    severity: "warning",
    subject: "events.db.damaged-1",
    evidence: {},
    title: text("A damaged database was set aside", "破損したデータベースを退避しました"),
    cause: text("events.db could not be read; monban began a new one.", "events.db を読み込めなかったため、新しいデータベースを作成しました。"),
    cure: text("Restore the events from a backup if you need them.", "必要であればバックアップからイベントを復元してください。"),
    undo: null,
    lasting: true,
  },
];

/** Returns the counts of a request for an overview. */
function counts(url) {
  const { searchParams } = url;
  const step = { minute: 60_000, hour: 3_600_000, day: 86_400_000 }[searchParams.get("step")];
  const until = Date.parse(searchParams.get("until"));
  const east = Number(searchParams.get("offset") ?? 0) * 60_000;
  const series = [];
  for (let time = Math.floor((Date.parse(searchParams.get("since")) + east) / step) * step - east; time < until; time += step) {
    // a wave with a burst, without randomness
    const wave = 6 + Math.round(5 * Math.sin(time / step / 3)) + (Math.floor(time / step) % 19 === 4 ? 38 : 0);
    const detected = Math.floor(wave / 3);
    series.push({ time: new Date(time).toISOString(), requests: wave * 40, events: wave + 2, blocked: wave - detected, detected, attacks_answered_below_400: Math.ceil(detected / 3) });
  }
  const sum = (name) => series.reduce((all, one) => all + one[name], 0);
  return {
    series,
    totals: { requests: sum("requests"), events: sum("events"), blocked: sum("blocked"), detected: sum("detected"), attacks_answered_below_400: sum("attacks_answered_below_400") },
    top: {
      rules: ATTACKS.map(([id, message], at) => ({ id, message, count: 130 - 21 * at })),
      clients: CLIENTS.map((name, at) => ({ name, count: 97 - 14 * at })),
      paths: ATTACKS.map(([, , , uri], at) => ({ name: uri.split("?")[0], count: 80 - 11 * at })),
      sites: SITES.map((name, at) => ({ name, count: 130 - 40 * at })),
      kinds: [{ gate: "request", kind: "request.blocked", count: 320 }, { gate: "login", kind: "login.accepted", count: 12 }],
      facts: [],
      countries: [{ code: "JP", count: 120 }, { code: "DE", count: 31 }, { code: "US", count: 9 }],
    },
    complete: true,
  };
}

const INCIDENT = {
  property: "client",
  categories: [{ category: "attack-sqli", count: 9000 }, { category: "scanner", count: 100 }],
  first: "2026-11-30T08:00:00Z",
  last: "2026-11-30T09:00:00Z",
  highest_score: 45,
  rules: [{ id: 942100, count: 9000 }, { id: 913100, count: 100 }],
  course: Array.from({ length: 32 }, (_, at) => Math.round(20 + 18 * Math.sin(at / 3))),
};

/** Returns the routes of the API. */
export function routes(events = scene()) {
  return {
    "GET /api/session": SESSION,
    "GET /healthz": () => ({ status: 200, body: { ...HEALTH, status: "degraded", findings: FINDINGS } }),
    "GET /api/filters": { filters: [{ id: "1", name: "attacks that passed", query: "outcome=detected&status=200-399", shared: true, owner: "ada" }] },
    "GET /api/parts": [
      { name: "gate", pages: [], kinds: [{ name: "request.blocked", severity: "critical", title: text("request blocked", "リクエストの遮断") }] },
      { name: "logins", pages: [], kinds: [{ name: "login.accepted", severity: "notice", title: text("login", "ログイン") }, { name: "login.failed", severity: "warning", title: text("failed logins", "ログイン失敗") }] },
    ],
    "GET /api/overview": counts,
    "GET /api/count": { count: events.length, complete: true, next: null, searched_to: null },
    "GET /api/events": ({ searchParams }) => {
      const before = searchParams.get("before");
      const kind = searchParams.get("kind");
      const limit = Number(searchParams.get("limit") ?? 50);
      const ordered = searchParams.get("order") === "oldest" ? events.toReversed() : events;
      const found = ordered.filter((one) => !kind || one.kind === kind);
      const from = before ? found.findIndex(({ id }) => id === before) + 1 : 0;
      const page = found.slice(from, from + limit);
      return { events: page, next: from + limit < found.length ? page.at(-1).id : null, searched_to: null };
    },
    "GET /api/events/*": ({ pathname }) => {
      const id = pathname.split("/")[3];
      if (pathname.endsWith("/exclusions")) return { version: "v1", in_force: [], proposals: [] };
      return events.find((one) => one.id === id);
    },
    "GET /api/properties/host/values": { values: [{ value: "only-stored.example", events: 3 }] },
    "GET /api/incidents": {
      incidents: [
        { ...INCIDENT, id: "i1", actor: "203.0.113.7", target: "shop.example.org /products", events: 9100, stopped: 9099, filter: "client=203.0.113.7" },
        { ...INCIDENT, id: "i2", actor: "2001:db8:77::19", target: "many", events: 320, stopped: 320, filter: "client=2001:db8:77::19" },
      ],
      next: null,
    },
    "GET /api/logins": { reading: true, sessions: [{ user: "alice", service: "sshd", address: "203.0.113.7", since: "2026-11-30T11:52:10Z", method: "publickey", key: "SHA256:sLB8sPuU", terminal: "pts/1" }], trying: [{ address: "198.51.100.140", tries: 17 }] },
    "GET /api/exclusions": {
      version: "v1",
      problems: [],
      exclusions: [
        { id: 10000, rule: 941100, site: "shop.example.org", path: "/search", path_match: "exact", parameter: "ARGS:name", reason: "our editor sends HTML", author: "bob", created: "2026-11-20T08:00:00Z", expires: "2027-11-20T08:00:00Z", seclang: "SecRule REQUEST_FILENAME", file: "exclusions.conf", line: 7, event: events[0].id },
      ],
    },
    "GET /api/history": {
      version: "v7",
      changes: [
        { number: 3, time: "2026-11-20T08:00:00Z", author: "bob", what: "excluded", reason: "our editor sends HTML", added: [{ id: 10000, rule: 941100, site: "shop.example.org", path: "/search", path_match: "exact", parameter: "ARGS:name" }], removed: [], site: null, undoes: null, undone_by: null, undo: "possible", diff: "@@ -1 +1,2 @@\n # monban\n+SecRule new\n" },
      ],
    },
    "GET /api/learning": { sites: [{ site: "shop.example.org", mode: "block", configured: "block", since: "2026-11-20T08:00:00Z", requests: 1000, proposals: 0 }] },
    "GET /api/learning/shop.example.org/proposals": { version: "v1", proposals: [] },
    "GET /api/notices": {
      problem: null,
      skipped_events: 0,
      channels: [
        { name: "ops", kind: "slack", last_error: "", waiting: 0, waiting_events: 4, sent: 31, last_sent: "2026-11-30T11:00:00Z", failed_tries: 0, lost_notices: 0, lost_events: 0 },
        { name: "mail", kind: "mail", last_error: "", waiting: 0, waiting_events: 0, sent: 0, failed_tries: 0, lost_notices: 0, lost_events: 0 },
        { name: "hook", kind: "webhook", last_error: "HTTP 500", waiting: 2, waiting_events: 4, sent: 3, last_sent: "2026-11-29T11:00:00Z", failing_since: "2026-11-29T12:00:00Z", next_try: "2026-11-30T12:05:00Z", failed_tries: 9, lost_notices: 0, lost_events: 0 },
      ],
    },
    "GET /api/account": { user: "ada", role: "owner", totp: false, recovery_codes: 0, passkeys: [], second_factor: false },
    "GET /api/account/sessions": { sessions: [{ id: 1, address: "192.0.2.61", user_agent: "Mozilla/5.0 (X11; Linux) Firefox/140", created: "2026-11-29T08:00:00Z", last_seen: "2026-11-30T11:59:00Z", current: true }, { id: 2, address: "203.0.113.9", user_agent: "Mozilla/5.0 (iPhone) Version/18 Safari", created: "2026-11-20T08:00:00Z", last_seen: "2026-11-28T11:59:00Z", current: false }] },
    "GET /api/account/tokens": { tokens: [{ id: 1, name: "backup", scopes: ["read"], created: "2026-11-01T08:00:00Z", last_used: null, expires: null }] },
    "GET /api/users": { users: [{ user: "ada", role: "owner", totp: true, passkeys: 1, last_seen: "2026-11-30T11:59:00Z", invited: false }, { user: "bob", role: "viewer", totp: false, passkeys: 0, last_seen: "2026-11-12T11:59:00Z", invited: false }, { user: "carol", role: "analyst", totp: false, passkeys: 0, last_seen: null, invited: true }] },
    "GET /api/audit": { entries: [{ id: 2, time: "2026-11-30T09:00:00Z", user: "ada", what: "user.role_changed", action: text("role changed", "役割の変更"), detail: "bob: viewer to analyst", via: "session", address: "192.0.2.61", count: 1, last: null }, { id: 1, time: "2026-11-29T08:00:00Z", user: "ada", what: "console.signed_in", action: text("signed in", "サインイン"), detail: "password", via: "session", address: "192.0.2.61", count: 1, last: null }], next: null },
  };
}
