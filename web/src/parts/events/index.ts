// Events of any gate: overview, list, one event, live view, incidents.
import { loadProperties } from "../../query/properties";
import type { Part } from "../part";
import { TEXTS } from "./texts";

export const TITLES = {
  overview: { en: "Overview", ja: "概要" },
  events: { en: "Events", ja: "イベント" },
  event: { en: "Event", ja: "イベント" },
  live: { en: "Live", ja: "ライブ" },
  incidents: { en: "Incidents", ja: "インシデント" },
} as const;

/** Fetches a page and the properties that its query may have. */
const withQuery =
  <M>(load: () => Promise<M>): (() => Promise<M>) =>
  async () =>
    (await Promise.all([load(), loadProperties()]))[0];

export default {
  texts: TEXTS,
  order: -1,
  pages: [
    { path: "/", load: withQuery(() => import("./overview")), title: TITLES.overview, group: "monitor", key: "g o" },
    { path: "/events", load: withQuery(() => import("./events")), title: TITLES.events, group: "monitor", key: "g e" },
    { path: "/events/:id", load: () => import("./event"), title: TITLES.event },
    { path: "/live", load: withQuery(() => import("./live")), title: TITLES.live, group: "monitor", key: "g l" },
    { path: "/incidents", load: () => import("./incidents"), title: TITLES.incidents, group: "monitor", key: "g i" },
  ],
} satisfies Part;
