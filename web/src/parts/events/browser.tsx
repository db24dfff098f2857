// A list of events beside the one that is open.
import { type ComponentChildren } from "preact";
import { useMemo } from "preact/hooks";
import { useLoad } from "../../api/client";
import { type Event } from "../../api/event";
import { type Add } from "../../query/Filtering";
import { Button, Checkbox, Loading, Menu, Problem, visible } from "../../ui";
import { SidePanel } from "../../ui/panel";
import { type Sorting, useColumns } from "../../ui/table";
import { type Beside, useBeside } from "./beside";
import { EventBody, titleOf, useTitle } from "./body";
import { eventColumns, EventTable } from "./rows";
import { t } from "./texts";

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
  ...sorting
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
} & Sorting) {
  const ids = useMemo(() => events.map(({ id }) => id), [events]);
  const { open, selected, select, show, buttons } = useBeside(ids, { first: selectedFirst, onSelected, more });
  const { shown, hidden, toggle } = useColumns("events", eventColumns(add));
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
            onSelect={({ id }) => select(id)}
            onOpen={({ id }) => show(id)}
            {...sorting}
          />
        )}
        {more && events.length > 0 && (
          <p class="search-state">
            <Button onClick={more}>{t(sorting.sort?.down === false ? "events.moreNew" : "events.more")}</Button>
          </p>
        )}
      </div>
      {open !== undefined && (
        <Opened
          id={open}
          event={events.find(({ id }) => id === open)}
          {...buttons}
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
} & Beside["buttons"]) {
  const load = useLoad<Event>(event ? null : `/api/events/${encodeURIComponent(id)}`);
  const shown = event ?? (load.data?.id === id ? load.data : undefined);
  const title = useTitle(shown);
  return (
    <SidePanel title={shown ? (title ?? titleOf(shown)) : visible(id)} href={`/events/${encodeURIComponent(id)}`} {...buttons}>
      {shown ? <EventBody key={id} event={shown} beside /> : load.error ? <Problem error={load.error} retry={load.reload} /> : <Loading />}
    </SidePanel>
  );
}
