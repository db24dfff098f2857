// Dialogs and short messages.
import { type ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { signal } from "@preact/signals";
import { t } from "../i18n";
import { Button, useAction } from "./controls";

/**
 * Where one begins in a dialog: at the first field, else at what it is for. A dialog that must be answered begins at its
 * heading, so that an Enter too many does not answer it. What can't be undone takes more than an Enter: there it is the
 * button that does nothing.
 */
function beginning(dialog: HTMLElement, mustAnswer: boolean): HTMLElement | null {
  const fields = "form :is(input, select, textarea):not(:disabled, [readonly], [tabindex='-1'], [type=radio]:not(:checked))";
  const found = mustAnswer ? null : dialog.querySelector<HTMLElement>(fields);
  const button = mustAnswer ? null : dialog.querySelector<HTMLElement>(".actions .button.primary:not(:disabled)");
  const first = mustAnswer ? null : dialog.querySelector<HTMLElement>(".actions .button:not(:disabled)");
  return found ?? button ?? first ?? dialog.querySelector<HTMLElement>("h2");
}

/**
 * A dialog over the page; Escape and a click beside it call `onClose`, and the focus returns to where it was. Without
 * `onClose` only its own buttons end it.
 */
export function Dialog({
  title,
  onClose,
  children,
  wide = false,
}: {
  title: string;
  onClose: (() => void) | null;
  children: ComponentChildren;
  wide?: boolean;
}) {
  const element = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const before = document.activeElement;
    const shown = element.current;
    shown?.showModal();
    if (shown) beginning(shown, !onClose)?.focus();
    return () => {
      shown?.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  // where the focus was is gone, or there was nothing better yet: what a dialog holds may come later
  useEffect(() => {
    const [shown, focused] = [element.current, document.activeElement];
    if (!shown || (shown.contains(focused) && focused !== shown && focused?.tagName !== "H2")) return;
    const first = beginning(shown, !onClose);
    if (first && first !== focused) first.focus();
  });
  return (
    <dialog
      ref={element}
      class={wide ? "dialog wide" : "dialog"}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        onClose?.();
      }}
      onKeyDown={(event) => {
        // browsers let a second Escape through where only `cancel` was refused
        if (event.key === "Escape" && !onClose) event.preventDefault();
      }}
      onClick={(event) => {
        if (event.target === element.current) onClose?.();
      }}
    >
      <div class="dialog-body">
        <header class="dialog-head">
          <h2 id={id} tabIndex={-1}>
            {title}
          </h2>
          {onClose && (
            <button type="button" class="button quiet" aria-label={t("ui.close")} onClick={onClose}>
              ×
            </button>
          )}
        </header>
        {children}
      </div>
    </dialog>
  );
}

/** Asks before something that can't be undone. */
export function Confirm({
  title,
  children,
  action,
  onConfirm,
  onClose,
}: {
  title: string;
  children?: ComponentChildren;
  /** What the button says. */
  action: string;
  onConfirm: () => Promise<void>;
  onClose: () => void;
}) {
  const { busy, error, run } = useAction();
  return (
    <Dialog title={title} onClose={onClose}>
      {children}
      <p class="form-error" role="alert">
        {error}
      </p>
      <div class="actions">
        <Button onClick={onClose}>{t("ui.cancel")}</Button>
        <Button
          kind="danger"
          busy={busy}
          onClick={() =>
            void run(async () => {
              await onConfirm();
              onClose();
            })
          }
        >
          {action}
        </Button>
      </div>
    </Dialog>
  );
}

interface Toast {
  id: number;
  text: string;
  kind: "done" | "failed";
}
const toasts = signal<Toast[]>([]);
let nextToast = 0;
/** How long a message stays; one about a failure stays until it is closed. */
const TOAST_MS = 6_000;

/** Says shortly what happened. */
export function toast(text: string, kind: Toast["kind"] = "done"): void {
  const id = nextToast++;
  toasts.value = [...toasts.value, { id, text, kind }];
  if (kind === "done") setTimeout(() => close(id), TOAST_MS);
}

function close(id: number): void {
  toasts.value = toasts.value.filter((one) => one.id !== id);
}

/** Where {@link toast} shows its messages: once in the shell. */
export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map((one) => (
        <div key={one.id} class={`toast ${one.kind}`}>
          <span>{one.text}</span>
          <button type="button" class="button quiet" aria-label={t("ui.close")} onClick={() => close(one.id)}>
            ×
          </button>
        </div>
      ))}
    </div>
  );
}
