// The gate: requests and the matches of rules.
import type { Part } from "../part";
import { TEXTS } from "./texts";

export default {
  texts: TEXTS,
  rows: { request: () => import("./row") },
  evidence: { request: () => import("./request") },
  actions: { request: () => import("./copy") },
} satisfies Part;
