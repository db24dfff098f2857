// Saved queries: the visitor's own, and shared ones.
import { useState } from "preact/hooks";
import { useLoad, send } from "../../api/client";
import { t } from "../../i18n";
import { type Condition, fromParams, queryText, toParams } from "../../query/query";
import { mayTune, session } from "../../session";
import { Button, Checkbox, Form, Input, useAction } from "../controls";
import { Confirm } from "../dialog";
import { Menu } from "../menu";
import { Problem } from "../states";
import { Untrusted, visible } from "../untrusted";

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
  return (
    <Menu label={t("filter.saved")}>
      {(close) => <List conditions={conditions} onChosen={(chosen) => (close(), onConditions(chosen))} />}
    </Menu>
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
  const [removing, setRemoving] = useState<Saved>();
  return (
    <>
      {error && <Problem error={error} retry={reload} />}
      {data?.filters.length === 0 && <p class="note">{t("filter.noneSaved")}</p>}
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
                <Button kind="quiet" small aria-label={t("filter.removeSaved")} onClick={() => setRemoving(filter)}>
                  ×
                </Button>
              )}
            </li>
          );
        })}
      </ul>
      {removing && (
        <Confirm
          title={t("filter.removeSaved")}
          action={t("ui.remove")}
          onClose={() => setRemoving(undefined)}
          onConfirm={async () => {
            await send("DELETE", `/api/filters/${encodeURIComponent(removing.id)}`);
            reload();
          }}
        >
          <p>{t(removing.shared ? "filter.removeShared" : "filter.removeOwn", { name: visible(removing.name) })}</p>
        </Confirm>
      )}
      {conditions.length > 0 && (
        <Form onSubmit={() => void save()} error={action.error}>
          <Input label={t("filter.saveAs")} value={name} onValue={setName} maxLength={80} />
          {mayTune.value && <Checkbox label={t("filter.shareSaved")} checked={shared} onChecked={setShared} />}
          <Button type="submit" busy={action.busy} disabled={name.trim() === ""}>
            {t("ui.save")}
          </Button>
        </Form>
      )}
    </>
  );
}
