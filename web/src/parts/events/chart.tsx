// A stacked bar chart over time, on uPlot. Dragging, or Enter on a bar, selects a period.
import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import { clock, dateTime, language, number } from "../../i18n";
import { colour, coloursChanged } from "../../theme";
import { t } from "./texts";

/** One layer of the stack. */
export interface Layer {
  label: string;
  /** A colour variable: `--blocked-fill`. */
  fill: string;
  /** One value for each time; null if unknown. */
  values: (number | null)[];
}

const HEIGHT = 200;
const BAR = 0.82;
/** Seconds. */
const DAY = 86_400;

/** Returns the sums of each layer and those below it. */
function stacked(layers: readonly Layer[], length: number): (number | null)[][] {
  const sums = new Array<number>(length).fill(0);
  return layers.map((layer) =>
    layer.values.map((value, index) => (value === null ? null : (sums[index] = (sums[index] ?? 0) + value))),
  );
}

export function Chart({
  label,
  times,
  step,
  layers,
  onSpan,
}: {
  /** Its description for screen readers. */
  label: string;
  /** Starts of the steps, in seconds since 1970. */
  times: number[];
  /** Seconds of a step. */
  step: number;
  layers: Layer[];
  onSpan: (since: Date, until: Date) => void;
}) {
  const frame = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [at, setAt] = useState<number | null>(null);
  const newest = useRef({ onSpan, step, times });
  newest.current = { onSpan, step, times };
  // uPlot draws in order: the highest sum first, the lower ones over it
  const order = layers.map((_, index) => layers.length - 1 - index);
  const shape = `${language.value} ${step} ${layers.map((layer) => layer.label).join("\n")}`;
  const data = (): uPlot.AlignedData => {
    const sums = stacked(layers, times.length);
    return [times.map((time) => time + step / 2), ...order.map((index) => sums[index] ?? [])];
  };

  useEffect(() => {
    const element = frame.current;
    if (!element) return;
    const axis = {
      stroke: () => colour("--muted"),
      font: "12px system-ui, sans-serif",
      ticks: { show: false },
    };
    const bars = uPlot.paths.bars?.({ size: [BAR, 60] });
    const made = new uPlot(
      {
        width: element.clientWidth,
        height: HEIGHT,
        legend: { show: false },
        padding: [8, 20, 0, 0],
        cursor: { y: false, drag: { x: true, y: false, setScale: false }, points: { show: false } },
        // the API's days are those of UTC
        tzDate: (seconds) => {
          const time = new Date(seconds * 1000);
          return newest.current.step >= DAY ? uPlot.tzDate(time, "Etc/UTC") : time;
        },
        scales: {
          x: { time: true, range: () => span(newest.current.times, newest.current.step) },
          y: { range: (_, __, max) => [0, Math.max(max, 4) * 1.05] },
        },
        axes: [
          {
            ...axis,
            grid: { show: false },
            space: 64,
            size: 30,
            values: (_, splits) => {
              const days = newest.current.step >= DAY;
              return splits.map((split) => {
                const time = new Date(split * 1000);
                const midnight = time.getHours() === 0 && time.getMinutes() === 0;
                if (days || midnight) return shortDay(time, days);
                return clock(time).replace(/:\d\d$/, "");
              });
            },
          },
          {
            ...axis,
            size: 52,
            grid: { stroke: () => colour("--line"), width: 1 },
            values: (_, splits) => splits.map((split) => (Number.isInteger(split) ? number(split) : "")),
          },
        ],
        series: [
          {},
          ...order.map((index) => ({
            label: layers[index]?.label ?? "",
            fill: () => colour(layers[index]?.fill ?? "--muted"),
            width: 0,
            points: { show: false },
            ...(bars ? { paths: bars } : {}),
          })),
        ],
        hooks: {
          setCursor: [(u) => setAt(u.cursor.idx ?? null)],
          setSelect: [
            (u) => {
              const { left, width } = u.select;
              if (width < 4) return;
              const { step, onSpan } = newest.current;
              // whole steps only
              const since = Math.floor(u.posToVal(left, "x") / step) * step;
              const until = Math.ceil(u.posToVal(left + width, "x") / step) * step;
              u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
              onSpan(new Date(since * 1000), new Date(until * 1000));
            },
          ],
        },
      },
      data(),
      element,
    );
    plot.current = made;
    const resized = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHT }));
    resized.observe(element);
    return () => {
      resized.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [shape]);
  useEffect(() => plot.current?.setData(data()), [times, layers]);
  useEffect(() => plot.current?.redraw(false), [coloursChanged.value]);

  const move = (event: KeyboardEvent) => {
    const last = times.length - 1;
    const to = { ArrowLeft: (at ?? last + 1) - 1, ArrowRight: (at ?? -1) + 1, Home: 0, End: last }[event.key];
    const u = plot.current;
    if (event.key === "Enter" && at !== null) {
      const time = times[at];
      if (time !== undefined) onSpan(new Date(time * 1000), new Date((time + step) * 1000));
    } else if (to !== undefined && u) {
      const bounded = Math.min(Math.max(to, 0), last);
      const time = times[bounded];
      if (time === undefined) return;
      u.setCursor({ left: u.valToPos(time + step / 2, "x"), top: 10 }, false);
      setAt(bounded);
    } else return;
    event.preventDefault();
  };
  const time = at === null ? undefined : times[at];
  return (
    <div class="chart">
      <div
        ref={frame}
        class="chart-frame"
        role="group"
        aria-label={label}
        aria-roledescription={t("chart.role")}
        tabIndex={0}
        onKeyDown={move}
      />
      <p class="chart-reading" aria-live="polite">
        {time === undefined ? (
          <span class="muted">{t("chart.hint")}</span>
        ) : (
          <>
            <time dateTime={new Date(time * 1000).toISOString()}>
              {step >= DAY ? shortDay(new Date(time * 1000), true) : dateTime(time * 1000).replace(/:\d\d$/, "")}
            </time>
            {layers.map((layer) => (
              <span key={layer.label}>
                {layer.label} <strong>{(at !== null && layer.values[at] != null && number(layer.values[at] ?? 0)) || "–"}</strong>
              </span>
            ))}
          </>
        )}
      </p>
    </div>
  );
}

function span(times: number[], step: number): [number, number] {
  const first = times[0] ?? 0;
  return [first, (times[times.length - 1] ?? first) + step];
}

function shortDay(time: Date, utc: boolean): string {
  const zone = utc ? { timeZone: "UTC" } : {};
  return time.toLocaleDateString(language.value === "ja" ? "ja-JP" : "en-GB", { day: "numeric", month: "short", ...zone });
}
