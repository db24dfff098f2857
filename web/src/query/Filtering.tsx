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
      title={t("ui.filterBy", { property })}
      onClick={(event) => add({ property, value, inverted: event.altKey })}
    >
      {children}
    </button>
  );
}
