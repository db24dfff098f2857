// Addresses of pages over the history API. Links are ordinary <a href>; a click on one of ours is taken here.
import { computed, signal } from "@preact/signals";

/** The part of an address that chooses a page and what it shows. */
export interface Place {
  /** `/events/01J…`, never with a slash at the end. */
  path: string;
  query: URLSearchParams;
}

const address = signal(location.href);

/** Where the browser is. */
export const place = computed<Place>(() => {
  const url = new URL(address.value);
  return { path: url.pathname.replace(/(.)\/+$/, "$1"), query: url.searchParams };
});

/** Goes to one of our addresses, such as `/events?action=blocked`. With `replace` the present one leaves the history. */
export function navigate(target: string, { replace = false } = {}): void {
  const url = new URL(target, location.href);
  if (url.origin !== location.origin) throw new Error(`not an address of the console: ${target}`);
  if (replace) history.replaceState(null, "", url);
  else history.pushState(null, "", url);
  const samePage = new URL(address.value).pathname === url.pathname;
  address.value = url.href;
  if (!samePage) window.scrollTo(0, 0);
}

/** Changes parameters of the present address: null or "" takes one away, a list gives one several times. */
export function setQuery(changes: Record<string, string | string[] | null>, options?: { replace?: boolean }): void {
  const query = new URLSearchParams(place.value.query);
  for (const [name, value] of Object.entries(changes)) {
    query.delete(name);
    for (const one of Array.isArray(value) ? value : [value]) if (one) query.append(name, one);
  }
  navigate(withQuery(place.value.path, query), options);
}

/** `/events` and parameters as one address. */
export function withQuery(path: string, query: URLSearchParams): string {
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

/** The values of `:name` parts where `path` is one of `pattern` (`/events/:id`), else null. */
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

/** Follows clicks on links and the browser's back and forward. */
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
    // the skip link and the like
    if (url.hash && url.pathname === location.pathname && url.search === location.search) return;
    event.preventDefault();
    navigate(link.href);
  });
}
