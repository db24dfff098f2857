// The fields of forms that sign in or change an account. Their attributes are those that password managers expect.
import { type ComponentProps } from "preact";
import { Input } from "../../ui";
import { t } from "./texts";

type Props = Omit<ComponentProps<typeof Input>, "label"> & { label?: string };

export function UserField(props: Props) {
  return (
    <Input
      label={t("signin.user")}
      name="username"
      autoComplete="username"
      autoCapitalize="none"
      spellcheck={false}
      required
      {...props}
    />
  );
}

/** The current password. */
export function PasswordField(props: Props) {
  return (
    <Input
      label={t("signin.password")}
      name="password"
      type="password"
      autoComplete="current-password"
      required
      {...props}
    />
  );
}

export function NewPasswordField(props: Props) {
  return <PasswordField label={t("setup.password")} autoComplete="new-password" {...props} />;
}

/** A code of an authenticator app. */
export function CodeField(props: Props) {
  return <Input label={t("signin.code")} name="code" autoComplete="one-time-code" required {...props} />;
}

/** Removes the spaces with which apps show a code. */
export function withoutSpaces(code: string): string {
  return code.replace(/\s/g, "");
}
