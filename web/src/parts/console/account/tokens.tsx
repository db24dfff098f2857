// API tokens.
import { useState } from "preact/hooks";
import { type Scope, type Tokens } from "../../../api";
import { send, useLoad } from "../../../api/client";
import { may } from "../../../session";
import {
  Badge,
  Button,
  Checkbox,
  Dialog,
  DialogActions,
  Empty,
  Form,
  Input,
  Loading,
  Panel,
  Problem,
  Select,
  Time,
  useAction,
} from "../../../ui";
import { Secret } from "../secret";
import { t } from "../texts";
import { OwnedTable } from "./owned";

const SCOPES: readonly { scope: Scope; role: "viewer" | "analyst" | "owner" }[] = [
  { scope: "read", role: "viewer" },
  { scope: "tune", role: "analyst" },
  { scope: "admin", role: "owner" },
];
const EXPIRIES = ["30", "90", "365", ""] as const;

export function TokenList() {
  const { data, error, reload } = useLoad<Tokens>("/api/account/tokens");
  const [making, setMaking] = useState(false);
  return (
    <Panel
      title={t("account.tokens")}
      note={t("account.tokensNote")}
      actions={<Button onClick={() => setMaking(true)}>{t("account.tokenNew")}</Button>}
    >
      {error && <Problem error={error} retry={reload} />}
      {!data && !error && <Loading />}
      {data?.tokens.length === 0 && <Empty>{t("account.tokensNone")}</Empty>}
      {data && data.tokens.length > 0 && (
        <OwnedTable
          caption={t("account.tokens")}
          rows={data.tokens}
          columns={[
            {
              title: t("account.scopes"),
              cell: (one) => one.scopes.map((scope) => <Badge key={scope}>{t(`scope.${scope}`)}</Badge>),
            },
            { title: t("account.expires"), cell: (one) => <Time time={one.expires} relative /> },
          ]}
          path="/api/account/tokens"
          follows={() => t("account.tokenFollows")}
          question={(name) => t("account.tokenRemove", { name })}
          reload={reload}
        />
      )}
      {making && <NewToken onClose={() => setMaking(false)} onMade={reload} />}
    </Panel>
  );
}

function NewToken({ onClose, onMade }: { onClose: () => void; onMade: () => void }) {
  const [name, setName] = useState("");
  const [scopes, setScopes] = useState<Scope[]>(["read"]);
  const [expires, setExpires] = useState<(typeof EXPIRIES)[number]>("90");
  const [token, setToken] = useState<string>();
  const { busy, error, run } = useAction();
  const submit = () =>
    run(async () => {
      const body = { name, scopes, ...(expires ? { expires_days: Number(expires) } : {}) };
      setToken((await send<{ token: string }>("POST", "/api/account/tokens", body)).token);
      onMade();
    });
  if (token !== undefined) {
    return (
      <Dialog title={t("account.tokenMade")} onClose={onClose}>
        <p>{t("account.tokenOnce")}</p>
        <Secret text={token} label={t("account.token")} />
        <p class="note">
          <code>curl -H 'Authorization: Bearer {token.slice(0, 10)}…' {location.origin}/api/events</code>
        </p>
        <div class="actions">
          <Button kind="primary" onClick={onClose}>
            {t("ui.close")}
          </Button>
        </div>
      </Dialog>
    );
  }
  return (
    <Dialog title={t("account.tokenNew")} onClose={onClose}>
      <Form onSubmit={() => void submit()} error={error}>
        <Input label={t("account.tokenName")} name="token" required maxLength={64} value={name} onValue={setName} />
        <fieldset class="scopes">
          <legend>{t("account.scopes")}</legend>
          {SCOPES.filter(({ role }) => may(role)).map(({ scope }) => (
            <Checkbox
              key={scope}
              label={t(`account.scopeNote.${scope}`)}
              checked={scopes.includes(scope)}
              onChecked={(checked) =>
                setScopes(checked ? [...scopes, scope] : scopes.filter((one) => one !== scope))
              }
            />
          ))}
        </fieldset>
        <Select
          label={t("account.expires")}
          value={expires}
          onValue={setExpires}
          options={EXPIRIES.map((value) => ({
            value,
            label: value ? t("account.days", { n: Number(value) }) : t("ui.never"),
          }))}
        />
        <DialogActions
          action={t("account.tokenMake")}
          busy={busy}
          disabled={scopes.length === 0}
          onClose={onClose}
        />
      </Form>
    </Dialog>
  );
}
