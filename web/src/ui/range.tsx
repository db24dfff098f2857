// The choice of a time range: the last hour, day, …, or two times.
import { useState } from "preact/hooks";
import { t } from "../i18n";
import { Button, Form, Input } from "./controls";
import { Menu } from "./menu";

/** A time of the browser as `<input type=datetime-local>` writes it. */
export function localTime(time: Date): string {
  const two = (value: number): string => String(value).padStart(2, "0");
  return `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}T${two(time.getHours())}:${two(time.getMinutes())}`;
}

/** Returns the name of the browser's zone and its distance from UTC, such as `Asia/Tokyo (UTC+09:00)`. */
export function zoneText(now = new Date()): string {
  const minutes = -now.getTimezoneOffset();
  const two = (value: number): string => String(Math.floor(value)).padStart(2, "0");
  const sign = minutes < 0 ? "−" : "+";
  const apart = minutes === 0 ? "" : `${sign}${two(Math.abs(minutes) / 60)}:${two(Math.abs(minutes) % 60)}`;
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return zone === "UTC" ? zone : `${zone} (UTC${apart})`;
}

/** The ranges that a page offers, by their names in addresses. `all` has no limit. */
export type RangeName = "1h" | "24h" | "7d" | "30d" | "90d" | "all";

export function RangePicker({
  ranges,
  chosen,
  custom,
  onRange,
  onCustom,
}: {
  ranges: readonly RangeName[];
  /** The chosen range; undefined if two times are chosen. */
  chosen: RangeName | undefined;
  /** The times to begin with in the form. */
  custom: { since: Date; until: Date };
  onRange: (range: RangeName) => void;
  onCustom: (since: Date, until: Date) => void;
}) {
  return (
    <div class="choices" role="group" aria-label={t("range.label")}>
      {ranges.map((one) => (
        <Button key={one} small aria-pressed={one === chosen} onClick={() => onRange(one)}>
          {t(`range.${one}`)}
        </Button>
      ))}
      <Menu label={t("range.custom")} pressed={chosen === undefined}>
        {(close) => (
          <Custom
            {...custom}
            onTimes={(since, until) => {
              close();
              onCustom(since, until);
            }}
          />
        )}
      </Menu>
    </div>
  );
}

function Custom({ since, until, onTimes }: { since: Date; until: Date; onTimes: (since: Date, until: Date) => void }) {
  const [from, setFrom] = useState(localTime(since));
  const [to, setTo] = useState(localTime(until));
  const [first, last] = [new Date(from), new Date(to)];
  const error = Number.isNaN(first.getTime()) || Number.isNaN(last.getTime()) ? t("range.noTime") : first >= last ? t("range.order") : undefined;
  return (
    <Form onSubmit={() => error === undefined && onTimes(first, last)} error={error} label={t("range.custom")}>
      <Input label={t("range.from")} type="datetime-local" value={from} onValue={setFrom} />
      <Input label={t("range.to")} type="datetime-local" value={to} onValue={setTo} />
      <p class="note">{t("range.zone", { zone: zoneText() })}</p>
      <div class="actions">
        <Button type="submit" kind="primary" disabled={error !== undefined}>
          {t("range.apply")}
        </Button>
      </div>
    </Form>
  );
}
