// The console itself: sign-in, account, users, the audit log.
import type { Part } from "../part";
import { TEXTS } from "./texts";

export const TITLES = {
  signin: { en: "Sign in", ja: "サインイン" },
  setup: { en: "Welcome", ja: "ようこそ" },
  account: { en: "Account", ja: "アカウント" },
  users: { en: "Users", ja: "ユーザー" },
  audit: { en: "Audit log", ja: "監査ログ" },
  about: { en: "About", ja: "monban について" },
} as const;

export default {
  texts: TEXTS,
  order: 1,
  pages: [
    { path: "/signin", load: () => import("./signin"), title: TITLES.signin, open: true },
    { path: "/setup", load: () => import("./setup"), title: TITLES.setup, open: true },
    { path: "/account", load: () => import("./account"), title: TITLES.account, group: "settings", key: "g a" },
    { path: "/users", load: () => import("./users"), title: TITLES.users, group: "settings", key: "g u", role: "owner" },
    { path: "/audit", load: () => import("./audit"), title: TITLES.audit, group: "settings", role: "owner" },
    { path: "/about", load: () => import("./about"), title: TITLES.about, group: "settings" },
    { path: "/about/:doc", load: () => import("./about"), title: TITLES.about },
  ],
} satisfies Part;
