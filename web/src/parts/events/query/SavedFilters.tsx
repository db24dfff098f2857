// Saved queries: the visitor's own, and shared ones.
import { useEffect, useRef, useState } from "preact/hooks";
import { useLoad, send } from "../../../api/client";
import { mayTune, session } from "../../../session";
import { Button, Checkbox, Form, Input, Problem, Untrusted, useAction } from "../../../ui";
import { type Condition, fromParams, queryText, toParams } from "../../../query/query";
import { t } from "../texts";

interface Saved {
  id: string | number;
  name: string;
  query: string;
  shared: boolean;
  owner: string;
}

export function SavedFilters({
  conditions,
  onConditions,
}: {
  conditions: readonly Condition[];
  onConditions: (conditions: Condition[]) => void;
}) {
  const [open, setOpen] = useState(false);
  const menu = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!open) return;
    const outside = (event: MouseEvent): void => {
      if (event.target instanceof Node && !menu.current?.contains(event.target)) setOpen(false);
    };
    document.addEventListener("mousedown", outside);
    return () => document.removeEventListener("mousedown", outside);
  }, [open]);
  return (
    <div
      class="menu"
      ref={menu}
      onKeyDown={(event) => {
        if (event.key === "Escape" && open) {
          event.stopPropagation();
          setOpen(false);
          menu.current?.querySelector("button")?.focus();
        }
      }}
    >
      <Button kind="quiet" aria-expanded={open} onClick={() => setOpen(!open)}>
        {t("events.saved")}
      </Button>
      {open && (
        <div class="menu-body">
          <List conditions={conditions} onChosen={(chosen) => (setOpen(false), onConditions(chosen))} />
        </div>
      )}
    </div>
  );
}

function List({
  conditions,
  onChosen,
}: {
  conditions: readonly Condition[];
  onChosen: (conditions: Condition[]) => void;
}) {
  const { data, error, reload } = useLoad<{ filters: Saved[] }>("/api/filters");
  const [name, setName] = useState("");
  const [shared, setShared] = useState(false);
  const action = useAction();
  const save = (): Promise<void> =>
    action.run(async () => {
      await send("POST", "/api/filters", { name: name.trim(), query: toParams(conditions).toString(), shared });
      setName("");
      reload();
    });
  const remove = (id: Saved["id"]): Promise<void> =>
    action.run(async () => {
      await send("DELETE", `/api/filters/${encodeURIComponent(id)}`);
      reload();
    });
  return (
    <>
      {error && <Problem error={error} retry={reload} />}
      {data?.filters.length === 0 && <p class="note">{t("events.noneSaved")}</p>}
      <ul class="saved">
        {data?.filters.map((filter) => {
          const saved = fromParams(new URLSearchParams(filter.query)).conditions;
          const mine = filter.owner === session.value?.user;
          return (
            <li key={filter.id}>
              <button type="button" class="saved-choice" onClick={() => onChosen(saved)}>
                <b>
                  <Untrusted text={filter.name} limit={80} />
                </b>
                {!mine && (
                  <span class="note">
                    {" "}
                    <Untrusted text={filter.owner} limit={40} />
                  </span>
                )}
                <code>
                  <Untrusted text={queryText(saved)} limit={120} />
                </code>
              </button>
              {(mine || session.value?.role === "owner") && (
                <Button kind="quiet" aria-label={t("events.removeSaved")} onClick={() => void remove(filter.id)}>
                  ×
                </Button>
              )}
            </li>
          );
        })}
      </ul>
      {conditions.length > 0 && (
        <Form onSubmit={() => void save()} error={action.error}>
          <Input label={t("events.saveAs")} value={name} onValue={setName} maxLength={80} />
          {mayTune.value && <Checkbox label={t("events.shareSaved")} checked={shared} onChecked={setShared} />}
          <Button type="submit" busy={action.busy} disabled={name.trim() === ""}>
            {t("ui.save")}
          </Button>
        </Form>
      )}
    </>
  );
}
