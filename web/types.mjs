// Generates src/api/types.ts from the API's description. The file is not committed, so that it is always up to date.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import openapi, { astToString } from "openapi-typescript";

const source = new URL("../docs/reference/openapi.json", import.meta.url);
writeFileSync(join(import.meta.dirname, "src/api/types.ts"), astToString(await openapi(source)));
