// A list of events beside the one that is open. The address names the open event, so that Back closes it.
import { type ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { useLoad } from "../../api/client";
import { type Event } from "../../api/event";
import { type Add } from "../../query/Filtering";
import { arrived, place, setQuery } from "../../router";
import { Button, Checkbox, Loading, Menu, Problem, useKeys, visible } from "../../ui";
import { SidePanel } from "../../ui/panel";
import { useColumns } from "../../ui/table";
import { EventBody, titleOf, useTitle } from "./body";
import { eventColumns, EventTable } from "./rows";
import { t } from "./texts";
import { OPEN } from "./useQuery";

/** Columns that stay while an event is open. */
const NARROW = new Set(["time", "outcome", "client", "what"]);

export function Browser({
  label,
  events,
  add,
  more,
  selectedFirst,
  onSelected,
  head,
  tools,
  notice,
  empty,
}: {
  label: string;
  events: readonly Event[];
  add: Add;
  /** Loads further events at the end of the list. */
  more?: (() => void) | undefined;
  /** The event that was selected when the visitor left the list. */
  selectedFirst?: string | undefined;
  onSelected?: (id: string | undefined) => void;
  /** What stands beside the choice of columns. */
  head: ComponentChildren;
  /** Buttons before the choice of columns. */
  tools?: ComponentChildren;
  /** What stands above the list. */
  notice?: ComponentChildren;
  /** What stands in place of an empty list. */
  empty: ComponentChildren;
}) {
  const open = place.value.query.get(OPEN) ?? undefined;
  const [selected, setSelected] = useState(open ?? selectedFirst);
  const { shown, hidden, toggle } = useColumns("events", eventColumns(add));
  const select = (id: string | undefined): void => {
    setSelected(id);
    onSelected?.(id);
  };
  const before = useRef(selectedFirst);
  useEffect(() => {
    if (open !== undefined) select(open);
    // the visitor returns to the row from which they came
    else if (before.current !== undefined) {
      document.querySelector<HTMLElement>(".event-list .grid")?.focus({ preventScroll: true });
      arrived();
    }
    before.current = open;
  }, [open]);
  const at = events.findIndex(({ id }) => id === selected);
  const show = (id: string): void => setQuery({ [OPEN]: id }, { replace: open !== undefined });
  const close = (): void => setQuery({ [OPEN]: null }, { replace: true });
  const move = (by: number): void => {
    const to = events[at < 0 ? 0 : Math.max(0, Math.min(events.length - 1, at + by))];
    if (!to) return;
    select(to.id);
    if (open !== undefined) show(to.id);
    if (at + by >= events.length) more?.();
  };
  useKeys({
    j: { label: t("ui.select"), run: () => move(1) },
    k: { label: t("ui.selectBefore"), run: () => move(-1) },
    Enter: { label: t("ui.open"), run: () => selected !== undefined && show(selected) },
  });
  const columns = open === undefined ? shown : shown.filter(({ name }) => NARROW.has(name ?? ""));
  return (
    <div class={open === undefined ? "event-list" : "event-list beside"}>
      <div class="event-list-main">
        <div class="event-list-head">
          {head}
          {tools}
          <Menu label={t("ui.columns")}>
            {() => (
              <div class="menu-list">
                {eventColumns(add)
                  .filter(({ name }) => name !== "what")
                  .map(({ name = "", title }) => (
                    <Checkbox key={name} label={title} checked={!hidden.has(name)} onChecked={() => toggle(name)} />
                  ))}
              </div>
            )}
          </Menu>
        </div>
        {notice}
        {events.length === 0 ? (
          empty
        ) : (
          <EventTable
            label={label}
            events={events}
            columns={columns}
            selected={selected}
            onSelect={({ id }) => {
              select(id);
              if (open !== undefined) show(id);
            }}
            onOpen={({ id }) => show(id)}
          />
        )}
        {more && events.length > 0 && (
          <p class="search-state">
            <Button onClick={more}>{t("events.more")}</Button>
          </p>
        )}
      </div>
      {open !== undefined && (
        <Opened
          id={open}
          event={events.find(({ id }) => id === open)}
          onClose={close}
          onBefore={at > 0 ? () => move(-1) : undefined}
          onNext={at >= 0 && at < events.length - 1 ? () => move(1) : undefined}
        />
      )}
    </div>
  );
}

function Opened({
  id,
  event,
  ...buttons
}: {
  id: string;
  /** The event, if the list has it. */
  event: Event | undefined;
  onClose: () => void;
  onBefore: (() => void) | undefined;
  onNext: (() => void) | undefined;
}) {
  const load = useLoad<Event>(event ? null : `/api/events/${encodeURIComponent(id)}`);
  const shown = event ?? (load.data?.id === id ? load.data : undefined);
  const title = useTitle(shown);
  return (
    <SidePanel title={shown ? (title ?? titleOf(shown)) : visible(id)} href={`/events/${encodeURIComponent(id)}`} {...buttons}>
      {shown ? <EventBody key={id} event={shown} beside /> : load.error ? <Problem error={load.error} retry={load.reload} /> : <Loading />}
    </SidePanel>
  );
}
