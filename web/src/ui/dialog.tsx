// Dialogs and toasts.
import { type ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { signal } from "@preact/signals";
import { t } from "../i18n";
import { Button, useAction } from "./controls";

/**
 * Returns the element that gets the focus when a dialog opens: the first field, else the main button. A dialog that must be
 * answered focuses its heading, so that a stray Enter does not answer it. If the action can't be undone, Cancel gets the focus.
 */
function beginning(dialog: HTMLElement, mustAnswer: boolean): HTMLElement | null {
  const fields = "form :is(input, select, textarea):not(:disabled, [readonly], [tabindex='-1'], [type=radio]:not(:checked))";
  const found = mustAnswer ? null : dialog.querySelector<HTMLElement>(fields);
  const button = mustAnswer ? null : dialog.querySelector<HTMLElement>(".actions .button.primary:not(:disabled)");
  const first = mustAnswer ? null : dialog.querySelector<HTMLElement>(".actions .button:not(:disabled)");
  return found ?? button ?? first ?? dialog.querySelector<HTMLElement>("h2");
}

/**
 * A modal dialog. Escape and a click outside call `onClose`; closing returns the focus to the previous element. Without `onClose`
 * only its own buttons close it.
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
  // the focused element may be removed, or a better one may have loaded
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
        // browsers close the dialog on a second Escape even if `cancel` was prevented
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
            <button type="button" class="button quiet small" aria-label={t("ui.close")} onClick={onClose}>
              ×
            </button>
          )}
        </header>
        {children}
      </div>
    </dialog>
  );
}

/** Asks before an action that takes something away or permits more. `children` says what follows. */
export function Confirm({
  title,
  children,
  action,
  onConfirm,
  onClose,
}: {
  title: string;
  children: ComponentChildren;
  /** The label of the button. */
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

/** The buttons that end a form in a dialog. */
export function DialogActions({
  action,
  kind = "primary",
  busy,
  disabled = false,
  onClose,
}: {
  /** The label of the submit button. */
  action: string;
  kind?: "primary" | "danger";
  busy: boolean;
  disabled?: boolean;
  onClose: () => void;
}) {
  return (
    <div class="actions">
      <Button onClick={onClose}>{t("ui.cancel")}</Button>
      <Button type="submit" kind={kind} busy={busy} disabled={disabled}>
        {action}
      </Button>
    </div>
  );
}

interface Toast {
  id: number;
  text: string;
  kind: "done" | "failed";
}
const toasts = signal<Toast[]>([]);
let nextToast = 0;
/** Milliseconds for which a toast stays. */
const TOAST_MS = { done: 6_000, failed: 20_000 } as const;

/** Shows a short message. */
export function toast(text: string, kind: Toast["kind"] = "done"): void {
  const id = nextToast++;
  toasts.value = [...toasts.value, { id, text, kind }];
  setTimeout(() => close(id), TOAST_MS[kind]);
}

/** Removes all messages, as at the end of a session. */
export function clearToasts(): void {
  toasts.value = [];
}

function close(id: number): void {
  toasts.value = toasts.value.filter((one) => one.id !== id);
}

/** The container in which {@link toast} shows its messages; once in the shell. */
export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map((one) => (
        <div key={one.id} class={`toast ${one.kind}`}>
          <span>{one.text}</span>
          <button type="button" class="button quiet small" aria-label={t("ui.close")} onClick={() => close(one.id)}>
            ×
          </button>
        </div>
      ))}
    </div>
  );
}
