// The docs of users and the changelog for esbuild: `docs:all` lists them with their titles, `docs:NAME` is the text of one.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const folder = join(root, "docs/user");

/** The files by their names in addresses, the contents first and the changelog last. */
export const files = new Map([
  ["readme", join(folder, "README.md")],
  ...readdirSync(folder)
    .filter((name) => name.endsWith(".md") && name !== "README.md")
    .sort()
    .map((name) => [name.slice(0, -3), join(folder, name)]),
  ["changelog", join(root, "CHANGELOG.md")],
]);

const version = /^version = "([^"]+)"/m.exec(readFileSync(join(root, "Cargo.toml"), "utf8"))[1];
const title = (path) => /^# (.*)$/m.exec(readFileSync(path, "utf8"))[1];

/** The plugin of esbuild. */
export const docs = {
  name: "docs",
  setup(build) {
    build.onResolve({ filter: /^docs:/ }, ({ path }) => ({ path: path.slice("docs:".length), namespace: "docs" }));
    build.onLoad({ filter: /.*/, namespace: "docs" }, ({ path }) => {
      if (path !== "all") return { contents: readFileSync(files.get(path), "utf8"), loader: "text" };
      const list = [...files].map(([name, path]) => `{ name: "${name}", title: ${JSON.stringify(title(path))}, load: () => import("docs:${name}") }`);
      return { contents: `export const version = "${version}";\nexport default [${list.join(", ")}];\n`, loader: "js" };
    });
  },
};
