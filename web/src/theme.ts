// Colour theme: the browser's preference until the visitor chooses one.
import { signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";
export const THEMES: readonly Theme[] = ["system", "light", "dark"];
const STORED = "monban.theme";

/** The chosen theme. */
export const theme = signal<Theme>("system");

/** Sets the theme and remembers it in this browser. */
export function setTheme(chosen: Theme): void {
  theme.value = chosen;
  localStorage.setItem(STORED, chosen);
  apply();
}

function apply(): void {
  if (theme.value === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme.value;
}

/** Applies the remembered theme; the stylesheet follows the system's. */
export function startTheme(): void {
  const stored = localStorage.getItem(STORED);
  theme.value = THEMES.find((one) => one === stored) ?? "system";
  apply();
}
