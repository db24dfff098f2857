// The layout of pages.
import { type ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { arrived } from "../router";

/** A page: heading (also the window's title), actions and content. */
export function Page({
  title,
  actions,
  wide = false,
  children,
}: {
  title: string;
  actions?: ComponentChildren;
  /** Whether the content uses the whole width of the window; else it is centred. */
  wide?: boolean;
  children: ComponentChildren;
}) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · monban`;
  }, [title]);
  // screen readers and keyboards begin at the heading of the new page, however late its content comes
  useEffect(() => {
    if (arrived()) heading.current?.focus({ preventScroll: true });
  }, []);
  return (
    <div class={wide ? "page wide" : "page"}>
      <header class="page-head">
        <h1 ref={heading} tabIndex={-1}>
          {title}
        </h1>
        {actions && <div class="page-actions">{actions}</div>}
      </header>
      {children}
    </div>
  );
}

/** A section of a page with a heading. */
export function Panel({
  title,
  actions,
  children,
  note,
}: {
  title?: ComponentChildren;
  actions?: ComponentChildren;
  note?: ComponentChildren;
  children?: ComponentChildren;
}) {
  return (
    <section class="panel">
      {(title || actions) && (
        <header class="panel-head">
          <h2>{title}</h2>
          {actions}
        </header>
      )}
      {note && <p class="note">{note}</p>}
      {children}
    </section>
  );
}
