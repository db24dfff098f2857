// Who is signed in.
import { computed, signal } from "@preact/signals";
import { type Role, type Session } from "./api";
import { ApiError, csrf, get, onSignedOut, send } from "./api/client";
import { navigate, place } from "./router";

/** The session; null without one, undefined until the API has answered. */
export const session = signal<Session | null | undefined>(undefined);
/** Why the API has not told. */
export const sessionError = signal<ApiError | null>(null);
/** Whether the session that was here is over: the sign-in page says so. */
export const sessionEnded = signal(false);
/** Whether the first owner is still to be made. */
export const needsSetup = signal(false);

const RANK: Record<Role, number> = { viewer: 0, analyst: 1, owner: 2 };

/** Whether who is signed in has `role` or a higher one. Reads a signal. */
export function may(role: Role): boolean {
  const mine = session.value?.role;
  return mine !== undefined && RANK[mine] >= RANK[role];
}

/** Whether who is signed in may tune. */
export const mayTune = computed(() => may("analyst"));

/** Takes what signing in answered, and goes on to where the visitor wanted to go. */
export function signedIn(answer: Session): void {
  csrf.value = answer.csrf;
  session.value = answer;
  sessionError.value = null;
  sessionEnded.value = false;
  const wanted = place.value.query.get("next");
  // only ever a path of ours: `//host` is another host
  navigate(wanted?.startsWith("/") && !/^\/[/\\]/.test(wanted) ? wanted : "/", { replace: true });
}

/** Asks the API who this is. */
export async function loadSession(): Promise<void> {
  onSignedOut((body) => {
    // after a signing out in another window the browser shows no session any more
    if (body.code === "session_ended" || session.value) sessionEnded.value = true;
    session.value = null;
    csrf.value = "";
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
  session.value = null;
  sessionEnded.value = false;
  csrf.value = "";
  navigate("/signin");
}
