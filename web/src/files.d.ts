// What esbuild makes of a file: the address under which it is served.
declare module "*.svg" {
  const address: string;
  export default address;
}
