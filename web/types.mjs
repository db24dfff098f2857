// Makes src/api/types.ts from the API's description. With --check it fails where the file is not what would be made.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import openapi, { astToString } from "openapi-typescript";

const here = import.meta.dirname;
const source = new URL("../docs/reference/openapi.json", import.meta.url);
const target = join(here, "src/api/types.ts");

const made = `// Made from docs/reference/openapi.json by \`npm run types\`; not to be edited.\n${astToString(await openapi(source))}`;
const present = existsSync(target) ? readFileSync(target, "utf8") : "";
if (process.argv.includes("--check")) {
  if (made !== present) {
    console.error("web/src/api/types.ts is not what docs/reference/openapi.json says: `npm run types` in web/");
    process.exit(1);
  }
} else if (made !== present) writeFileSync(target, made);
