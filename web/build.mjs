// Builds src/ into dist/: hashed names, each file compressed with gzip as the binary embeds it, and index.html that names them.
// Fails when all files together exceed the limit. Files whose content did not change are not written anew.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { gzipSync } from "node:zlib";

// All that a browser ever loads, compressed; beyond it the build fails.
const LIMIT_BYTES = 150_000;

const here = import.meta.dirname;
const dist = join(here, "dist");

const result = await build({
  absWorkingDir: here,
  entryPoints: { app: "src/main.tsx" },
  outdir: dist,
  bundle: true,
  splitting: true,
  format: "esm",
  target: "es2022",
  jsx: "automatic",
  jsxImportSource: "preact",
  minify: true,
  charset: "utf8",
  legalComments: "none",
  loader: { ".svg": "file" },
  entryNames: "[name]-[hash]",
  chunkNames: "[name]-[hash]",
  assetNames: "[name]-[hash]",
  publicPath: "/assets/",
  metafile: true,
  write: false,
  logLevel: "warning",
});

const files = new Map(result.outputFiles.map((file) => [basename(file.path), Buffer.from(file.contents)]));
const named = (start, end) => {
  const found = [...files.keys()].filter((name) => name.startsWith(start) && name.endsWith(end));
  if (found.length !== 1) throw new Error(`one ${start}*${end} expected, found: ${found.join(" ") || "none"}`);
  return found[0];
};
// what else the first view needs is fetched along with it, not after it
const script = named("app-", ".js");
const imported = Object.entries(result.metafile.outputs)
  .find(([path]) => basename(path) === script)[1]
  .imports.filter((one) => one.kind === "import-statement")
  .map((one) => `<link rel="modulepreload" href="/assets/${basename(one.path)}">\n`);
const page = readFileSync(join(here, "src/index.html"), "utf8")
  .replace("{{style}}", `/assets/${named("app-", ".css")}`)
  .replace("{{script}}", `/assets/${script}`)
  .replace("{{preload}}\n", imported.join(""))
  .replaceAll("{{logo}}", `/assets/${named("logo-", ".svg")}`);

const outputs = new Map([...files].map(([name, content]) => [`${name}.gz`, gzipSync(content, { level: 9 })]));
outputs.set("index.html", Buffer.from(page));

const total = [...outputs.values()].reduce((sum, content) => sum + content.length, 0);
if (total > LIMIT_BYTES) {
  for (const [name, content] of outputs) console.error(`${String(content.length).padStart(8)}  ${name}`);
  console.error(`the page is ${total} bytes compressed, ${total - LIMIT_BYTES} more than it may have`);
  process.exit(1);
}

mkdirSync(dist, { recursive: true });
for (const name of readdirSync(dist)) {
  if (name !== ".gitignore" && !outputs.has(name)) rmSync(join(dist, name), { recursive: true });
}
const digest = (content) => createHash("sha256").update(content).digest("hex");
for (const [name, content] of outputs) {
  const path = join(dist, name);
  // make looks at the age of index.html
  const same = name !== "index.html" && existsSync(path) && digest(readFileSync(path)) === digest(content);
  if (!same) writeFileSync(path, content);
}
console.log(`web/dist: ${outputs.size} files, ${total} of ${LIMIT_BYTES} bytes compressed`);
