// The parts in src/parts, see parts.mjs.
declare module "parts:all" {
  const parts: readonly import("./parts/part").Part[];
  export default parts;
}
declare module "parts:texts" {
  const texts: readonly { en: object; ja: object }[];
  export default texts;
}
// The docs of users, see docs.mjs.
declare module "docs:all" {
  export const version: string;
  const docs: readonly { name: string; title: string; load: () => Promise<{ default: string }> }[];
  export default docs;
}
// The address of a served file, as esbuild exports it.
declare module "*.svg" {
  const address: string;
  export default address;
}
