// The interface between a part and the shell.
import { type ComponentType } from "preact";
import { type Role } from "../api";
import { type Event } from "../api/event";
import { type Bilingual, type Fetched } from "../i18n";
import { type Add } from "../query/Filtering";

/** The properties of a page. */
export interface PageProps {
  /** The `:name` parts of the path. */
  params: Record<string, string>;
  /** The page's title in the visitor's language. */
  title: string;
}

/** Fetches a module with a component. The shell remembers it by this very function. */
export type Load<P> = () => Promise<{ default: ComponentType<P> }>;

/** A group of the menu. */
export type Group = "monitor" | "tune" | "settings";

/** A page of a part. */
export interface PageEntry {
  /** `/events/:id`: `:name` is any one part. */
  path: string;
  load: Load<PageProps>;
  /** Its name in the menu, in the help and over the page. */
  title: Bilingual;
  /** Its group in the menu; other pages link to one without. */
  group?: Group;
  /** The shortcut that opens it: "g e". */
  key?: string;
  /** The role that it needs; any, if absent. */
  role?: Role;
  /** Whether it needs no session. It stands alone on the screen. */
  open?: true;
}

/** The properties of what a part shows of an event. */
export interface EventProps {
  event: Event;
}

/** The properties of an event's row in a list. */
export interface RowProps extends EventProps {
  /** Narrows the list to a value; absent where a list has no query. */
  add?: Add | undefined;
}

/** Fetches how a part shows its evidence in lists: the cells for what happened, why, and a number; and the title of its page. */
export type LoadRow = () => Promise<{ default: ComponentType<RowProps>; title: (event: Event) => string }>;

/** A part of the daemon in the browser. */
export interface Part {
  /** Its texts; the shell fetches them with the first piece of the part. */
  texts: Fetched;
  /** Its place in the menu; 0 if absent. */
  order?: number;
  pages?: readonly PageEntry[];
  /** Views of evidence, by the evidence's name in an event: the page of an event shows one for each that it has. */
  evidence?: Readonly<Record<string, Load<EventProps>>>;
  /** Rows of lists, by the evidence's name; a plain row shows kind, subject and summary. */
  rows?: Readonly<Record<string, LoadRow>>;
  /** Buttons on the page of an event, by the name of the evidence that they are for. */
  actions?: Readonly<Record<string, Load<EventProps>>>;
}
