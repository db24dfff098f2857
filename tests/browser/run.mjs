// Runs one case against a running monban: `node run.mjs CASE`. Environment:
// MONBAN_CONSOLE, MONBAN_GATE (addresses), MONBAN_LINK (creates the first owner), MONBAN_BINARY, MONBAN_CONFIG (for commands),
// MONBAN_IMAGES (for screenshots), MONBAN_FOLDER (for pictures of failures).
import { Bench } from "./visitor.mjs";

const [name] = process.argv.slice(2);
if (!/^[a-z_]+$/.test(name ?? "")) throw new Error("usage: node run.mjs CASE");
const { default: run } = await import(`./cases/${name}.mjs`);
const bench = await Bench.start(process.env);
try {
  await run(bench);
  bench.assertClean();
  if (bench.checks === 0) throw new Error("the case asserted nothing");
  console.log(`${name}: ${bench.checks} checks`);
} catch (error) {
  await bench.keepPicture(name);
  console.error(error);
  process.exitCode = 1;
} finally {
  await bench.stop();
}
