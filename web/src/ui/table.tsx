// Tables, which become lists of cards on a narrow screen.
import { type ComponentChildren } from "preact";

/** A column: its heading, and how it renders a cell. */
export interface Column<R> {
  title: string;
  cell: (row: R) => ComponentChildren;
  /** number: right-aligned tabular digits. code: monospaced. actions: buttons. */
  kind?: "number" | "code" | "actions" | "wide";
}

/** Rows of `columns`. `selected` is the row selected with j and k; the page scrolls it into view. */
export function Table<R>({
  caption,
  columns,
  rows,
  rowKey,
  selected,
}: {
  /** The table's name for screen readers. */
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

/** Returns the class of a column. Outside tables, the class `actions` is a row of buttons. */
function classOf(kind: Column<unknown>["kind"]): string {
  return kind === "actions" ? "cell-actions" : (kind ?? "");
}
