// Runs the tests that need no browser: bundles each with the modules it tests and starts node's test runner.
import { build } from "esbuild";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { docs } from "../../docs.mjs";
import { allParts } from "../../parts.mjs";

const here = import.meta.dirname;
const tests = readdirSync(here).filter((name) => name.endsWith(".test.ts"));
if (tests.length === 0) throw new Error(`no tests in ${here}`);
const out = mkdtempSync(join(tmpdir(), "monban-web-"));
try {
  await build({
    absWorkingDir: join(here, "../.."),
    entryPoints: tests.map((name) => join(here, name)),
    outdir: out,
    outExtension: { ".js": ".mjs" },
    plugins: [allParts, docs],
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    jsx: "automatic",
    jsxImportSource: "preact",
    logLevel: "warning",
  });
  const files = tests.map((name) => join(out, name.replace(/ts$/, "mjs")));
  const { status } = spawnSync(process.execPath, ["--test", ...files], { stdio: "inherit" });
  process.exitCode = status ?? 1;
} finally {
  rmSync(out, { recursive: true });
}
