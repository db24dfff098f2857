// The sign-in page: by password, with a code if the account has an authenticator app, or by passkey.
import { useEffect, useState } from "preact/hooks";
import { type Session } from "../../api";
import { ApiError, send } from "../../api/client";
import { needsSetup, session, sessionEnded, signedIn } from "../../session";
import { navigate } from "../../router";
import { Button, Form, Page, useAction } from "../../ui";
import type { PageProps } from "../part";
import { CodeField, PasswordField, UserField, withoutSpaces } from "./fields";
import { getCredential } from "./webauthn";
import { t } from "./texts";

export default function SignIn({ title }: PageProps) {
  const [user, setUser] = useState("");
  const [password, setPassword] = useState("");
  const [code, setCode] = useState("");
  const [step, setStep] = useState<"password" | "code">("password");
  const { busy, error, run, clear } = useAction();

  useEffect(() => {
    if (session.value) navigate("/", { replace: true });
  }, []);
  useEffect(() => {
    if (step === "code") document.querySelector<HTMLInputElement>("[name=code]")?.focus();
  }, [step]);

  const signIn = () =>
    run(async () => {
      try {
        const credentials = { user, password, ...(step === "code" ? { code: withoutSpaces(code) } : {}) };
        signedIn(await send<Session>("POST", "/api/session", credentials));
      } catch (failure) {
        const wantsCode = failure instanceof ApiError && failure.body.second_factor_needed === true;
        if (wantsCode && step === "password") return setStep("code");
        setCode("");
        throw failure;
      }
    });
  const withPasskey = () =>
    run(async () => {
      const begun = await send<PasskeyBegun>("POST", "/api/session/passkey/begin", {});
      const credential = await getCredential(begun.publicKey);
      if (!credential) throw new ApiError(400, t("signin.noPasskey"));
      signedIn(await send<Session>("POST", "/api/session/passkey/finish", { state: begun.state, credential }));
    });

  return (
    <Page title={title}>
      {sessionEnded.value && (
        <p class="hint" role="status">
          {t("signin.ended")}
        </p>
      )}
      {needsSetup.value && <p class="hint">{t("signin.setup")}</p>}
      <Form onSubmit={() => void signIn()} error={error} label={title}>
        {step === "password" ? (
          <>
            <UserField autofocus value={user} onValue={setUser} />
            <PasswordField value={password} onValue={setPassword} />
            <div class="actions stacked">
              <Button type="submit" kind="primary" busy={busy}>
                {t("signin.submit")}
              </Button>
              <Button busy={busy} onClick={() => void withPasskey()}>
                {t("signin.passkey")}
              </Button>
            </div>
          </>
        ) : (
          <>
            <CodeField
              help={t("signin.codeHelp")}
              autoCapitalize="none"
              spellcheck={false}
              value={code}
              onValue={setCode}
            />
            <div class="actions stacked">
              <Button type="submit" kind="primary" busy={busy}>
                {t("signin.codeSubmit")}
              </Button>
              <Button
                kind="quiet"
                onClick={() => {
                  clear();
                  setPassword("");
                  setStep("password");
                }}
              >
                {t("signin.back")}
              </Button>
            </div>
          </>
        )}
      </Form>
    </Page>
  );
}

interface PasskeyBegun {
  publicKey: PublicKeyCredentialRequestOptionsJSON;
  state: string;
}
