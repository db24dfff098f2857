// The interface between a part and the shell.
import { type ComponentType } from "preact";
import { type Role } from "../api";
import { type Event } from "../api/event";
import { type Bilingual, type Fetched } from "../i18n";
import { type Add } from "../query/Filtering";

/** The properties of a page. */
export interface PageProps {
  /** The values of the `:name` segments of the path. */
  params: Record<string, string>;
  /** The page's title in the visitor's language. */
  title: string;
}

/** Fetches a module with a component. The shell caches the module by this function. */
export type Load<P> = () => Promise<{ default: ComponentType<P> }>;

/** A group of the menu. */
export type Group = "monitor" | "tune" | "settings";

/** A page of a part. */
export interface PageEntry {
  /** The path, such as `/events/:id`. `:name` matches any one segment. */
  path: string;
  load: Load<PageProps>;
  /** Its title in the menu, in the help and on the page. */
  title: Bilingual;
  /** Its group in the menu; pages without a group are reached by links. */
  group?: Group;
  /** The shortcut that opens it: "g e". */
  key?: string;
  /** The role that it requires; missing if any role suffices. */
  role?: Role;
  /** The first word of the codes of findings that the page is about, such as `notifications`. */
  findings?: string;
  /** Whether it needs no session. It is then shown without the menu. */
  open?: true;
}

/** The properties of a part's views of an event. */
export interface EventProps {
  event: Event;
  /** Whether the event is shown beside the list, where j and k move through the list. */
  beside?: boolean;
}

/** The properties of an event's cells in a list. */
export interface RowProps extends EventProps {
  /** Filters the list by a value; missing if the list has no query. */
  add?: Add | undefined;
}

/** A part's view of its evidence in lists. */
export interface Row {
  /** The cell for what happened. The list makes it a link to the event. */
  What: ComponentType<RowProps>;
  /** The cell for why. */
  Why: ComponentType<RowProps>;
  /** A number that says how grave it is; empty if there is none. */
  score: (event: Event) => number | undefined;
  /** The title of the event's page. */
  title: (event: Event) => string;
  /** Whether what should have been stopped reached its target. */
  reached: (event: Event) => boolean;
}

export type LoadRow = () => Promise<Row>;

/** A part of the daemon in the browser. */
export interface Part {
  /** Its texts; the shell fetches them with the first piece of the part. */
  texts: Fetched;
  /** Its place in the menu; 0 if absent. */
  order?: number;
  pages?: readonly PageEntry[];
  /** Views of evidence, by the evidence's name. The page of an event shows one for each kind of evidence in it. */
  evidence?: Readonly<Record<string, Load<EventProps>>>;
  /** Rows of lists, by the evidence's name; the default row shows kind, subject and summary. */
  rows?: Readonly<Record<string, LoadRow>>;
  /** Buttons on the page of an event, by the name of the evidence. */
  actions?: Readonly<Record<string, Load<EventProps>>>;
}
