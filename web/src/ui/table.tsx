// Tables: real ones, which on a narrow screen become lists of cards.
import { type ComponentChildren } from "preact";

/** One column: its heading, and the cell of a row. */
export interface Column<R> {
  title: string;
  cell: (row: R) => ComponentChildren;
  /** number: to the right, digits of one width. code: monospaced. actions: buttons. */
  kind?: "number" | "code" | "actions" | "wide";
}

/** Rows of `columns`. `selected` is the row that j and k chose; its element is scrolled into view by the page. */
export function Table<R>({
  caption,
  columns,
  rows,
  rowKey,
  selected,
}: {
  /** For those who can't see what is around the table. */
  caption: string;
  columns: readonly Column<R>[];
  rows: readonly R[];
  rowKey: (row: R) => string | number;
  selected?: string | number | null | undefined;
}) {
  return (
    <table class="table">
      <caption class="hidden">{caption}</caption>
      <thead>
        <tr>
          {columns.map((column) => (
            <th key={column.title} scope="col" class={column.kind === "code" ? "" : classOf(column.kind)}>
              <span class={column.kind === "actions" ? "hidden" : ""}>{column.title}</span>
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr
            key={rowKey(row)}
            data-key={rowKey(row)}
            {...(selected === rowKey(row) ? { class: "selected", "aria-current": "true" as const } : {})}
          >
            {columns.map((column) => (
              <td key={column.title} class={classOf(column.kind)} data-title={column.title}>
                <div class="cell">{column.cell(row)}</div>
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** `actions` alone is a row of buttons elsewhere. */
function classOf(kind: Column<unknown>["kind"]): string {
  return kind === "actions" ? "cell-actions" : (kind ?? "");
}
