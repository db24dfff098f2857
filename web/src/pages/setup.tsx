// The link that makes the first owner, or that an invitation holds: `/setup#TOKEN`.
import { useState } from "preact/hooks";
import { type Session } from "../api";
import { send } from "../api/client";
import { t } from "../i18n";
import { place } from "../router";
import { signedIn } from "../session";
import { Button, Form, Input, Page, Problem, useAction } from "../ui";

/** As the API demands. */
export const PASSWORD_MIN = 12;

export default function Setup() {
  // after `#`: so it is in no log of a server between. The place changes with it, where the link is opened in this very page.
  const token = place.value && location.hash.slice(1);
  const [user, setUser] = useState("");
  const [password, setPassword] = useState("");
  const [again, setAgain] = useState("");
  const { busy, error, run } = useAction();
  if (!token) {
    return (
      <Page title={t("setup.title")}>
        <Problem error={t("setup.noToken")} />
      </Page>
    );
  }
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
    <Page title={t("setup.title")}>
      <p>{t("setup.intro")}</p>
      <Form onSubmit={() => void submit()} error={error} label={t("setup.title")}>
        <Input
          label={t("setup.user")}
          help={t("setup.userHelp")}
          name="username"
          autoComplete="username"
          autoCapitalize="none"
          spellcheck={false}
          autofocus
          value={user}
          onValue={setUser}
        />
        <Input
          label={t("setup.password")}
          help={t("setup.passwordHelp", { n: PASSWORD_MIN })}
          name="password"
          type="password"
          autoComplete="new-password"
          required
          value={password}
          onValue={setPassword}
        />
        <Input
          label={t("setup.again")}
          name="again"
          type="password"
          autoComplete="new-password"
          required
          value={again}
          onValue={setAgain}
          error={again && password !== again ? t("setup.different") : undefined}
        />
        <div class="actions stacked">
          <Button type="submit" kind="primary" busy={busy}>
            {t("setup.submit")}
          </Button>
        </div>
      </Form>
    </Page>
  );
}
