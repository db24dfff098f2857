// Builds src/ into dist/: files with hashed names, each compressed with gzip and with brotli, and index.html that names them. The
// binary embeds dist/ unchanged.
// Fails if all files together exceed the limit. Does not rewrite unchanged files.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { readFile } from "node:fs/promises";
import { docs } from "./docs.mjs";
import { allParts } from "./parts.mjs";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

// Everything that a browser can ever fetch, compressed.
const LIMIT_BYTES = 300_000;

const here = import.meta.dirname;
const dist = join(here, "dist");

// One stylesheet: the shell's, then each part's.
const parts = readdirSync(join(here, "src/parts"), { recursive: true, encoding: "utf8" });
const partStyles = parts.filter((name) => name.endsWith(".css")).sort();
const styles = ["style/main.css", ...partStyles.map((name) => `parts/${name}`)].map((path) => `@import "./${path}";`).join("\n");

// esbuild makes a chunk for each set of entry points that share a module. Every page therefore imports the shell, so that the
// shell is one chunk instead of a dozen. Each chunk costs a response with its header lines.
const withShell = {
  name: "with-shell",
  setup(build) {
    build.onLoad({ filter: /[/\\]src[/\\]parts[/\\].*\.tsx$/ }, async ({ path }) => ({
      contents: `${await readFile(path, "utf8")}\nimport ${JSON.stringify(join(here, "src/app"))};\n`,
      loader: "tsx",
    }));
  },
};

const result = await build({
  absWorkingDir: here,
  plugins: [allParts, docs, withShell],
  entryPoints: { app: "src/main.tsx" },
  stdin: { contents: styles, loader: "css", resolveDir: join(here, "src"), sourcefile: "style.css" },
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
// index.html preloads the chunks that the program imports, so that they arrive with it
const script = named("app-", ".js");
const imported = Object.entries(result.metafile.outputs)
  .find(([path]) => basename(path) === script)[1]
  .imports.filter((one) => one.kind === "import-statement")
  .map((one) => `<link rel="modulepreload" href="/assets/${basename(one.path)}">\n`);
const page = readFileSync(join(here, "src/index.html"), "utf8")
  .replace("{{style}}", `/assets/${named("stdin-", ".css")}`)
  .replace("{{script}}", `/assets/${script}`)
  .replace("{{preload}}\n", imported.join(""))
  .replaceAll("{{logo}}", `/assets/${named("logo-", ".svg")}`);

const brotli = (content) =>
  brotliCompressSync(content, {
    params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: content.length },
  });
const outputs = new Map([["index.html", Buffer.from(page)]]);
for (const [name, content] of files) {
  outputs.set(`${name}.gz`, gzipSync(content, { level: 9 }));
  outputs.set(`${name}.br`, brotli(content));
}

// gzip is the larger one
const sent = [...outputs].filter(([name]) => !name.endsWith(".br"));
const total = sent.reduce((sum, [, content]) => sum + content.length, 0);
if (total > LIMIT_BYTES) {
  for (const [name, content] of sent) console.error(`${String(content.length).padStart(8)}  ${name}`);
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
  // make compares the age of index.html
  const same = name !== "index.html" && existsSync(path) && digest(readFileSync(path)) === digest(content);
  if (!same) writeFileSync(path, content);
}
console.log(`web/dist: ${sent.length} files, ${total} of ${LIMIT_BYTES} bytes compressed`);
