// Logins: who is in, the last logins, failed tries by source.
import type { Part } from "../part";
import { TEXTS } from "./texts";

export const TITLE = { en: "Logins", ja: "ログイン" } as const;

export default {
  texts: TEXTS,
  pages: [{ path: "/logins", load: () => import("./logins"), title: TITLE, group: "monitor", key: "g w", findings: "logins" }],
  evidence: { login: () => import("./evidence") },
} satisfies Part;
