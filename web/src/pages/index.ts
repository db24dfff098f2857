// All pages: one line each.
import { type ComponentType } from "preact";
import { type Role } from "../api";
import { type Key } from "../i18n";

/** What a page is given. */
export interface PageProps {
  /** The `:name` parts of the path. */
  params: Record<string, string>;
}

/** A page. */
export interface PageEntry {
  /** `/events/:id`: `:name` is any one part. */
  path: string;
  load: () => Promise<{ default: ComponentType<PageProps> }>;
  /** What the navigation calls it. */
  title: Key;
  /** Where it stands in the navigation; pages without are reached from others. */
  group?: "look" | "tune" | "manage";
  /** The shortcut that opens it: "g e". */
  key?: string;
  /** Who sees it; anyone signed in, if absent. */
  role?: Role;
  /** Shown without a session, alone on the screen. */
  open?: true;
}

export const PAGES: readonly PageEntry[] = [
  { path: "/", load: () => import("./overview"), title: "overview.title", group: "look", key: "g o" },
  { path: "/notices", load: () => import("./notices"), title: "notices.title", group: "manage", key: "g n" },
  { path: "/account", load: () => import("./account"), title: "account.title", group: "manage", key: "g a" },
  { path: "/users", load: () => import("./users"), title: "users.title", group: "manage", key: "g u", role: "owner" },
  { path: "/audit", load: () => import("./audit"), title: "audit.title", group: "manage", role: "owner" },
  { path: "/signin", load: () => import("./signin"), title: "signin.title", open: true },
  { path: "/setup", load: () => import("./setup"), title: "setup.title", open: true },
  { path: "/events", load: () => import("./events"), title: "events.title", group: "look", key: "g e" },
  { path: "/events/:id", load: () => import("./event"), title: "event.title" },
  { path: "/live", load: () => import("./live"), title: "live.title", group: "look", key: "g l" },
  { path: "/incidents", load: () => import("./incidents"), title: "incidents.title", group: "look", key: "g i" },
  { path: "/tuning", load: () => import("./tuning"), title: "tuning.title", group: "tune", key: "g t" },
  { path: "/learning", load: () => import("./learning"), title: "learning.title", group: "tune" },
  { path: "/history", load: () => import("./history"), title: "history.title", group: "tune", key: "g h" },
];
