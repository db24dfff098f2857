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

/** Opens an address of the console, such as `/events?outcome=blocked`. `replace` replaces the current history entry. */
export function navigate(target: string, { replace = false } = {}): void {
  const url = new URL(target, location.href);
  if (url.origin !== location.origin) throw new Error(`not an address of the console: ${target}`);
  if (replace) history.replaceState(null, "", url);
  else history.pushState(null, "", url);
  const samePage = new URL(address.value).pathname === url.pathname;
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
  addEventListener("popstate", () => {
    address.value = location.href;
  });
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
