// The address under which a file is served, as esbuild exports it.
declare module "*.svg" {
  const address: string;
  export default address;
}
