// Notifications: the state of each channel.
import type { Part } from "../part";
import { TEXTS } from "./texts";

export const TITLE = { en: "Notifications", ja: "通知" } as const;

export default {
  texts: TEXTS,
  pages: [{ path: "/notices", load: () => import("./channels"), title: TITLE, group: "settings", key: "g n", findings: "notifications" }],
} satisfies Part;
