// The window of rows that a long table renders: a table of 100,000 rows has some dozens in the document.
import { type RefObject } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";

/** Rows rendered above and below the visible ones. */
const SPARE = 12;
/** Rows by which the window moves, so that not every pixel of scrolling renders. */
const STEP = 6;

/** Heights in pixels. */
interface Heights {
  row: number;
  mark: number;
}

/** The rows to render, and the heights of what is left out. */
export interface Rendered {
  from: number;
  /** Exclusive. */
  to: number;
  above: number;
  below: number;
}

/** Positions of rows of one height, some of which have a mark above them. */
export class Offsets {
  constructor(
    private readonly count: number,
    /** Indexes of the rows with a mark above them, ascending. */
    private readonly marked: readonly number[],
    private readonly heights: Heights,
  ) {}

  /** Returns the distance of a row's mark, or of the row without one, from the top. */
  top(row: number): number {
    return row * this.heights.row + marksBefore(this.marked, row) * this.heights.mark;
  }

  get height(): number {
    return this.top(this.count);
  }

  /** Returns the last row that begins at or above `y`. */
  at(y: number): number {
    let [low, high] = [0, Math.max(0, this.count - 1)];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.top(middle) <= y) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** Returns the rows to render between two positions. */
  between(y: number, end: number): Rendered {
    const from = Math.max(0, Math.floor((this.at(y) - SPARE) / STEP) * STEP);
    const to = Math.min(this.count, Math.ceil((this.at(end) + 1 + SPARE) / STEP) * STEP);
    return { from, to, above: this.top(from), below: this.height - this.top(to) };
  }
}

/** Returns the number of marks of rows before `row`. */
function marksBefore(marked: readonly number[], row: number): number {
  let [low, high] = [0, marked.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((marked[middle] ?? 0) < row) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Reads a length of the stylesheet in pixels. */
function pixels(element: Element, name: string, usual: number): number {
  const rem = Number.parseFloat(getComputedStyle(element).getPropertyValue(name));
  const size = Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
  return rem > 0 && size > 0 ? rem * size : usual;
}

/** Follows the scroll position of the page. `--row-height` and `--mark-height` of the table, in rem, are the heights. */
export function useWindow(
  table: RefObject<HTMLElement | null>,
  count: number,
  marked: readonly number[],
): { rendered: Rendered; reveal: (row: number) => void } {
  const [heights, setHeights] = useState<Heights>({ row: 34, mark: 30 });
  const offsets = useMemo(() => new Offsets(count, marked, heights), [count, marked, heights]);
  const [span, setSpan] = useState({ y: 0, end: 1200 });
  useEffect(() => {
    const element = table.current;
    if (!element) return;
    let asked = 0;
    const read = (): void => {
      asked = 0;
      const body = element.querySelector("tbody");
      if (!body) return;
      const y = Math.max(0, -body.getBoundingClientRect().top);
      const end = y + innerHeight;
      setSpan((before) => {
        const [was, is] = [offsets.between(before.y, before.end), offsets.between(y, end)];
        return was.from === is.from && was.to === is.to ? before : { y, end };
      });
    };
    const measure = (): void => {
      const found = { row: pixels(element, "--row-height", 34), mark: pixels(element, "--mark-height", 30) };
      setHeights((before) => (before.row === found.row && before.mark === found.mark ? before : found));
      read();
    };
    const later = (): void => {
      asked ||= requestAnimationFrame(read);
    };
    measure();
    addEventListener("scroll", later, { passive: true });
    addEventListener("resize", measure);
    return () => {
      cancelAnimationFrame(asked);
      removeEventListener("scroll", later);
      removeEventListener("resize", measure);
    };
  }, [offsets]);
  const reveal = (row: number): void => {
    const body = table.current?.querySelector("tbody");
    if (!body) return;
    const above = body.getBoundingClientRect().top + offsets.top(row);
    const below = above + offsets.top(row + 1) - offsets.top(row);
    // below a heading that stays at the top
    const head = table.current?.querySelector("thead")?.getBoundingClientRect().height ?? 0;
    if (above < head) scrollBy({ top: above - head });
    else if (below > innerHeight) scrollBy({ top: below - innerHeight + 8 });
  };
  return { rendered: offsets.between(span.y, span.end), reveal };
}
