// A panel at the side of a list, with what is selected in it. On a narrow screen it covers the page.
import { type ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { t } from "../i18n";
import { arrived } from "../router";
import { Button } from "./controls";
import { useKeys } from "./keys";

export function SidePanel({
  title,
  href,
  link = t("ui.openPage"),
  onClose,
  onBefore,
  onNext,
  children,
}: {
  title: string;
  /** The address of the page of what it shows. */
  href: string;
  /** The text of the link to it. */
  link?: string;
  onClose: () => void;
  /** Undefined at the begin and at the end of the list. */
  onBefore: (() => void) | undefined;
  onNext: (() => void) | undefined;
  children: ComponentChildren;
}) {
  const panel = useRef<HTMLElement>(null);
  // a reader of the screen begins at the heading
  useEffect(() => {
    arrived();
    panel.current?.querySelector<HTMLElement>("h2")?.focus({ preventScroll: true });
    panel.current?.scrollTo(0, 0);
  }, [href]);
  useKeys({ Escape: { label: t("ui.close"), run: onClose } });
  return (
    <aside ref={panel} class="side-panel" aria-label={t("ui.details")}>
      <header class="side-panel-head">
        <Button kind="quiet" small disabled={!onBefore} aria-label={t("ui.selectBefore")} title={t("ui.selectBefore")} onClick={onBefore}>
          ↑
        </Button>
        <Button kind="quiet" small disabled={!onNext} aria-label={t("ui.select")} title={t("ui.select")} onClick={onNext}>
          ↓
        </Button>
        <a class="button quiet small" href={href}>
          {link}
        </a>
        <Button kind="quiet" small aria-label={t("ui.close")} title={t("ui.close")} onClick={onClose}>
          ×
        </Button>
      </header>
      <h2 class="side-panel-title" tabIndex={-1}>
        {title}
      </h2>
      {children}
    </aside>
  );
}
