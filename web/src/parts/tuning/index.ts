// Tuning: exclusions, learning mode, the history of changes, and the button on an event that creates an exclusion.
import type { Part } from "../part";
import { TEXTS } from "./texts";

export const TITLES = {
  exclusions: { en: "Exclusions", ja: "除外" },
  learning: { en: "Learning", ja: "学習" },
  history: { en: "History", ja: "変更履歴" },
} as const;

export default {
  texts: TEXTS,
  pages: [
    { path: "/tuning", load: () => import("./tuning"), title: TITLES.exclusions, group: "tune", key: "g t", findings: "tuning" },
    { path: "/learning", load: () => import("./learning"), title: TITLES.learning, group: "tune" },
    { path: "/history", load: () => import("./history"), title: TITLES.history, group: "tune", key: "g h" },
  ],
  actions: { request: () => import("./exclude") },
} satisfies Part;
