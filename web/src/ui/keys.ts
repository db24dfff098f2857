// Keyboard shortcuts: single keys (`j`, `/`, `?`, `Enter`) and two in a row (`g e`). Whoever shows something registers its own.
import { useEffect, useRef } from "preact/hooks";
import { signal } from "@preact/signals";

/** A shortcut: what it does, in words, and the doing. */
export interface Shortcut {
  /** Its text in the help. */
  label: string;
  run: (event: KeyboardEvent) => void;
}

/** Keys as one types them: `{ "g e": …, j: …, Enter: … }`. */
export type Shortcuts = Record<string, Shortcut>;

/** How long the second key of two may take. */
const SEQUENCE_MS = 1_200;
const STORED = "monban.keys";

const layers = signal<Shortcuts[]>([]);
/** Whether shortcuts of single characters work (WCAG 2.1.4 wants a switch: dictation software types them by accident). */
export const keysEnabled = signal(localStorage.getItem(STORED) !== "off");

export function setKeysEnabled(enabled: boolean): void {
  keysEnabled.value = enabled;
  localStorage.setItem(STORED, enabled ? "on" : "off");
}

/** Has these shortcuts work while the calling component is shown. The newest registration of a key wins. */
export function useKeys(shortcuts: Shortcuts): void {
  const newest = useRef(shortcuts);
  newest.current = shortcuts;
  const names = Object.keys(shortcuts).join("\n");
  useEffect(() => {
    // each render may change a label and what runs; the keys seldom change
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

/** All shortcuts that work now, with their texts. Reads a signal. */
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
    // Enter and space belong to the button or link that has the focus
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
