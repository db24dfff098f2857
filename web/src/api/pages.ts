// Lists that the API returns page by page.
import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { ApiError, get } from "./client";

/** The loaded part of a list. */
export interface PagesState<T> {
  items: T[];
  /** The parameter `before` of the next page; null at the end. */
  next: string | null;
  /** How far a search got that stopped before its page was full. */
  searchedTo: string | null;
  loading: boolean;
  error: ApiError | undefined;
}

export interface Pages<T> extends PagesState<T> {
  /** Loads the next page, or the one that failed. */
  more: () => void;
  /** Adds new items at the begin. */
  add: (items: readonly T[]) => void;
}

/** Number of items on a page. */
const LIMIT = 50;

/**
 * Loads `path` page by page; the response has the items under `name`. A new `turn` loads anew. `left` is what the visitor left
 * when they went to another page.
 */
export function usePages<T extends { id: string }>(path: string, name: string, turn: number, left?: PagesState<T>): Pages<T> {
  const [state, setState] = useState<PagesState<T>>(left ?? { items: [], next: null, searchedTo: null, loading: true, error: undefined });
  const skip = useRef(left !== undefined);
  const abort = useRef<AbortController>(undefined);
  const load = useCallback(
    (before: string | null, kept: T[]) => {
      abort.current?.abort();
      const controller = new AbortController();
      abort.current = controller;
      const end = before === null ? { next: null, searchedTo: null } : {};
      setState((state) => ({ ...state, ...end, items: kept, loading: true, error: undefined }));
      const [resource, asked] = path.split("?");
      const query = new URLSearchParams(asked);
      query.set("limit", String(LIMIT));
      if (before) query.set("before", before);
      get<{ next: string | null; searched_to?: string | null } & Record<string, T[]>>(`${resource}?${query}`, { signal: controller.signal }).then(
        (page) => {
          if (controller.signal.aborted) return;
          const items = [...kept, ...(page[name] ?? [])];
          setState({ items, next: page.next, searchedTo: page.searched_to ?? null, loading: false, error: undefined });
        },
        (error: unknown) => {
          if (controller.signal.aborted) return;
          const known = error instanceof ApiError ? error : new ApiError(0, String(error));
          setState((state) => ({ ...state, next: before ?? state.next, loading: false, error: known }));
        },
      );
    },
    [path, name],
  );
  useEffect(() => {
    if (skip.current) skip.current = false;
    else load(null, []);
    return () => abort.current?.abort();
  }, [load, turn]);
  return useMemo(
    () => ({
      ...state,
      more: () => load(state.next, state.items),
      add: (items) =>
        setState((before) => {
          const known = new Set(before.items.map(({ id }) => id));
          return { ...before, items: [...items.filter(({ id }) => !known.has(id)), ...before.items] };
        }),
    }),
    [state, load],
  );
}
