// Asking the console's API: cookies, the CSRF token, errors.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { signal } from "@preact/signals";

/** An answer other than 2xx, or none at all (`status` 0). */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    /** For people, as the gate wrote it. */
    message: string,
    /** The whole answer, for fields beside `error`. */
    readonly body: Record<string, unknown> = {},
    /** Seconds after which to try again, where the answer said so. */
    readonly retryAfter: number | null = null,
  ) {
    super(message);
  }

  /** Whether it is asked again without anybody's doing: see {@link useRetry}. */
  retrying = false;

  /** Whether it may pass by itself: no answer, too many at a time, or something outside that fails. */
  get transient(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 502;
  }

  /** What kind of problem it is, as the gate says: one of `ProblemCode`, or a word of a newer gate. */
  get code(): string | undefined {
    return typeof this.body.code === "string" ? this.body.code : undefined;
  }

  /** What the text names, by name. */
  get values(): Record<string, string | number> {
    return (this.body.values ?? {}) as Record<string, string | number>;
  }
}

/** The present session's token against requests of foreign pages. */
export const csrf = signal("");

let signedOut: (body: Record<string, unknown>) => void = () => {};

/** Calls `run` with the answer whenever the API wants a sign-in (401). */
export function onSignedOut(run: (body: Record<string, unknown>) => void): void {
  signedOut = run;
}

/** GET `path`, JSON. */
export function get<T>(path: string, options: { signal?: AbortSignal } = {}): Promise<T> {
  return ask<T>("GET", path, undefined, options.signal);
}

/** POST, PUT, PATCH or DELETE with a JSON body. Answers undefined where the API answers nothing (204). */
export function send<T = void>(
  method: "POST" | "PUT" | "PATCH" | "DELETE",
  path: string,
  body?: unknown,
): Promise<T> {
  return ask<T>(method, path, body);
}

async function ask<T>(method: string, path: string, body?: unknown, abort?: AbortSignal): Promise<T> {
  const headers: Record<string, string> = { Accept: "application/json" };
  if (method !== "GET") headers["X-CSRF-Token"] = csrf.value;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const init: RequestInit = { method, headers, credentials: "same-origin", cache: "no-store" };
  if (body !== undefined) init.body = JSON.stringify(body);
  if (abort) init.signal = abort;
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
  throw failure(path, method, response, answer);
}

/** Why a stream of `path` does not begin; undefined where it would now. */
export async function whyRefused(path: string): Promise<ApiError | undefined> {
  const abort = new AbortController();
  try {
    const response = await fetch(path, { credentials: "same-origin", cache: "no-store", signal: abort.signal });
    if (response.ok) return undefined;
    return failure(path, "GET", response, await response.json().catch(() => undefined));
  } catch {
    return new ApiError(0, "");
  } finally {
    abort.abort();
  }
}

function failure(path: string, method: string, response: Response, answer: unknown): ApiError {
  const fields = (typeof answer === "object" && answer !== null ? answer : {}) as Record<string, unknown>;
  const message = typeof fields.error === "string" ? fields.error : `${response.status} ${response.statusText}`;
  // a wrong password and a used link are the pages' own affair
  const signingIn = method === "POST" && /^\/api\/(session|setup)(\/|$)/.test(path);
  if (response.status === 401 && !signingIn) signedOut(fields);
  const retry = Number(response.headers.get("Retry-After"));
  return new ApiError(response.status, message, fields, retry > 0 ? retry : null);
}

/** How long it takes until something is tried again: at first, and at most. */
const RETRY_MS = [2_000, 30_000] as const;

/**
 * Calls `again` by itself while `error` may pass: after 2 seconds, 4, 8, up to 30, while the page is in sight; at once when it
 * comes into sight or the network is back. Each failure has to be an error of its own.
 */
export function useRetry(error: ApiError | undefined, again: () => void): void {
  const failed = useRef({ times: 0, last: 0 });
  const run = useRef(again);
  run.current = again;
  if (error) error.retrying = error.transient;
  useEffect(() => {
    if (!error?.transient) return;
    const [first, most] = RETRY_MS;
    // a page may have no error while it asks; what worked for a while begins anew
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

/** What {@link useLoad} has so far. */
export interface Loaded<T> {
  /** The newest answer; it stays while the next one is on its way. */
  data: T | undefined;
  /** Why there is no newer one. */
  error: ApiError | undefined;
  loading: boolean;
  reload: () => void;
}

/** GET `path` whenever it changes, and again where that failed and may pass ({@link useRetry}); null asks for nothing. */
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
