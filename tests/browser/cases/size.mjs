// The size of the first view of the sign-in page and of the overview, as the server sends it.

/** Bytes of a first view: files and API responses, with their headers. */
const LIMIT_BYTES = 80_000;
/** Milliseconds of script in the first view of the overview, in the quickest of the loads. */
const LIMIT_MS = 150;

export default async (bench) => {
  // creates the owner
  await bench.owner();
  let quickest = Infinity;
  const texts = /\/assets\/(?:texts\.)?(en|ja)-/;
  for (const locale of ["en-GB", "ja-JP"]) {
    for (const path of ["/signin", "/"]) {
      const visitor = path === "/" ? await bench.owner({ locale }) : await bench.visitor({ locale });
      const devtools = await visitor.context.newCDPSession(visitor.page);
      await devtools.send("Network.enable");
      await devtools.send("Performance.enable");
      await devtools.send("Network.setCacheDisabled", { cacheDisabled: true });
      const urls = new Map();
      const sizes = [];
      devtools.on("Network.requestWillBeSent", ({ requestId, request }) => urls.set(requestId, request.url));
      devtools.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
        sizes.push([encodedDataLength, new URL(urls.get(requestId) ?? visitor.page.url()).pathname]);
      });
      await visitor.open(path);
      if (path === "/") await visitor.page.waitForSelector(".histogram svg");
      await visitor.page.waitForLoadState("networkidle");
      const { metrics } = await devtools.send("Performance.getMetrics");
      const script = metrics.find(({ name }) => name === "ScriptDuration").value * 1000;
      if (path === "/") quickest = Math.min(quickest, script);
      const bytes = sizes.reduce((sum, [one]) => sum + one, 0);
      for (const [one, from] of sizes) console.log(`${String(one).padStart(8)}  ${from}`);
      console.log(`${path} in ${locale}: ${bytes} bytes in ${urls.size} answers, ${script.toFixed(0)} ms of script`);
      bench.ok(bytes > 10_000 && bytes < LIMIT_BYTES, `${path} in ${locale}: ${bytes} bytes`);
      const languages = new Set([...urls.values()].flatMap((url) => texts.exec(url)?.[1] ?? []));
      bench.equal([...languages], [locale.slice(0, 2)], `${path} in ${locale}: the texts of one language`);
      await visitor.context.close();
    }
  }
  bench.ok(quickest < LIMIT_MS, `${quickest} ms of script`);
};
