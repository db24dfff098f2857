// A value that filters a list by a click; a click with Alt excludes it.
import { type ComponentChildren } from "preact";
import { t } from "../i18n";
import type { Condition } from "./query";

export type Add = (condition: Condition) => void;

export function Filtering({
  property,
  value,
  add,
  children,
}: {
  property: Condition["property"];
  value: string;
  add: Add | undefined;
  children: ComponentChildren;
}) {
  if (!add) return <>{children}</>;
  return (
    <button
      type="button"
      class="filtering"
      // the table that it stands in is one stop of Tab, and reaches it with the arrow keys
      tabIndex={-1}
      title={t("ui.filterBy", { property })}
      onClick={(event) => add({ property, value, inverted: event.altKey })}
    >
      {children}
    </button>
  );
}
