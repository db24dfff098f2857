// The findings of the daemon, for the banner on every page and the page of findings.
import { signal } from "@preact/signals";
import type { Finding, Health } from "./api";
import { type ApiError, get } from "./api/client";
import { SEVERITIES } from "./api/event";

/** The findings, the worst first; undefined until they have been loaded. */
export const findings = signal<readonly Finding[] | undefined>(undefined);
/** Why they could not be loaded; the findings before stay. */
export const findingsError = signal<ApiError | undefined>(undefined);

/** Milliseconds between requests while the page is visible. */
const REFRESH_MS = 20_000;

/** Loads the findings. */
export async function loadFindings(): Promise<void> {
  try {
    const { findings: found } = await get<Health>("/healthz");
    const rank = ({ severity }: Finding): number => SEVERITIES.indexOf(severity);
    findings.value = found.toSorted((a, b) => rank(a) - rank(b));
    findingsError.value = undefined;
  } catch (error) {
    findingsError.value = error as ApiError;
  }
}

/** Loads the findings now and again; returns what ends that. */
export function followFindings(): () => void {
  void loadFindings();
  const timer = setInterval(() => !document.hidden && void loadFindings(), REFRESH_MS);
  return () => clearInterval(timer);
}
