// Stacked bars over time. Dragging, or Enter on a bar, selects a period. Shapes of SVG take the colours of the stylesheet, so that
// themes and forced colours need no code.
import { useEffect, useRef, useState } from "preact/hooks";
import { clock, dateTime, locale, number, t } from "../i18n";

/** One layer of the stack. */
export interface Layer {
  label: string;
  /** A class of fills: neutral, warn, bad, good, rest. */
  fill: "neutral" | "warn" | "bad" | "good" | "rest";
  /** One value for each time; null if unknown. */
  values: readonly (number | null)[];
}

/** Seconds. */
const DAY = 86_400;
/** Pixels. */
const AXIS = 18;
const LEFT = 44;
const LABEL = 76;

/** Returns round values from 0 for the lines of an axis: four at most above 0. */
function linesOf(most: number): number[] {
  const rough = Math.max(1, most / 4);
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = size * ([1, 2, 5, 10].find((one) => one * size >= rough) ?? 10);
  return Array.from({ length: Math.floor(most / step) + 1 }, (_, at) => at * step);
}

function shortDay(time: Date): string {
  return time.toLocaleDateString(locale(), { day: "numeric", month: "short" });
}

/** Returns the text below a bar: the day at midnight, else the time. */
function label(seconds: number, step: number): string {
  const time = new Date(seconds * 1000);
  return step >= DAY || (time.getHours() === 0 && time.getMinutes() === 0) ? shortDay(time) : clock(time).slice(0, 5);
}

export function Histogram({
  label: name,
  times,
  step,
  layers,
  height = 180,
  onSpan,
}: {
  /** Its description for screen readers. */
  label: string;
  /** Starts of the steps, in seconds since 1970. */
  times: readonly number[];
  /** Seconds of a step; days may be an hour longer or shorter. */
  step: number;
  layers: readonly Layer[];
  /** Pixels. */
  height?: number;
  onSpan: (since: Date, until: Date) => void;
}) {
  const frame = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(600);
  const [at, setAt] = useState<number | null>(null);
  const [drag, setDrag] = useState<{ from: number; to: number } | null>(null);
  useEffect(() => {
    const element = frame.current;
    if (!element) return;
    const read = (): void => setWidth(Math.max(120, element.clientWidth));
    read();
    const resized = new ResizeObserver(read);
    resized.observe(element);
    return () => resized.disconnect();
  }, []);
  const count = Math.max(1, times.length);
  const sums = times.map((_, index) => layers.reduce((sum, layer) => sum + (layer.values[index] ?? 0), 0));
  const most = Math.max(4, ...sums);
  const lines = linesOf(most);
  const bottom = height - AXIS;
  const each = (width - LEFT) / count;
  const y = (value: number): number => bottom - (value / most) * (bottom - 6);
  const gap = each > 6 ? Math.min(6, each * 0.2) : each > 3 ? 1 : 0;
  const every = Math.max(1, Math.ceil(LABEL / each));
  const last = count - 1;
  const barAt = (event: PointerEvent): number => {
    const left = frame.current?.getBoundingClientRect().left ?? 0;
    return Math.max(0, Math.min(last, Math.floor((event.clientX - left - LEFT) / each)));
  };
  const select = (from: number, to: number): void => {
    const [first, final] = [times[Math.min(from, to)], times[Math.max(from, to)]];
    if (first === undefined || final === undefined) return;
    onSpan(new Date(first * 1000), new Date((times[Math.max(from, to) + 1] ?? final + step) * 1000));
  };
  const keyed = (event: KeyboardEvent): void => {
    const to = { ArrowLeft: (at ?? last + 1) - 1, ArrowRight: (at ?? -1) + 1, Home: 0, End: last }[event.key];
    if (event.key === "Enter" && at !== null) select(at, at);
    else if (to !== undefined) setAt(Math.max(0, Math.min(last, to)));
    else return;
    event.preventDefault();
  };
  const time = at === null ? undefined : times[at];
  return (
    <div class="histogram">
      <div
        ref={frame}
        class="histogram-frame"
        role="group"
        aria-label={name}
        aria-roledescription={t("histogram.role")}
        tabIndex={0}
        onKeyDown={keyed}
        onPointerDown={(event) => {
          if (event.button !== 0) return;
          event.currentTarget.setPointerCapture(event.pointerId);
          setDrag({ from: barAt(event), to: barAt(event) });
        }}
        onPointerMove={(event) => {
          setAt(barAt(event));
          if (drag) setDrag({ ...drag, to: barAt(event) });
        }}
        onPointerUp={() => {
          if (drag && drag.from !== drag.to) select(drag.from, drag.to);
          setDrag(null);
        }}
        onPointerCancel={() => setDrag(null)}
        onPointerLeave={() => setAt(null)}
      >
        <svg width={width} height={height} aria-hidden="true">
          {lines.map((value) => (
            <g key={value} class="histogram-line">
              <line x1={LEFT} x2={width} y1={y(value)} y2={y(value)} />
              <text x={LEFT - 8} y={y(value) + 4} text-anchor="end">
                {number(value)}
              </text>
            </g>
          ))}
          {times.map((seconds, index) => {
            let below = 0;
            const x = LEFT + index * each + gap / 2;
            return layers.map((layer) => {
              const value = layer.values[index] ?? 0;
              if (value <= 0) return null;
              // a small value must stay visible
              const top = Math.min(y(below + value), y(below) - 1.5);
              const bar = <rect key={`${seconds} ${layer.fill}`} class={`fill-${layer.fill}`} x={x} y={top} width={Math.max(1, each - gap)} height={y(below) - top} />;
              below += value;
              return bar;
            });
          })}
          {times.map((seconds, index) => {
            const x = LEFT + (index + 0.5) * each;
            const shown = index % every === Math.floor(every / 2) && x + LABEL / 2 < width + 20;
            return shown ? (
              <text key={seconds} class="histogram-label" x={Math.min(x, width - 20)} y={height - 4} text-anchor="middle">
                {label(seconds, step)}
              </text>
            ) : null;
          })}
          {drag ? (
            <rect
              class="histogram-drag"
              x={LEFT + Math.min(drag.from, drag.to) * each}
              y={0}
              width={(Math.abs(drag.to - drag.from) + 1) * each}
              height={bottom}
            />
          ) : (
            at !== null && <rect class="histogram-at" x={LEFT + at * each} y={0} width={each} height={bottom} />
          )}
        </svg>
      </div>
      <p class="histogram-reading" aria-live="polite">
        {time === undefined ? (
          <span class="muted">{t("histogram.hint")}</span>
        ) : (
          <>
            <time dateTime={new Date(time * 1000).toISOString()}>
              {step >= DAY ? shortDay(new Date(time * 1000)) : dateTime(time * 1000).replace(/:\d\d$/, "")}
            </time>
            {layers.map((layer) => (
              <span key={layer.label}>
                {layer.label} <strong>{at !== null && layer.values[at] != null ? number(layer.values[at] ?? 0) : "–"}</strong>
              </span>
            ))}
          </>
        )}
      </p>
    </div>
  );
}

/** The colours of the layers and their names. */
export function Legend({ layers }: { layers: readonly Pick<Layer, "label" | "fill">[] }) {
  return (
    <ul class="legend">
      {layers.map(({ label, fill }) => (
        <li key={label}>
          <i class={`swatch fill-${fill}`} aria-hidden="true" />
          {label}
        </li>
      ))}
    </ul>
  );
}
