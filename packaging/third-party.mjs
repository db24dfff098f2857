// Prints the licences of what the binary contains: crates, the standard library of Rust and the packages of the page.
//   node packaging/third-party.mjs >FILE
// A list of components comes first, then each text once, below the components that are under it. Fails if a component has no text.
// The few crates that are published without one have theirs in packaging/licences.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";

const top = join(import.meta.dirname, "..");
const RULE = "=".repeat(100);
const IS_TEXT = /^(un)?licen[cs]e|^copying|^copyright|^notice/i;
// A shorter file only names the licences of other files.
const SHORTEST_TEXT = 300;
// Sources of programs and data that are not compiled in.
const IS_SOURCE = /\.(rs|c|h|mjs|js|ts|toml|json|py|pl)$/i;

const run = (program, ...parameters) =>
  execFileSync(program, parameters, { cwd: top, encoding: "utf8", maxBuffer: 1 << 28, stdio: ["ignore", "pipe", "inherit"] });

// The licences of a folder, and of what its sources have taken over from others (src/vendor/NAME/LICENSE).
function texts(folder) {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true });
  const files = names.filter((entry) => entry.isFile() && IS_TEXT.test(entry.name) && !IS_SOURCE.test(entry.name));
  const paths = files.map((file) => join(file.parentPath ?? file.path, file.name));
  return paths.sort().map((path) => readFileSync(path, "utf8")).filter((text) => text.length >= SHORTEST_TEXT);
}

const kept = (name) => {
  const path = join(top, "packaging/licences", name);
  return existsSync(path) ? [readFileSync(path, "utf8")] : [];
};

// The crates that are linked into the binary on this machine; macros and build scripts are not.
function crates() {
  const id = (name, version) => `${name} ${version}`;
  const metadata = JSON.parse(run("cargo", "metadata", "--locked", "--format-version=1"));
  const packages = new Map(metadata.packages.map((one) => [id(one.name, one.version), one]));
  const tree = run("cargo", "tree", "--locked", "-p", "monban", "-e", "normal,no-proc-macro", "--prefix=none", "--format={p}");
  const linked = new Set(tree.split("\n").filter(Boolean).map((line) => line.split(" ", 2).join(" ").replace(" v", " ")));
  return [...linked]
    .sort()
    .map((line) => packages.get(line))
    .filter((one) => one.source !== null)
    .map((one) => {
      const found = texts(dirname(one.manifest_path));
      return { name: one.name, version: one.version, licence: one.license, texts: found.length ? found : kept(one.name) };
    });
}

// The standard library. rustc of rustup brings a page with the notices of the crates in it; others may not.
function standardLibrary() {
  const version = run("rustc", "--version").split(" ")[1];
  const name = "rust-standard-library";
  const library = { name, version, licence: "MIT OR Apache-2.0", texts: kept(name) };
  const page = join(run("rustc", "--print=sysroot").trim(), "share/doc/rust/COPYRIGHT-library.html");
  if (!existsSync(page)) {
    console.error(`${page} does not exist: the notices of crates within the standard library are left out`);
    return [library];
  }
  const entities = { amp: "&", lt: "<", gt: ">", quot: '"' };
  const plain = (html) =>
    html.replace(/&(?:#(\d+)|(\w+));/g, (_, code, name) => (code ? String.fromCodePoint(Number(code)) : entities[name]));
  const sections = readFileSync(page, "utf8").split(/<h3>\P{ASCII}+ /u).slice(1);
  const parts = sections.map((section) => {
    const [, name, version] = /^(.+?)-(\d.*?)<\/h3>/.exec(section);
    const [, licence] = /<b>License:<\/b> ([^<]*)<\/p>/.exec(section);
    const found = [...section.matchAll(/<pre>([^]*?)<\/pre>/g)].map(([, text]) => plain(text));
    return { name, version, licence: plain(licence), texts: found };
  });
  // It lists crates of all systems. Two that only others link have no notices.
  return [library, ...parts.filter((part) => part.texts.length)];
}

// The packages in the page, without those that only the build needs.
function page() {
  const { packages } = JSON.parse(readFileSync(join(top, "web/package-lock.json"), "utf8"));
  return Object.entries(packages)
    .filter(([path, one]) => path !== "" && !one.dev)
    .map(([path, { version, license }]) => {
      const name = path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
      return { name, version, licence: license, texts: texts(join(top, "web", path)) };
    });
}

const components = [...crates(), ...standardLibrary(), ...page()];
const title = ({ name, version }) => `${name} ${version}`;
const bare = components.filter((one) => one.texts.length === 0).map(title);
if (bare.length) {
  console.error(`no text of a licence: ${bare.join(", ")}; put it into packaging/licences/NAME`);
  process.exit(1);
}
const sections = new Map();
for (const one of components) {
  for (const text of one.texts) {
    const key = text.replace(/\s+/g, " ").trim();
    const section = sections.get(key) ?? { text, titles: new Set() };
    sections.set(key, { ...section, titles: section.titles.add(title(one)) });
  }
}
const list = components.map((one) => `${title(one)}: ${one.licence}`);
const bodies = [...sections.values()].map(
  ({ titles, text }) => `${RULE}\n${[...titles].join("\n")}\n${"-".repeat(100)}\n${text.replace(/\r/g, "").trim()}\n`,
);
process.stdout.write(`Software of others that monban contains, and its licences.\n\n${list.join("\n")}\n\n${bodies.join("\n")}`);
