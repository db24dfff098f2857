// The parts' folders for esbuild: `parts:all` is the list of all parts, `parts:texts` their texts in both languages.
import { readdirSync } from "node:fs";
import { join } from "node:path";

const folder = join(import.meta.dirname, "src/parts");

/** Names of the folders in src/parts. */
export const names = readdirSync(folder, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name)
  .sort();

const list = (imports, value) => `${imports.join("\n")}\nexport default [${names.map(value).join(", ")}];\n`;
const path = (name, file) => JSON.stringify(join(folder, name, file));

const modules = {
  all: () =>
    list(
      names.map((name, at) => `import p${at} from ${path(name, "index")};`),
      (_, at) => `p${at}`,
    ),
  texts: () =>
    list(
      names.map((name, at) => `import en${at} from ${path(name, "texts.en")};\nimport ja${at} from ${path(name, "texts.ja")};`),
      (_, at) => `{ en: en${at}, ja: ja${at} }`,
    ),
};

/** The plugin of esbuild. */
export const allParts = {
  name: "parts",
  setup(build) {
    build.onResolve({ filter: /^parts:/ }, ({ path }) => ({ path: path.slice("parts:".length), namespace: "parts" }));
    build.onLoad({ filter: /.*/, namespace: "parts" }, ({ path }) => ({ contents: modules[path](), resolveDir: folder, loader: "js" }));
  },
};
