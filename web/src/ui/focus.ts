// Keeps the focus in the page: what had it may be removed, such as a row by its own button.

/** Milliseconds in which a page may put the focus somewhere itself. */
const GRACE_MS = 100;

/** Moves the focus to the heading when the element that has it is removed and nothing else takes it. */
export function startFocus(): void {
  let last: Element | null = null;
  document.addEventListener("focusin", ({ target }) => {
    last = target instanceof Element ? target : null;
  });
  new MutationObserver(() => {
    if (!last || last.isConnected) return;
    last = null;
    setTimeout(() => {
      if (document.activeElement === document.body) document.querySelector<HTMLElement>("h1")?.focus({ preventScroll: true });
    }, GRACE_MS);
  }).observe(document.body, { childList: true, subtree: true });
}
