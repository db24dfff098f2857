// The session of the visitor.
import { computed, signal } from "@preact/signals";
import { type Role, type Session } from "./api";
import { ApiError, csrf, get, onSignedOut, send } from "./api/client";
import { forget, navigate, place } from "./router";
import { clearToasts } from "./ui/dialog";

/** The session; null without one, undefined until the API responds. */
export const session = signal<Session | null | undefined>(undefined);
/** The error of the request for the session. */
export const sessionError = signal<ApiError | null>(null);
/** Whether a session has ended; the sign-in page says so. */
export const sessionEnded = signal(false);
/** Whether no owner exists yet. */
export const needsSetup = signal(false);

const RANK: Record<Role, number> = { viewer: 0, analyst: 1, owner: 2 };

/** Returns whether the visitor has `role` or a higher one. Reads a signal. */
export function may(role: Role): boolean {
  const mine = session.value?.role;
  return mine !== undefined && RANK[mine] >= RANK[role];
}

/** Whether the visitor may tune rules. */
export const mayTune = computed(() => may("analyst"));

/** Stores the response to a sign-in and opens the page that the visitor wanted. */
export function signedIn(answer: Session): void {
  csrf.value = answer.csrf;
  session.value = answer;
  sessionError.value = null;
  sessionEnded.value = false;
  const wanted = place.value.query.get("next");
  // only a path of this site: `//host` is another host
  navigate(wanted?.startsWith("/") && !/^\/[/\\]/.test(wanted) ? wanted : "/", { replace: true });
}

/** Forgets the session and what pages showed of it. */
function ended(): void {
  session.value = null;
  csrf.value = "";
  clearToasts();
  forget();
}

/** Requests the session. */
export async function loadSession(): Promise<void> {
  onSignedOut((body) => {
    // after signing out in another window, the cookie is gone
    if (body.code === "session.ended" || session.value) sessionEnded.value = true;
    ended();
    needsSetup.value = body.setup === true;
    const { path, query } = place.value;
    if (path === "/signin" || path === "/setup") return;
    const text = query.toString();
    const here = text ? `${path}?${text}` : path;
    navigate(here === "/" ? "/signin" : `/signin?next=${encodeURIComponent(here)}`, { replace: true });
  });
  try {
    const answer = await get<Session>("/api/session");
    csrf.value = answer.csrf;
    session.value = answer;
    sessionError.value = null;
  } catch (error) {
    if (error instanceof ApiError && error.status !== 401) sessionError.value = error;
  }
}

/** Ends the session. */
export async function signOut(): Promise<void> {
  await send("DELETE", "/api/session");
  sessionEnded.value = false;
  ended();
  navigate("/signin");
}
