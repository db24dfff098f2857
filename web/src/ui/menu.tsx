// A button that opens a small panel below it. Escape and a click outside close it.
import { type ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Button } from "./controls";

export function Menu({
  label,
  pressed,
  children,
}: {
  label: ComponentChildren;
  /** Whether what it offers is in use. */
  pressed?: boolean;
  children: (close: () => void) => ComponentChildren;
}) {
  const [open, setOpen] = useState(false);
  const menu = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!open) return;
    const outside = (event: MouseEvent): void => {
      if (event.target instanceof Element && !menu.current?.contains(event.target) && !event.target.closest("dialog")) setOpen(false);
    };
    document.addEventListener("mousedown", outside);
    return () => document.removeEventListener("mousedown", outside);
  }, [open]);
  const close = (): void => {
    setOpen(false);
    menu.current?.querySelector("button")?.focus();
  };
  return (
    <div
      class="menu"
      ref={menu}
      onKeyDown={(event) => {
        if (event.key === "Escape" && open && !document.querySelector("dialog[open]")) {
          event.stopPropagation();
          close();
        }
      }}
    >
      <Button kind="plain" small aria-expanded={open} {...(pressed === undefined ? {} : { "aria-pressed": pressed })} onClick={() => setOpen(!open)}>
        {label}
      </Button>
      {open && <div class="menu-body">{children(close)}</div>}
    </div>
  );
}
