// Builds the gallery of blocks (src/gallery) and serves it with the policy of the console. It is no page of the console.
import { createServer } from "node:http";
import { join } from "node:path";
import { build } from "esbuild";
import { docs } from "../../docs.mjs";
import { allParts } from "../../parts.mjs";
import { POLICY } from "./api.fixture.mjs";

const root = join(import.meta.dirname, "../..");
const TYPES = { js: "text/javascript", css: "text/css" };

/** Serves the gallery; returns its address and what stops it. */
export async function startGallery() {
  const { outputFiles } = await build({
    absWorkingDir: root,
    plugins: [allParts, docs],
    entryPoints: { gallery: "src/gallery/main.tsx", style: "src/style/main.css" },
    outdir: "/assets",
    bundle: true,
    splitting: true,
    format: "esm",
    target: "es2022",
    jsx: "automatic",
    jsxImportSource: "preact",
    minify: true,
    charset: "utf8",
    loader: { ".svg": "dataurl" },
    write: false,
    logLevel: "warning",
  });
  const files = new Map(outputFiles.map(({ path, contents }) => [path, contents]));
  const page = `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>monban</title><link rel="stylesheet" href="/assets/style.css"><script type="module" src="/assets/gallery.js"></script></head><body></body></html>`;
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    const file = files.get(pathname);
    response.setHeader("Content-Security-Policy", POLICY);
    response.setHeader("Content-Type", file ? TYPES[pathname.split(".").pop()] : "text/html; charset=utf-8");
    response.end(file ?? page);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    address: `http://127.0.0.1:${server.address().port}`,
    stop() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}
