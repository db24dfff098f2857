// Tables of the things that an account owns and can remove: passkeys and API tokens.
import { useState } from "preact/hooks";
import { send } from "../../../api/client";
import { Button, Confirm, Table, Time, Untrusted, type Column } from "../../../ui";
import { t } from "../texts";

interface Owned {
  id: string | number;
  name: string;
  created: string;
  last_used?: string | null;
}

/** A table of what the account owns, with a button that removes a row after a confirmation. */
export function OwnedTable<R extends Owned>({
  caption,
  rows,
  columns = [],
  path,
  question,
  follows,
  reload,
}: {
  caption: string;
  rows: readonly R[];
  /** Columns that follow the name. */
  columns?: readonly Column<R>[];
  /** The path in the API below which the id of a row follows. */
  path: string;
  /** Returns the title of the confirmation. */
  question: (name: string) => string;
  /** Returns what follows from it. */
  follows: (name: string) => string;
  reload: () => void;
}) {
  const [removing, setRemoving] = useState<R>();
  return (
    <>
      <Table
        caption={caption}
        rows={rows}
        rowKey={(row) => row.id}
        columns={[
          { title: t("account.name"), cell: (row) => <Untrusted text={row.name} /> },
          ...columns,
          { title: t("account.created"), cell: (row) => <Time time={row.created} relative /> },
          { title: t("account.lastUsed"), cell: (row) => <Time time={row.last_used} relative /> },
          {
            title: t("ui.remove"),
            kind: "actions",
            cell: (row) => (
              <Button kind="quiet" small onClick={() => setRemoving(row)} aria-label={`${t("ui.remove")}: ${row.name}`}>
                {t("ui.remove")}
              </Button>
            ),
          },
        ]}
      />
      {removing && (
        <Confirm
          title={question(removing.name)}
          action={t("ui.remove")}
          onClose={() => setRemoving(undefined)}
          onConfirm={async () => {
            await send("DELETE", `${path}/${encodeURIComponent(removing.id)}`);
            reload();
          }}
        >
          <p>{follows(removing.name)}</p>
        </Confirm>
      )}
    </>
  );
}
