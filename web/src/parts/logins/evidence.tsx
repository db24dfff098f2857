// The evidence of a login.
import { type ComponentChildren } from "preact";
import { number } from "../../i18n";
import { Badge, Fact, Panel, Time, Untrusted } from "../../ui";
import type { EventProps } from "../part";
import { loginOf, methodText, newText, viaText } from "./login";
import { t } from "./texts";

export default function LoginView({ event }: EventProps) {
  const login = loginOf(event);
  const text = (value: string | undefined): ComponentChildren => value && <Untrusted text={value} />;
  const facts: [string, ComponentChildren][] = [
    [t("evidence.service"), text(login.service)],
    [t("logins.method"), login.method && <Untrusted text={methodText(login.method)} />],
    [t("evidence.key"), login.key && <Untrusted text={`${login.key.algorithm} ${login.key.fingerprint}`} />],
    [t("evidence.comment"), text(login.key?.comment)],
    [t("evidence.country"), text(login.country)],
    [t("evidence.network"), text(login.network)],
    [t("logins.terminal"), text(login.terminal)],
    [t("evidence.new"), login.new?.length ? <News values={login.new} /> : undefined],
    [t("evidence.lasted"), login.seconds !== undefined && t("evidence.seconds", { n: login.seconds })],
    [t("logins.tries"), login.tries !== undefined && number(login.tries)],
    [t("evidence.first"), login.first && <Time time={login.first} />],
    [t("logins.lastTry"), login.last && <Time time={login.last} />],
    [t("logins.names"), login.users?.length ? <Names users={login.users} /> : undefined],
    [t("evidence.otherNames"), login.other_users ? number(login.other_users) : undefined],
    [t("evidence.sources"), login.sources ? number(login.sources) : undefined],
    [t("evidence.banned"), login.banned && t("evidence.yes")],
    [t("evidence.target"), text(login.target)],
    [t("evidence.command"), text(login.command)],
    [t("evidence.reason"), text(login.reason)],
    [t("evidence.line"), text(login.line)],
    [t("evidence.writer"), login.uid !== undefined && String(login.uid)],
    [t("evidence.via"), login.via && viaText(login.via)],
  ];
  return (
    <Panel title={t("evidence.title")}>
      <dl class="facts">
        {facts
          .filter(([, value]) => Boolean(value))
          .map(([name, value]) => (
            <Fact key={name} name={name}>
              {value}
            </Fact>
          ))}
      </dl>
    </Panel>
  );
}

/** What is new for the user. */
export function News({ values }: { values: string[] }) {
  return (
    <>
      {values.map((value) => (
        <span key={value} class="login-new">
          <Badge kind="warn">{newText(value)}</Badge>
        </span>
      ))}
    </>
  );
}

/** Names that were tried, with their numbers. */
export function Names({ users }: { users: { user: string; tries: number }[] }) {
  return (
    <>
      {users.map(({ user, tries }, at) => (
        <span key={user}>
          {at > 0 && ", "}
          <Untrusted text={user} limit={40} /> ({number(tries)})
        </span>
      ))}
    </>
  );
}
