// Requests to the console's API: cookies, the CSRF token, errors.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { signal } from "@preact/signals";
import { language } from "../i18n";

/** A response other than 2xx, or none at all (`status` 0). */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    /** The server's text for people, in the page's language. */
    message: string,
    /** The whole response, for fields besides `error`. */
    readonly body: Record<string, unknown> = {},
    /** Seconds after which to retry, if the response says so. */
    readonly retryAfter: number | null = null,
  ) {
    super(message);
  }

  /** Whether {@link useRetry} retries the request. */
  retrying = false;

  /** Whether a retry may succeed: no response, too many requests, or an external failure. */
  get transient(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 502;
  }

  /** The code of the error, such as `session.ended`. */
  get code(): string | undefined {
    return typeof this.body.code === "string" ? this.body.code : undefined;
  }
}

/** The session's CSRF token. */
export const csrf = signal("");

let signedOut: (body: Record<string, unknown>) => void = () => {};

/** Calls `run` with the response whenever the API requires a sign-in (401). */
export function onSignedOut(run: (body: Record<string, unknown>) => void): void {
  signedOut = run;
}

/** Sends GET `path` and returns the JSON. */
export function get<T>(path: string, options: { signal?: AbortSignal } = {}): Promise<T> {
  return ask<T>("GET", path, undefined, options.signal);
}

/** Sends POST, PUT, PATCH or DELETE with a JSON body. Returns undefined for an empty response (204). */
export function send<T = void>(
  method: "POST" | "PUT" | "PATCH" | "DELETE",
  path: string,
  body?: unknown,
): Promise<T> {
  return ask<T>(method, path, body);
}

async function ask<T>(method: string, path: string, body?: unknown, abort?: AbortSignal): Promise<T> {
  const headers: Record<string, string> = { Accept: "application/json", "Accept-Language": language.value };
  if (method !== "GET") headers["X-CSRF-Token"] = csrf.value;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const init: RequestInit = { method, headers, credentials: "same-origin", cache: "no-store" };
  if (body !== undefined) init.body = JSON.stringify(body);
  if (abort) init.signal = abort;
  const asked = csrf.value;
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    if (abort?.aborted) throw error;
    throw new ApiError(0, "");
  }
  const text = await response.text();
  let answer: unknown;
  try {
    answer = text ? JSON.parse(text) : undefined;
  } catch {
    answer = response.ok ? undefined : { error: text.slice(0, 500) };
  }
  if (response.ok) return answer as T;
  throw failure(path, method, response, answer, asked);
}

/** Returns the reason why a stream of `path` does not start; undefined if it would start now. */
export async function whyRefused(path: string): Promise<ApiError | undefined> {
  const abort = new AbortController();
  const asked = csrf.value;
  try {
    const headers = { "Accept-Language": language.value };
    const response = await fetch(path, { headers, credentials: "same-origin", cache: "no-store", signal: abort.signal });
    if (response.ok) return undefined;
    return failure(path, "GET", response, await response.json().catch(() => undefined), asked);
  } catch {
    return new ApiError(0, "");
  } finally {
    abort.abort();
  }
}

/** Makes an error of a response. `asked` is the token of the session in which the request was sent. */
function failure(path: string, method: string, response: Response, answer: unknown, asked: string): ApiError {
  const fields = (typeof answer === "object" && answer !== null ? answer : {}) as Record<string, unknown>;
  const message = typeof fields.error === "string" ? fields.error : `${response.status} ${response.statusText}`;
  // the pages themselves handle a wrong password and a used link
  const signingIn = method === "POST" && /^\/api\/(session|setup)(\/|$)/.test(path);
  // a request that was sent before the visitor signed in says nothing about the session
  if (response.status === 401 && !signingIn && asked === csrf.value) signedOut(fields);
  const retry = Number(response.headers.get("Retry-After"));
  return new ApiError(response.status, message, fields, retry > 0 ? retry : null);
}

/** Milliseconds before the first retry, and at most between retries. */
const RETRY_MS = [2_000, 30_000] as const;

/**
 * Calls `again` while `error` is transient: after 2 seconds, 4, 8, up to 30, while the page is visible, and immediately when
 * the page becomes visible or the network is back. Each failure must be a new error object.
 */
export function useRetry(error: ApiError | undefined, again: () => void): void {
  const failed = useRef({ times: 0, last: 0 });
  const run = useRef(again);
  run.current = again;
  if (error) error.retrying = error.transient;
  useEffect(() => {
    if (!error?.transient) return;
    const [first, most] = RETRY_MS;
    // a page has no error while it retries; after some time without errors the delays start over
    const { times, last } = failed.current;
    const before = Date.now() - last > 2 * most ? 0 : times;
    failed.current = { times: before + 1, last: Date.now() };
    const wait = Math.max(Math.min(first * 2 ** before, most), (error.retryAfter ?? 0) * 1000);
    const retry = (): void => {
      if (!document.hidden) run.current();
    };
    const timer = setTimeout(retry, wait);
    document.addEventListener("visibilitychange", retry);
    addEventListener("online", retry);
    return () => {
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", retry);
      removeEventListener("online", retry);
    };
  }, [error]);
}

/** The state of {@link useLoad}. */
export interface Loaded<T> {
  /** The latest response; it stays while the next one loads. */
  data: T | undefined;
  /** The error of the latest request. */
  error: ApiError | undefined;
  loading: boolean;
  reload: () => void;
}

/** Sends GET `path` whenever it changes and retries transient errors ({@link useRetry}); null sends nothing. */
export function useLoad<T>(path: string | null): Loaded<T> {
  const [state, setState] = useState<{ data?: T; error?: ApiError; loading: boolean }>({ loading: path !== null });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    if (path === null) return;
    const abort = new AbortController();
    setState((before) => ({ ...before, loading: true }));
    get<T>(path, { signal: abort.signal }).then(
      (data) => {
        if (!abort.signal.aborted) setState({ data, loading: false });
      },
      (error: unknown) => {
        if (abort.signal.aborted) return;
        const known = error instanceof ApiError ? error : new ApiError(0, String(error));
        setState((before) => ({ ...before, error: known, loading: false }));
      },
    );
    return () => abort.abort();
  }, [path, turn]);
  const reload = useCallback(() => setTurn((before) => before + 1), []);
  useRetry(state.error, reload);
  return { data: state.data, error: state.error, loading: state.loading, reload };
}
