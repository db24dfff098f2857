// Buttons, fields and forms.
import { type ComponentChildren, type JSX } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { ApiError } from "../api/client";
import { t } from "../i18n";

type ButtonProps = Omit<JSX.IntrinsicElements["button"], "class"> & {
  /** primary: the main action of the page. danger: an action that can't be undone. quiet: minor actions. */
  kind?: "primary" | "danger" | "plain" | "quiet";
  small?: boolean;
  /** Disables the button while its action runs. */
  busy?: boolean;
};

export function Button({ kind = "plain", small = false, busy = false, type = "button", disabled, ...others }: ButtonProps) {
  return (
    <button
      {...others}
      type={type}
      class={`button ${kind}${small ? " small" : ""}`}
      disabled={busy || disabled === true}
      aria-busy={busy || undefined}
    />
  );
}

/** Buttons of which one is chosen. */
export function Choice<V extends string>({
  label,
  options,
  value,
  onValue,
}: {
  label: string;
  options: readonly { value: V; label: string }[];
  value: V;
  onValue: (value: V) => void;
}) {
  return (
    <div class="choices" role="group" aria-label={label}>
      {options.map((one) => (
        <Button key={one.value} small aria-pressed={one.value === value} onClick={() => onValue(one.value)}>
          {one.label}
        </Button>
      ))}
    </div>
  );
}

/** A switch that takes effect at once. */
export function Toggle({
  label,
  on,
  onChange,
  disabled = false,
}: {
  label: ComponentChildren;
  on: boolean;
  onChange: (on: boolean) => void;
  disabled?: boolean;
}) {
  return (
    <button type="button" role="switch" class="toggle" aria-checked={on} disabled={disabled} onClick={() => onChange(!on)}>
      <i class="switch" aria-hidden="true" />
      {label}
    </button>
  );
}

/** A label with a control and, below it, help or an error. `children` renders the control with the given attributes. */
export function Field({
  label,
  help,
  error,
  children,
}: {
  label: ComponentChildren;
  help?: ComponentChildren;
  error?: ComponentChildren;
  children: (attributes: { id: string; "aria-describedby"?: string; "aria-invalid"?: true }) => ComponentChildren;
}) {
  const id = useId();
  const note = error ?? help;
  const attributes = {
    id,
    ...(note ? { "aria-describedby": `${id}-note` } : {}),
    ...(error ? { "aria-invalid": true as const } : {}),
  };
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children(attributes)}
      {note && (
        <p id={`${id}-note`} class={error ? "note error" : "note"}>
          {note}
        </p>
      )}
    </div>
  );
}

type InputProps = Omit<JSX.IntrinsicElements["input"], "value" | "onInput" | "class" | "role"> & {
  label: ComponentChildren;
  help?: ComponentChildren;
  error?: ComponentChildren;
  value: string;
  onValue: (value: string) => void;
};

/** A {@link Field} with an input. */
export function Input({ label, help, error, value, onValue, ...others }: InputProps) {
  return (
    <Field label={label} help={help} error={error}>
      {(attributes) => (
        <input
          {...(others as JSX.IntrinsicElements["input"])}
          {...attributes}
          value={value}
          onInput={(event) => onValue(event.currentTarget.value)}
        />
      )}
    </Field>
  );
}

/** A {@link Field} with a choice of values. */
export function Select<V extends string>({
  label,
  help,
  value,
  onValue,
  options,
  disabled = false,
}: {
  label: ComponentChildren;
  help?: ComponentChildren;
  value: V;
  onValue: (value: V) => void;
  options: readonly { value: V; label: string }[];
  disabled?: boolean;
}) {
  return (
    <Field label={label} help={help}>
      {(attributes) => (
        <select
          {...attributes}
          value={value}
          disabled={disabled}
          onChange={(event) => onValue(event.currentTarget.value as V)}
        >
          {options.map((one) => (
            <option key={one.value} value={one.value}>
              {one.label}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

/** A checkbox with its label. */
export function Checkbox({
  label,
  checked,
  onChecked,
}: {
  label: ComponentChildren;
  checked: boolean;
  onChecked: (checked: boolean) => void;
}) {
  return (
    <label class="checkbox">
      <input type="checkbox" checked={checked} onChange={(event) => onChecked(event.currentTarget.checked)} />
      <span>{label}</span>
    </label>
  );
}

/** Returns the message of an error. */
export function errorText(error: unknown): string {
  if (!(error instanceof ApiError)) return String(error);
  if (error.status === 0) return t("ui.unreachable");
  if (error.retryAfter === null) return error.message;
  return t("ui.retryAfter", { problem: error.message, n: error.retryAfter });
}

/** Runs one action at a time, and reports whether it is running and the error if it failed. */
export function useAction(): {
  busy: boolean;
  error: string | undefined;
  run: (action: () => Promise<void>) => Promise<void>;
  clear: () => void;
} {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string>();
  const shown = useRef(true);
  useEffect(() => {
    shown.current = true;
    return () => {
      shown.current = false;
    };
  }, []);
  const run = async (action: () => Promise<void>) => {
    setBusy(true);
    setError(undefined);
    try {
      await action();
    } catch (failure) {
      if (shown.current) setError(errorText(failure));
    } finally {
      if (shown.current) setBusy(false);
    }
  };
  return { busy, error, run, clear: () => setError(undefined) };
}

/** A form with its error; `onSubmit` never runs twice at a time. */
export function Form({
  onSubmit,
  error,
  children,
  label,
}: {
  onSubmit: () => void;
  error?: string | undefined;
  children: ComponentChildren;
  label?: string;
}) {
  return (
    <form
      aria-label={label}
      onSubmit={(event) => {
        event.preventDefault();
        onSubmit();
      }}
    >
      {children}
      <p class="form-error" role="alert">
        {error}
      </p>
    </form>
  );
}
