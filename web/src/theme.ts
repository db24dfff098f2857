// Light or dark: the browser's choice until the visitor makes one.
import { signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";
export const THEMES: readonly Theme[] = ["system", "light", "dark"];
const STORED = "monban.theme";

/** What was chosen. */
export const theme = signal<Theme>("system");
/** Goes up whenever colours change, by choice or by the system: what is drawn on a canvas is drawn anew. */
export const coloursChanged = signal(0);

/** Chooses, for this browser from now on. */
export function setTheme(chosen: Theme): void {
  theme.value = chosen;
  localStorage.setItem(STORED, chosen);
  apply();
}

function apply(): void {
  if (theme.value === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme.value;
  coloursChanged.value++;
}

/** Takes what was chosen before. */
export function startTheme(): void {
  const stored = localStorage.getItem(STORED);
  theme.value = THEMES.find((one) => one === stored) ?? "system";
  apply();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", apply);
}

/** The value of a colour variable now: `colour("--accent")`. */
export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
