// The rows of a list and the one that is open beside them. The address names the open row, so that Back closes it.
import { useEffect, useRef, useState } from "preact/hooks";
import { arrived, place, setQuery } from "../../router";
import { useKeys } from "../../ui";
import { t } from "./texts";
import { OPEN } from "./useQuery";

export interface Beside {
  /** The identifier of the open row; undefined if none is open. */
  open: string | undefined;
  selected: string | undefined;
  /** Selects a row, and shows it if another one is open. */
  select: (id: string) => void;
  show: (id: string) => void;
  /** What the panel needs. */
  buttons: { onClose: () => void; onBefore: (() => void) | undefined; onNext: (() => void) | undefined };
}

/** Selects and opens rows, by keys as well. */
export function useBeside(
  ids: readonly string[],
  {
    first,
    onSelected,
    more,
  }: {
    /** The row that was selected when the visitor left the list. */
    first?: string | undefined;
    onSelected?: ((id: string | undefined) => void) | undefined;
    /** Loads further rows at the end of the list. */
    more?: (() => void) | undefined;
  } = {},
): Beside {
  const open = place.value.query.get(OPEN) ?? undefined;
  const [selected, setSelected] = useState(open ?? first);
  const select = (id: string): void => {
    setSelected(id);
    onSelected?.(id);
  };
  const before = useRef(first);
  useEffect(() => {
    if (open !== undefined) select(open);
    // the visitor returns to the row from which they came
    else if (before.current !== undefined) {
      document.querySelector<HTMLElement>(".event-list .grid")?.focus({ preventScroll: true });
      arrived();
    }
    before.current = open;
  }, [open]);
  const at = selected === undefined ? -1 : ids.indexOf(selected);
  const show = (id: string): void => setQuery({ [OPEN]: id }, { replace: open !== undefined });
  const selectOrShow = (id: string): void => {
    select(id);
    if (open !== undefined) show(id);
  };
  const move = (by: number): void => {
    const to = ids[at < 0 ? 0 : Math.max(0, Math.min(ids.length - 1, at + by))];
    if (to === undefined) return;
    selectOrShow(to);
    if (at + by >= ids.length) more?.();
  };
  useKeys({
    j: { label: t("ui.select"), run: () => move(1) },
    k: { label: t("ui.selectBefore"), run: () => move(-1) },
    Enter: { label: t("ui.open"), run: () => selected !== undefined && show(selected) },
  });
  const buttons = {
    onClose: () => setQuery({ [OPEN]: null }, { replace: true }),
    onBefore: at > 0 ? () => move(-1) : undefined,
    onNext: at >= 0 && at < ids.length - 1 ? () => move(1) : undefined,
  };
  return { open, selected, select: selectOrShow, show, buttons };
}
