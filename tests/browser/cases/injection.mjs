// An attack in every field that pages show: each stays text, none runs, none reverses a line.
const HOSTILE = [
  `<img src=x onerror=alert(1)>`,
  `"><script>alert(document.cookie)</script>`,
  `'-alert(1)-'`,
  `javascript:alert(1)`,
  `{{constructor.constructor('alert(1)')()}}`,
  `<svg/onload=alert(1)>`,
  "\u202Egnp.exe",
  "\x1b]0;owned\x07\x1b[2J",
  `</title></textarea><iframe srcdoc="<script>parent.alert(1)</script>">`,
];

export default async (bench) => {
  const visitor = await bench.owner();
  const { page } = visitor;
  await page.exposeFunction("alertCalled", () => visitor.problems.push("alert was called"));
  await page.addInitScript(() => {
    globalThis.alert = () => void globalThis.alertCalled();
  });
  let sent = 0;
  for (const [index, text] of HOSTILE.entries()) {
    const quoted = encodeURIComponent(text);
    const raw = [...Buffer.from(text, "utf8")].filter((byte) => byte > 0x20 && byte < 0x7f);
    const header = String.fromCharCode(...raw);
    await bench.request(`/${quoted}?${quoted}=${quoted}&x=%3Cscript%3E`, {
      headers: { "User-Agent": header, Referer: header, Cookie: `c=${header}`, [`X-${index}`]: header },
    });
    await bench.request(`/post${index}?u=%3Cscript%3Ealert(1)%3C/script%3E`, {
      method: "POST",
      headers: { "Content-Type": "application/x-www-form-urlencoded", "User-Agent": header },
      body: `${quoted}=${quoted}`,
    });
    sent += 2;
  }
  const events = await visitor.events(sent);
  bench.ok(events.length >= sent);
  // names that users choose, too
  const name = HOSTILE[0];
  await visitor.api("POST", "/api/account/tokens", { name, scopes: ["read"] });
  await visitor.api("POST", "/api/filters", { name, query: `text=${encodeURIComponent(name)}`, shared: true });

  const paths = ["/", "/events", "/incidents", "/account", "/audit", "/tuning", "/history", "/learning", "/live"];
  for (const path of [...paths, ...events.map(({ id }) => `/events/${id}`)]) {
    await visitor.open(path);
    const made = await page.evaluate(() => ({
      foreign: [...document.querySelectorAll("main script, main iframe, main img, main svg[onload], main [onerror], main [onload], main object, main embed")]
        .map((one) => one.outerHTML.slice(0, 100)),
      links: [...document.querySelectorAll("a[href]")].map((one) => one.protocol).filter((one) => !/^https?:$/.test(one)),
      // characters that reverse a line, or that control a terminal into which they are pasted
      hidden: [...(document.body.innerText + document.title).matchAll(/[\u202a-\u202e\u2066-\u2069\u0007\u001b\u200b-\u200f]/g)].length,
    }));
    bench.equal(made, { foreign: [], links: [], hidden: 0 }, path);
  }
  await visitor.open(`/events/${events.at(-1).id}`);
  bench.ok((await visitor.text("main")).includes("<img src=x onerror=alert(1)>") || (await visitor.text("main")).includes("%3Cimg"), "it is shown as text");
  // a crafted address
  for (const address of [`/events?text=${encodeURIComponent(name)}`, `/?subject=${encodeURIComponent(name)}`, `/events/${encodeURIComponent(name)}`]) {
    visitor.expect("/api/");
    await visitor.open(address);
    bench.equal(await page.$$eval("main img", (all) => all.length), 0, address);
  }
};
