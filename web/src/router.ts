// The router, which uses the history API. Links are ordinary <a href>; the router handles clicks on links to pages of the
// console.
import { computed, signal } from "@preact/signals";

/** The part of an address that selects a page and its content. */
export interface Place {
  /** The path, such as `/events/01J…`, without a trailing slash. */
  path: string;
  query: URLSearchParams;
}

const address = signal(location.href);

/** The current place. */
export const place = computed<Place>(() => {
  const url = new URL(address.value);
  return { path: url.pathname.replace(/(.)\/+$/, "$1"), query: url.searchParams };
});

/** An entry of the browser's history. */
interface Entry {
  key: string;
  /** Pixels scrolled, for a page that is loaded anew. */
  y?: number;
}

let keys = 0;
/** Returns a key that no other entry of this window's history has, reloads included. */
function nextKey(): string {
  return `${Date.now()}-${keys++}`;
}

/** The state of the current entry, made if it has none. */
function current(): Entry {
  const state = history.state as Entry | null;
  if (state?.key) return state;
  const made = { key: nextKey() };
  history.replaceState(made, "");
  return made;
}

let entry: Entry = { key: "" };
/** Pixels scrolled at each entry. */
const scrolled = new Map<string, number>();
/** What pages keep for the visitor's return, by entry. */
const keeping = new Map<string, unknown>();
/** Entries for which pages keep something; the oldest goes. */
const MOST_KEPT = 8;

/** Keeps `value` for the visitor's return to this entry of the history, such as the rows of a list. */
export function keep(value: unknown): void {
  keeping.delete(entry.key);
  keeping.set(entry.key, value);
  const [oldest] = keeping.keys();
  if (keeping.size > MOST_KEPT && oldest !== undefined) keeping.delete(oldest);
}

/** Returns what a page kept at this entry of the history. */
export function kept<T>(): T | undefined {
  return keeping.get(entry.key) as T | undefined;
}

/** Forgets what pages keep, as at the end of a session. */
export function forget(): void {
  keeping.clear();
}

let opened = false;

/** Returns, once, whether a page was opened within the console and nothing took the focus yet. The first page leaves it to the browser. */
export function arrived(): boolean {
  const was = opened;
  opened = false;
  return was;
}

/** Milliseconds for which a page may load before its scroll position is given up. */
const RESTORE_MS = 3_000;
const INPUTS = ["wheel", "touchstart", "keydown", "pointerdown"] as const;

/** Scrolls to `y` once the page is long enough, unless the visitor does something first. */
function restore(y: number): void {
  const end = performance.now() + RESTORE_MS;
  let over = false;
  const stop = (): void => {
    over = true;
    for (const name of INPUTS) removeEventListener(name, stop);
  };
  for (const name of INPUTS) addEventListener(name, stop, { once: true, passive: true });
  const attempt = (): void => {
    if (over) return;
    const room = document.documentElement.scrollHeight - innerHeight;
    if (room >= y || performance.now() > end) {
      scrollTo(0, y);
      stop();
    } else requestAnimationFrame(attempt);
  };
  requestAnimationFrame(attempt);
}

/** Opens an address of the console, such as `/events?outcome=blocked`. `replace` replaces the current history entry. */
export function navigate(target: string, { replace = false } = {}): void {
  const url = new URL(target, location.href);
  if (url.origin !== location.origin) throw new Error(`not an address of the console: ${target}`);
  scrolled.set(entry.key, scrollY);
  if (replace) history.replaceState(entry, "", url);
  else {
    entry = { key: nextKey() };
    history.pushState(entry, "", url);
  }
  const samePage = new URL(address.value).pathname === url.pathname;
  if (!samePage) opened = true;
  address.value = url.href;
  if (!samePage) window.scrollTo(0, 0);
}

/** Changes parameters of the current address: null or "" removes one, a list repeats it. */
export function setQuery(changes: Record<string, string | string[] | null>, options?: { replace?: boolean }): void {
  const query = new URLSearchParams(place.value.query);
  for (const [name, value] of Object.entries(changes)) {
    query.delete(name);
    for (const one of Array.isArray(value) ? value : [value]) if (one) query.append(name, one);
  }
  navigate(withQuery(place.value.path, query), options);
}

/** Joins a path and parameters. */
export function withQuery(path: string, query: URLSearchParams): string {
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

/** Returns the values of the `:name` parts if `path` matches `pattern` (`/events/:id`), else null. */
export function match(pattern: string, path: string): Record<string, string> | null {
  const wanted = pattern.split("/");
  const given = path.split("/");
  if (wanted.length !== given.length) return null;
  const values: Record<string, string> = {};
  for (const [index, part] of wanted.entries()) {
    const found = given[index] ?? "";
    if (!part.startsWith(":")) {
      if (part !== found) return null;
    } else {
      try {
        values[part.slice(1)] = decodeURIComponent(found);
      } catch {
        return null; // a bare % in it
      }
    }
  }
  return values;
}

/** Starts handling clicks on links and the browser's back and forward. */
export function startRouter(): void {
  history.scrollRestoration = "manual";
  entry = current();
  if (entry.y) restore(entry.y);
  addEventListener("popstate", () => {
    scrolled.set(entry.key, scrollY);
    entry = current();
    if (new URL(address.value).pathname !== location.pathname) opened = true;
    address.value = location.href;
    restore(scrolled.get(entry.key) ?? 0);
  });
  addEventListener("pagehide", () => history.replaceState({ ...entry, y: scrollY }, ""));
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = (event.target as Element).closest("a[href]");
    if (!(link instanceof HTMLAnchorElement) || link.target || link.hasAttribute("download")) return;
    const url = new URL(link.href);
    const served = /^\/(api|assets|healthz|metrics)(\/|$)/.test(url.pathname);
    if (url.origin !== location.origin || served) return;
    // the skip link and similar links
    if (url.hash && url.pathname === location.pathname && url.search === location.search) return;
    event.preventDefault();
    navigate(link.href);
  });
}
