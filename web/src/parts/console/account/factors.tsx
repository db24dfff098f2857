// Sign-in methods: password, authenticator app, passkeys.
import { useEffect, useMemo, useState } from "preact/hooks";
import { type Account, type TotpBegun } from "../../../api";
import { ApiError, send } from "../../../api/client";
import { Badge, Button, Dialog, DialogActions, Form, Input, Panel, toast, useAction } from "../../../ui";
import { CodeField, NewPasswordField, PasswordField, withoutSpaces } from "../fields";
import { Copy, Secret } from "../secret";
import { createCredential, hasPasskeys } from "../webauthn";
import { PASSWORD_MIN } from "../setup";
import { t } from "../texts";
import { OwnedTable } from "./owned";

export function Password({ account }: { account: Account }) {
  const [old, setOld] = useState("");
  const [next, setNext] = useState("");
  const { busy, error, run } = useAction();
  const submit = () =>
    run(async () => {
      if (next.length < PASSWORD_MIN) throw new ApiError(400, t("setup.short", { n: PASSWORD_MIN }));
      await send("POST", "/api/account/password", { old, new: next });
      setOld("");
      setNext("");
      toast(t("account.passwordChanged"));
    });
  return (
    <Panel title={t("account.password")}>
      <Form onSubmit={() => void submit()} error={error} label={t("account.password")}>
        {/* password managers need the user name */}
        <input class="hidden" type="text" autoComplete="username" value={account.user} readOnly tabIndex={-1} aria-hidden />
        <PasswordField label={t("account.oldPassword")} name="old" value={old} onValue={setOld} />
        <NewPasswordField
          label={t("account.newPassword")}
          help={t("setup.passwordHelp", { n: PASSWORD_MIN })}
          name="new"
          value={next}
          onValue={setNext}
        />
        <div class="actions start">
          <Button type="submit" busy={busy}>
            {t("account.changePassword")}
          </Button>
        </div>
      </Form>
    </Panel>
  );
}

export function Totp({ account, reload }: { account: Account; reload: () => void }) {
  const [begun, setBegun] = useState<TotpBegun>();
  const [codes, setCodes] = useState<string[]>();
  const [asked, setAsked] = useState<"codes" | "off">();
  const { busy, error, run } = useAction();
  const begin = () => run(async () => setBegun(await send<TotpBegun>("POST", "/api/account/totp")));
  return (
    <Panel
      title={t("account.totp")}
      actions={account.totp ? <Badge kind="good">{t("account.on")}</Badge> : <Badge>{t("account.off")}</Badge>}
      note={t("account.totpNote")}
    >
      {account.totp && <p>{t("account.codesLeft", { n: account.recovery_codes_left })}</p>}
      <p class="form-error" role="alert">
        {error}
      </p>
      <div class="actions start">
        {account.totp ? (
          <>
            <Button onClick={() => setAsked("codes")}>{t("account.codesRenew")}</Button>
            <Button kind="danger" onClick={() => setAsked("off")}>
              {t("account.totpRemove")}
            </Button>
          </>
        ) : (
          <Button busy={busy} onClick={() => void begin()}>
            {t("account.totpBegin")}
          </Button>
        )}
      </div>
      {begun && (
        <TotpSetup
          begun={begun}
          onClose={() => setBegun(undefined)}
          onDone={(given) => {
            setBegun(undefined);
            setCodes(given);
            reload();
          }}
        />
      )}
      {codes && <RecoveryCodes codes={codes} onKept={() => setCodes(undefined)} />}
      {asked === "codes" && (
        <WithPassword
          title={t("account.codesRenew")}
          note={t("account.codesRenewNote")}
          onClose={() => setAsked(undefined)}
          onSubmit={async (password) => {
            const answer = await send<{ recovery_codes: string[] }>("POST", "/api/account/totp/recovery-codes", { password });
            setAsked(undefined);
            setCodes(answer.recovery_codes);
            reload();
          }}
        />
      )}
      {asked === "off" && (
        <WithPassword
          title={t("account.totpRemove")}
          onClose={() => setAsked(undefined)}
          onSubmit={async (password) => {
            await send("DELETE", "/api/account/totp", { password });
            setAsked(undefined);
            reload();
          }}
        />
      )}
    </Panel>
  );
}

function TotpSetup({
  begun,
  onClose,
  onDone,
}: {
  begun: TotpBegun;
  onClose: () => void;
  onDone: (codes: string[]) => void;
}) {
  const [code, setCode] = useState("");
  const { busy, error, run } = useAction();
  const submit = () =>
    run(async () => {
      const body = { code: withoutSpaces(code) };
      const answer = await send<{ recovery_codes: string[] }>("PUT", "/api/account/totp", body);
      onDone(answer.recovery_codes);
    });
  return (
    <Dialog title={t("account.totp")} onClose={onClose}>
      <p>{t("account.totpScan")}</p>
      {begun.qr_svg && <Qr svg={begun.qr_svg} />}
      <Secret text={begun.secret} label={t("account.totpSecret")} />
      <Form onSubmit={() => void submit()} error={error}>
        <CodeField inputMode="numeric" value={code} onValue={setCode} />
        <DialogActions action={t("account.totpConfirm")} busy={busy} onClose={onClose} />
      </Form>
    </Dialog>
  );
}

/** The QR code of the API, drawn only from its path, so that no text becomes markup. */
function Qr({ svg }: { svg: string }) {
  const box = /viewBox="([\d. ]+)"/.exec(svg)?.[1];
  const path = /<path[^>]*\sd="([MmHhVvLlZz\d\s.,-]+)"/.exec(svg)?.[1];
  if (!box || !path) return null;
  return (
    <svg class="qr" viewBox={box} role="img" aria-label={t("account.qr")} shape-rendering="crispEdges">
      <path d={path} fill="#000" />
    </svg>
  );
}

/** The recovery codes, shown once; only its button closes the dialog. */
function RecoveryCodes({ codes, onKept }: { codes: string[]; onKept: () => void }) {
  const text = `${codes.join("\n")}\n`;
  const file = useMemo(() => URL.createObjectURL(new Blob([text], { type: "text/plain" })), [text]);
  useEffect(() => () => URL.revokeObjectURL(file), [file]);
  return (
    <Dialog title={t("account.codes")} onClose={null}>
      <p>{t("account.codesNote")}</p>
      <ul class="codes">
        {codes.map((code) => (
          <li key={code}>{code}</li>
        ))}
      </ul>
      <div class="actions">
        <Copy text={text} />
        <a class="button" href={file} download={`monban-${location.hostname}-recovery-codes.txt`}>
          {t("account.codesDownload")}
        </a>
        <Button kind="primary" onClick={onKept}>
          {t("account.codesKept")}
        </Button>
      </div>
    </Dialog>
  );
}

/** Asks for the password before a dangerous action. */
function WithPassword({
  title,
  note,
  onClose,
  onSubmit,
}: {
  title: string;
  note?: string;
  onClose: () => void;
  onSubmit: (password: string) => Promise<void>;
}) {
  const [password, setPassword] = useState("");
  const { busy, error, run } = useAction();
  return (
    <Dialog title={title} onClose={onClose}>
      {note && <p>{note}</p>}
      <Form onSubmit={() => void run(() => onSubmit(password))} error={error}>
        <PasswordField value={password} onValue={setPassword} />
        <DialogActions action={title} kind="danger" busy={busy} onClose={onClose} />
      </Form>
    </Dialog>
  );
}

export function Passkeys({ account, reload }: { account: Account; reload: () => void }) {
  const [name, setName] = useState("");
  const { busy, error, run } = useAction();
  const add = () =>
    run(async () => {
      const begun = await send<{ publicKey: PublicKeyCredentialCreationOptionsJSON; state: string }>(
        "POST",
        "/api/account/passkeys/begin",
        { name },
      );
      const credential = await createCredential(begun.publicKey);
      if (!credential) throw new ApiError(400, t("account.noPasskey"));
      await send("POST", "/api/account/passkeys/finish", { state: begun.state, credential });
      setName("");
      toast(t("account.passkeyAdded"));
      reload();
    });
  return (
    <Panel title={t("account.passkeys")} note={t("account.passkeysNote")}>
      {account.passkeys.length > 0 && (
        <OwnedTable
          caption={t("account.passkeys")}
          rows={account.passkeys}
          path="/api/account/passkeys"
          follows={() => t("account.passkeyFollows")}
          question={(name) => t("account.passkeyRemove", { name })}
          reload={reload}
        />
      )}
      {hasPasskeys() ? (
        <Form onSubmit={() => void add()} error={error} label={t("account.passkeyAdd")}>
          <Input
            label={t("account.passkeyName")}
            name="passkey"
            required
            maxLength={64}
            value={name}
            onValue={setName}
          />
          <div class="actions start">
            <Button type="submit" busy={busy}>
              {t("account.passkeyAdd")}
            </Button>
          </div>
        </Form>
      ) : (
        <p class="note">{t("account.passkeysUnsupported")}</p>
      )}
    </Panel>
  );
}
