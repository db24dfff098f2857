// Takes the screenshots of the README into docs/images: a week of imported attacks, and some of today.
import { execFileSync } from "node:child_process";
import { mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Bytes of the largest screenshot. */
const LIMIT_BYTES = 200_000;

const ATTACKS = [
  ["941100", "XSS Attack Detected via libinjection", "attack-xss", "/search?q=%3Cscript%3Ealert(1)%3C/script%3E", "ARGS:q"],
  ["942100", "SQL Injection Attack Detected via libinjection", "attack-sqli", "/products?id=1%27%20OR%20%271%27=%271", "ARGS:id"],
  ["930120", "OS File Access Attempt", "attack-lfi", "/download?file=../../../../etc/passwd", "ARGS:file"],
  ["932160", "Remote Command Execution: Unix Shell Code Found", "attack-rce", "/cgi-bin/status?host=;cat%20/etc/passwd", "ARGS:host"],
  ["913100", "Found User-Agent associated with security scanner", "attack-reputation-scanner", "/wp-login.php", "REQUEST_HEADERS:User-Agent"],
  ["920440", "URL file extension is restricted by policy", "attack-protocol", "/.env.backup", "TX:EXTENSION"],
];
const CLIENTS = ["203.0.113.7", "198.51.100.24", "203.0.113.88", "192.0.2.61", "2001:db8:77::19", "198.51.100.140"];
const HOSTS = ["shop.example.org", "blog.example.org", "example.org"];

/** Returns an audit log of the days before `now`, as libmodsecurity writes it; the same each time except for the dates. */
function auditLog(now, days) {
  let state = 7;
  const random = () => (state = (state * 1_103_515_245 + 12_345) % 2_147_483_648) / 2_147_483_648;
  const pick = (list) => list[Math.floor(random() ** 1.7 * list.length)];
  const lines = [];
  for (let hour = days * 24; hour > 0; hour--) {
    const night = Math.abs(((hour + 5) % 24) - 12) / 12;
    const burst = hour === 9 || hour === 61 ? 70 : 0;
    const count = Math.floor(random() * 9 * (0.4 + night)) + burst;
    for (let one = 0; one < count; one++) {
      const time = new Date(now - hour * 3_600_000 + Math.floor(random() * 3_600_000));
      if (time >= now) continue;
      const [rule, message, tag, uri, variable] = burst ? ATTACKS[4] : pick(ATTACKS);
      const blocked = random() > 0.2;
      const [weekday, day, month, year, clock] = time.toUTCString().replace(",", "").split(" ");
      const details = { ruleId: rule, file: "/usr/share/modsecurity-crs/rules/x.conf", lineNumber: "1", data: `Matched Data: found within ${variable}`, severity: "2", ver: "OWASP_CRS/3.3.4", rev: "", tags: ["OWASP_CRS", tag], maturity: "0", accuracy: "0", match: `Matched "Operator \`Rx' against variable \`${variable}' (Value: \`x' )` };
      lines.push(
        JSON.stringify({
          transaction: {
            client_ip: burst ? CLIENTS[0] : pick(CLIENTS),
            time_stamp: `${weekday} ${month} ${day} ${clock} ${year}`,
            server_id: "gate",
            client_port: 40_000 + Math.floor(random() * 20_000),
            host_ip: "192.0.2.1",
            host_port: 443,
            unique_id: `${time.getTime()}${String(one).padStart(3, "0")}`,
            request: { method: "GET", http_version: 1.1, uri, headers: { Host: pick(HOSTS), "User-Agent": burst ? "Nikto/2.5.0" : "Mozilla/5.0" } },
            response: { http_code: blocked ? 403 : 200, headers: {} },
            producer: { secrules_engine: blocked ? "Enabled" : "DetectionOnly" },
            messages: [
              { message, details },
              { message: "Inbound Anomaly Score Exceeded (Total Score: 5)", details: { ...details, ruleId: "949110", data: "", tags: ["anomaly-evaluation"] } },
            ],
          },
        }),
      );
    }
  }
  return lines.join("\n") + "\n";
}

export default async (bench) => {
  const file = join(bench.folder, "audit.json");
  writeFileSync(file, auditLog(Date.now(), 7));
  bench.command("events", "import", file);
  const headers = { Host: HOSTS[0], "User-Agent": "Mozilla/5.0", Accept: "text/html" };
  for (const [, , , path] of ATTACKS) await bench.request(path, { headers });
  for (let count = 0; count < 60; count++) await bench.request(`/products/${count % 7}`, { headers });
  await bench.attack("/?name=%22%3E%3Cscript%3Ealert(document.cookie)%3C/script%3E%3C!--", { headers });
  mkdirSync(bench.images, { recursive: true });

  const scale = { wide: { width: 1280, height: 800 }, phone: { width: 360, height: 740, scale: 2 } };
  const first = await bench.owner();
  const [event] = await first.events(1, "rule=941110");
  const pictures = [
    ["overview", "/", "wide", "light", "en-GB"],
    ["overview-dark", "/?range=7d", "wide", "dark", "en-GB"],
    ["overview-ja", "/", "wide", "light", "ja-JP"],
    ["events", "/events?outcome=blocked", "wide", "light", "en-GB"],
    ["event-dark", `/events/${event.id}`, "wide", "dark", "en-GB"],
    ["event-ja", `/events/${event.id}`, "wide", "dark", "ja-JP"],
    ["incidents", "/incidents", "wide", "light", "en-GB"],
    ["phone-overview", "/", "phone", "light", "en-GB"],
    ["phone-event", `/events/${event.id}`, "phone", "dark", "en-GB"],
    ["phone-events-ja", "/events?outcome=blocked", "phone", "light", "ja-JP"],
  ];
  for (const [name, path, size, scheme, locale] of pictures) {
    const visitor = await bench.owner({ ...scale[size], scheme, locale });
    await visitor.open(path);
    if (path.split("?")[0] === "/") await visitor.page.waitForSelector(".histogram svg rect");
    const picture = join(bench.images, `${name}.png`);
    await visitor.page.screenshot({ path: picture });
    execFileSync("pngquant", ["--force", "--strip", "--speed", "1", "--output", picture, "64", picture]);
    const { size: bytes } = statSync(picture);
    bench.ok(bytes > 5_000 && bytes < LIMIT_BYTES, `${name}: ${bytes} bytes`);
    await visitor.context.close();
  }
};
