// Events of any gate: overview, list, one event, live view, incidents.
import { loadProperties } from "../../query/properties";
import type { Part } from "../part";
import { loadKinds } from "./kinds";
import { TEXTS } from "./texts";

export const TITLES = {
  overview: { en: "Overview", ja: "概要" },
  events: { en: "Events", ja: "イベント" },
  event: { en: "Event", ja: "イベント" },
  live: { en: "Live", ja: "ライブ" },
  incidents: { en: "Incidents", ja: "インシデント" },
  findings: { en: "Findings", ja: "検出された問題" },
} as const;

/** Fetches a page and what it reads from tables of the daemon. */
const withTables =
  <M>(load: () => Promise<M>, ...tables: (() => Promise<void>)[]): (() => Promise<M>) =>
  async () =>
    (await Promise.all([load(), ...tables.map((table) => table())]))[0];

/** Fetches a page, the properties that its query may have, and the titles of kinds. */
const withQuery = <M>(load: () => Promise<M>): (() => Promise<M>) => withTables(load, loadProperties, loadKinds);

export default {
  texts: TEXTS,
  order: -1,
  pages: [
    { path: "/", load: withQuery(() => import("./overview")), title: TITLES.overview, group: "monitor", key: "g o" },
    { path: "/events", load: withQuery(() => import("./events")), title: TITLES.events, group: "monitor", key: "g e" },
    { path: "/events/:id", load: withTables(() => import("./event"), loadKinds), title: TITLES.event },
    { path: "/live", load: withQuery(() => import("./live")), title: TITLES.live, group: "monitor", key: "g l" },
    { path: "/incidents", load: withQuery(() => import("./incidents")), title: TITLES.incidents, group: "monitor", key: "g i" },
    { path: "/findings", load: () => import("./findings"), title: TITLES.findings, group: "monitor", key: "g f" },
  ],
} satisfies Part;
