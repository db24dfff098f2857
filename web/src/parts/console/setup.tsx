// The page of a setup link (`/setup#TOKEN`): first owner, invitation, new password.
import { useEffect, useState } from "preact/hooks";
import { type LinkPurpose, type Session } from "../../api";
import { ApiError, send, useRetry } from "../../api/client";
import { say } from "../../i18n";
import { place } from "../../router";
import { signedIn } from "../../session";
import { Button, Form, Loading, Page, Problem, Untrusted, useAction } from "../../ui";
import type { PageProps } from "../part";
import { NewPasswordField, UserField } from "./fields";
import { TITLES } from "./index";
import { t } from "./texts";

/** The minimum length that the API requires. */
export const PASSWORD_MIN = 12;

export default function Setup({ title }: PageProps) {
  // the token follows `#`, so no server on the way logs it; reading `place` rerenders the page when the link opens in it
  const token = place.value && location.hash.slice(1);
  return (
    <Page title={title}>
      {token ? <Link key={token} token={token} /> : <Problem error={t("setup.noToken")} />}
    </Page>
  );
}

/** Checks a link before the visitor types anything. */
function Link({ token }: { token: string }) {
  const [purpose, setPurpose] = useState<LinkPurpose>();
  const [error, setError] = useState<ApiError>();
  const check = () => {
    send<LinkPurpose>("POST", "/api/setup/check", { token }).then(
      (answer) => {
        setPurpose(answer);
        setError(undefined);
      },
      (failure: unknown) => setError(failure instanceof ApiError ? failure : new ApiError(0, String(failure))),
    );
  };
  useEffect(check, [token]);
  useRetry(error, check);
  if (error?.code === "link.gone") {
    return (
      <>
        <Problem error={error} />
        <p>{t("setup.gone")}</p>
        <p>
          <a href="/signin">{say(TITLES.signin)}</a>
        </p>
      </>
    );
  }
  if (error) return <Problem error={error} retry={check} />;
  return purpose ? <Choice token={token} purpose={purpose} /> : <Loading />;
}

function Choice({ token, purpose }: { token: string; purpose: LinkPurpose }) {
  const invited = purpose.user ?? undefined;
  const [user, setUser] = useState(invited ?? "");
  const [password, setPassword] = useState("");
  const [again, setAgain] = useState("");
  const { busy, error, run } = useAction();
  const wrong =
    password.length < PASSWORD_MIN
      ? t("setup.short", { n: PASSWORD_MIN })
      : password !== again
        ? t("setup.different")
        : undefined;
  const submit = () =>
    run(async () => {
      if (wrong) throw wrong;
      signedIn(await send<Session>("POST", "/api/setup", { token, user, password }));
    });
  return (
    <>
      <p>{t("setup.intro")}</p>
      {purpose.tokens.length > 0 && (
        <>
          <p>{t("setup.tokens")}</p>
          <ul>
            {purpose.tokens.map((one) => (
              <li key={one.id}>
                <Untrusted text={one.name} />
              </li>
            ))}
          </ul>
        </>
      )}
      <Form onSubmit={() => void submit()} error={error} label={say(TITLES.setup)}>
        <UserField
          label={t("setup.user")}
          help={invited === undefined ? t("setup.userHelp") : t("setup.invitedHelp")}
          autofocus={invited === undefined}
          readOnly={invited !== undefined}
          value={user}
          onValue={setUser}
        />
        <NewPasswordField
          help={t("setup.passwordHelp", { n: PASSWORD_MIN })}
          autofocus={invited !== undefined}
          value={password}
          onValue={setPassword}
        />
        <NewPasswordField
          label={t("setup.again")}
          name="again"
          value={again}
          onValue={setAgain}
          error={again && password !== again ? t("setup.different") : undefined}
        />
        <div class="actions stacked">
          <Button type="submit" kind="primary" busy={busy}>
            {t(invited === undefined ? "setup.submit" : "setup.save")}
          </Button>
        </div>
      </Form>
    </>
  );
}
