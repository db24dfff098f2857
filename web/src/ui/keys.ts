// Keyboard shortcuts: single keys (`j`, `/`, `?`, `Enter`) and sequences of two (`g e`). Each component registers its own.
import { useEffect, useRef } from "preact/hooks";
import { signal } from "@preact/signals";

/** A shortcut: its label and its action. */
export interface Shortcut {
  /** Its text in the help. */
  label: string;
  run: (event: KeyboardEvent) => void;
}

/** Shortcuts by the keys as typed: `{ "g e": …, j: …, Enter: … }`. */
export type Shortcuts = Record<string, Shortcut>;

/** Milliseconds within which the second key of a sequence must follow. */
const SEQUENCE_MS = 1_200;
const STORED = "monban.keys";

const layers = signal<Shortcuts[]>([]);
/**
 * Whether single-character shortcuts are enabled (WCAG 2.1.4 requires a switch, because dictation software types them by
 * accident).
 */
export const keysEnabled = signal(localStorage.getItem(STORED) !== "off");

export function setKeysEnabled(enabled: boolean): void {
  keysEnabled.value = enabled;
  localStorage.setItem(STORED, enabled ? "on" : "off");
}

/** Registers shortcuts while the calling component is mounted. The newest registration of a key wins. */
export function useKeys(shortcuts: Shortcuts): void {
  const newest = useRef(shortcuts);
  newest.current = shortcuts;
  const names = Object.keys(shortcuts).join("\n");
  useEffect(() => {
    // each render may change a label and an action; the keys rarely change
    const layer: Shortcuts = {};
    for (const keys of Object.keys(newest.current)) {
      layer[keys] = {
        get label() {
          return newest.current[keys]?.label ?? "";
        },
        run: (event) => newest.current[keys]?.run(event),
      };
    }
    layers.value = [...layers.peek(), layer];
    return () => {
      layers.value = layers.peek().filter((one) => one !== layer);
    };
  }, [names]);
}

/** Returns all active shortcuts with their labels. Reads a signal. */
export function activeShortcuts(): { keys: string; label: string }[] {
  const found = new Map<string, string>();
  for (const layer of layers.value) for (const [keys, { label }] of Object.entries(layer)) found.set(keys, label);
  return [...found].map(([keys, label]) => ({ keys, label }));
}

function find(keys: string): Shortcut | undefined {
  const all = layers.peek();
  for (let index = all.length - 1; index >= 0; index--) {
    const found = all[index]?.[keys];
    if (found) return found;
  }
  return undefined;
}

function takesText(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement) return !["checkbox", "radio", "button", "submit"].includes(target.type);
  return target.isContentEditable || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
}

let first: { key: string; at: number } | null = null;

/** Listens for shortcuts. */
export function startKeys(): void {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (takesText(event.target) || (event.key.length === 1 && !keysEnabled.value)) return;
    if (document.querySelector("dialog[open]")) return;
    // Enter and space activate the focused button or link
    const target = event.target instanceof Element ? event.target : null;
    if ((event.key === "Enter" || event.key === " ") && target?.closest("a, button, summary, input")) return;
    const sequence = first && event.timeStamp - first.at < SEQUENCE_MS ? `${first.key} ${event.key}` : null;
    first = null;
    const found = (sequence && find(sequence)) || find(event.key);
    if (found) {
      event.preventDefault();
      found.run(event);
    } else if (layers.peek().some((layer) => Object.keys(layer).some((keys) => keys.startsWith(`${event.key} `)))) {
      first = { key: event.key, at: event.timeStamp };
    }
  });
}
