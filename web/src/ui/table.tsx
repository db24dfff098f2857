// The one table of the console. Short ones show all rows. A long one renders its visible rows alone. On a narrow screen rows become cards.
import { type ComponentChildren, type VNode } from "preact";
import { useEffect, useId, useMemo, useRef, useState } from "preact/hooks";
import { t } from "../i18n";
import { useWindow } from "./window";

/** A column: its heading, and how it renders a cell. */
export interface Column<R> {
  title: string;
  /** Its name for choices of columns and for sorting; the title if absent. */
  name?: string;
  cell: (row: R) => ComponentChildren;
  /** number: right-aligned tabular digits. code: monospaced. actions: buttons. wide: a line of its own on cards. */
  kind?: "number" | "code" | "actions" | "wide";
  /** Its width in a table of rows to open, such as `8rem` or `25%`; columns without one share the rest. */
  width?: string;
  /** Whether rows can be sorted by it. */
  sorts?: boolean;
}

/** The column by which rows are sorted, and whether the largest comes first. */
export interface Sort {
  name: string;
  down: boolean;
}

/** How rows are sorted. Heads of columns that sort become buttons with `onSort`. */
export interface Sorting {
  sort?: Sort;
  onSort?: (sort: Sort) => void;
}

export interface TableProps<R> extends Sorting {
  /** The table's name for screen readers. */
  caption: string;
  columns: readonly Column<R>[];
  rows: readonly R[];
  rowKey: (row: R) => string | number;
  /** The key of the selected row, which is kept in view. */
  selected?: string | number | null | undefined;
}

export interface GridProps<R> extends TableProps<R> {
  onSelect: (row: R) => void;
  /** Opens a row: a click on it, or Enter. */
  onOpen: (row: R) => void;
  /** The text above a row that begins a group, such as a day. */
  group?: (row: R) => string;
  /** Classes of a row. */
  rowClass?: (row: R) => string;
}

/** Returns the class of a column. Outside tables, the class `actions` is a row of buttons. */
function classOf(kind: Column<unknown>["kind"]): string {
  return kind === "actions" ? "cell-actions" : (kind ?? "");
}

function Heads<R>({ columns, sort, onSort }: Pick<TableProps<R>, "columns" | "sort" | "onSort">) {
  return (
    <thead role="rowgroup">
      <tr role="row">
        {columns.map((column) => {
          const name = column.name ?? column.title;
          const sorted = sort?.name === name;
          return (
            <th
              key={name}
              role="columnheader"
              scope="col"
              class={column.kind === "code" ? "" : classOf(column.kind)}
              aria-sort={sorted ? (sort.down ? "descending" : "ascending") : column.sorts && onSort ? "none" : undefined}
            >
              {column.sorts && onSort ? (
                <button type="button" class="sort" onClick={() => onSort({ name, down: sorted ? !sort.down : true })}>
                  {column.title}
                  <span aria-hidden="true">{sorted ? (sort.down ? " ↓" : " ↑") : ""}</span>
                </button>
              ) : (
                <span class={column.kind === "actions" ? "hidden" : ""}>{column.title}</span>
              )}
            </th>
          );
        })}
      </tr>
    </thead>
  );
}

/** A table that shows all its rows. */
export function Table<R>({ caption, columns, rows, rowKey, selected, sort, onSort }: TableProps<R>) {
  const at = rows.findIndex((row) => rowKey(row) === selected);
  const body = useRef<HTMLTableSectionElement>(null);
  useEffect(() => {
    if (at >= 0) body.current?.children[at]?.scrollIntoView({ block: "nearest" });
  }, [at]);
  return (
    <table class="table" role="table">
      <caption class="hidden">{caption}</caption>
      <Heads columns={columns} {...(sort ? { sort } : {})} {...(onSort ? { onSort } : {})} />
      <tbody ref={body} role="rowgroup">
        {rows.map((row, index) => (
          <tr key={rowKey(row)} role="row" data-key={rowKey(row)} {...(index === at ? { class: "selected", "aria-current": "true" as const } : {})}>
            {columns.map((column) => (
              <td key={column.name ?? column.title} role="cell" class={classOf(column.kind)} data-title={column.title}>
                <div class="cell">{column.cell(row)}</div>
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** The rows of the last rendering, except the selected one. */
interface Drawn<R> {
  columns: readonly Column<R>[];
  all: readonly R[];
  rows: Map<R, VNode>;
}

/**
 * A table whose rows open. It is one stop of Tab: the arrow keys select a row and a cell, Enter opens the row or presses the
 * cell's button. Rows of one height are rendered as they come into view.
 */
export function Grid<R>({ caption, columns, rows, rowKey, selected, sort, onSort, onSelect, onOpen, group, rowClass }: GridProps<R>) {
  const id = useId();
  const table = useRef<HTMLTableElement>(null);
  const [cell, setCell] = useState(-1);
  const opens = useRef(onOpen);
  opens.current = onOpen;
  const drawn = useRef<Drawn<R>>({ columns, all: rows, rows: new Map() });
  const at = useMemo(() => (selected == null ? -1 : rows.findIndex((row) => rowKey(row) === selected)), [rows, selected]);
  const groups = useMemo(() => (group ? rows.map(group) : []), [rows, group]);
  const marked = useMemo(() => groups.flatMap((one, index) => (one === groups[index - 1] ? [] : [index])), [groups]);
  const { rendered, reveal } = useWindow(table, rows.length, marked);
  const placed = useRef(false);
  useEffect(() => {
    // a list to which the visitor returns stays as it was left
    if (at >= 0 && placed.current) reveal(at);
    placed.current = true;
  }, [at]);
  const within = (index: number): HTMLElement | null =>
    table.current?.querySelector<HTMLElement>(`tr.selected > :nth-child(${index + 1}) :is(button, a)`) ?? null;
  const keyed = (event: KeyboardEvent): void => {
    if (event.target !== table.current || event.ctrlKey || event.metaKey) return;
    const page = Math.max(1, Math.floor(innerHeight / 50));
    const steps: Record<string, number> = {
      ArrowDown: 1,
      ArrowUp: -1,
      PageDown: page,
      PageUp: -page,
      Home: -rows.length,
      End: rows.length,
    };
    const by = steps[event.key];
    if (by !== undefined) {
      const row = rows[at < 0 ? 0 : Math.max(0, Math.min(rows.length - 1, at + by))];
      setCell(-1);
      if (row) onSelect(row);
    } else if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
      setCell(Math.max(-1, Math.min(columns.length - 1, cell + (event.key === "ArrowRight" ? 1 : -1))));
    } else if (event.key === "Enter") {
      const row = rows[at];
      const button = cell < 0 ? null : within(cell);
      if (button) button.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, altKey: event.altKey }));
      else if (row) onOpen(row);
    } else return;
    event.preventDefault();
  };
  const clicked = (event: MouseEvent, row: R): void => {
    const target = event.target instanceof Element ? event.target : null;
    // buttons of a row have their own actions; a link may open another window
    if (event.defaultPrevented || event.button !== 0 || target?.closest("button")) return;
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    setCell(-1);
    opens.current(row);
  };
  // scrolling moves the window of rows; those that were in it before are not rendered again
  if (drawn.current.columns !== columns || drawn.current.all !== rows) drawn.current.rows.clear();
  const draw: Drawn<R> = { columns, all: rows, rows: new Map() };
  useEffect(() => {
    drawn.current = draw;
  });
  const spacer = (height: number): ComponentChildren =>
    height > 0 && (
      <tr class="spacer" aria-hidden="true">
        <td colSpan={columns.length} style={{ height: `${height}px` }} />
      </tr>
    );
  return (
    <table
      ref={table}
      class={`table grid lines-${columns.filter(({ kind }) => kind === "wide").length}`}
      role="grid"
      tabIndex={0}
      aria-rowcount={rows.length + 1}
      aria-activedescendant={at >= 0 ? `${id}-${at}${cell < 0 ? "" : `-${cell}`}` : undefined}
      onKeyDown={keyed}
      onFocus={(event) => {
        const [first] = rows;
        if (event.target === table.current && at < 0 && first && table.current?.matches(":focus-visible")) onSelect(first);
      }}
    >
      <caption class="hidden">
        {caption} {t("ui.gridKeys")}
      </caption>
      <colgroup>
        {columns.map(({ name, title, width = "auto" }) => (
          <col key={name ?? title} style={{ width }} />
        ))}
      </colgroup>
      <Heads columns={columns} {...(sort ? { sort } : {})} {...(onSort ? { onSort } : {})} />
      <tbody role="rowgroup">
        {spacer(rendered.above)}
        {rows.slice(rendered.from, rendered.to).flatMap((row, offset) => {
          const index = rendered.from + offset;
          const mine = index === at;
          const made = mine ? undefined : drawn.current.rows.get(row);
          const line = made ?? (
            <tr
              key={rowKey(row)}
              id={`${id}-${index}`}
              role="row"
              class={`row${mine ? " selected" : ""} ${rowClass?.(row) ?? ""}`}
              data-id={rowKey(row)}
              onClick={(event) => clicked(event, row)}
              aria-rowindex={index + 2}
              aria-selected={mine}
            >
              {columns.map((column, place) => (
                <td
                  key={column.name ?? column.title}
                  id={`${id}-${index}-${place}`}
                  role="gridcell"
                  class={`${classOf(column.kind)} col-${column.name ?? ""}${mine && place === cell ? " active" : ""}`}
                >
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          );
          if (!mine) draw.rows.set(row, line);
          if (!group || groups[index] === groups[index - 1]) return [line];
          return [
            <tr key={`mark ${groups[index]}`} class="mark" role="row">
              <th role="rowheader" colSpan={columns.length}>
                {groups[index]}
              </th>
            </tr>,
            line,
          ];
        })}
        {spacer(rendered.below)}
      </tbody>
    </table>
  );
}

/** The choice of a table's columns, remembered in this browser under `table`. */
export function useColumns<R>(table: string, all: readonly Column<R>[]): { shown: Column<R>[]; hidden: ReadonlySet<string>; toggle: (name: string) => void } {
  const key = `monban.columns.${table}`;
  const [hidden, setHidden] = useState<ReadonlySet<string>>(() => new Set((localStorage.getItem(key) ?? "").split(" ").filter(Boolean)));
  const toggle = (name: string): void => {
    const changed = new Set(hidden);
    if (!changed.delete(name)) changed.add(name);
    localStorage.setItem(key, [...changed].join(" "));
    setHidden(changed);
  };
  return { shown: all.filter(({ name, title }) => !hidden.has(name ?? title)), hidden, toggle };
}
