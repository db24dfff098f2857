// Users and their roles.
import { useState } from "preact/hooks";
import { type Role, type Users } from "../../api";
import { send, useLoad } from "../../api/client";
import { session } from "../../session";
import {
  Badge,
  Button,
  Confirm,
  Dialog,
  DialogActions,
  Form,
  Loads,
  Page,
  Panel,
  Select,
  Table,
  Time,
  toast,
  useAction,
} from "../../ui";
import type { PageProps } from "../part";
import { UserField } from "./fields";
import { Secret } from "./secret";
import { t } from "./texts";

type User = Users["users"][number];
const ROLES: readonly Role[] = ["viewer", "analyst", "owner"];

export default function UsersPage({ title }: PageProps) {
  const load = useLoad<Users>("/api/users");
  const { reload } = load;
  const [inviting, setInviting] = useState(false);
  const [asked, setAsked] = useState<{ what: "remove" | "reset"; user: User }>();
  const [link, setLink] = useState<{ user: string; link: string }>();
  const [changing, setChanging] = useState<{ user: User; role: Role }>();
  const me = session.value?.user;
  return (
    <Page
      title={title}
      actions={
        <Button kind="primary" onClick={() => setInviting(true)}>
          {t("users.invite")}
        </Button>
      }
    >
      <Loads load={load}>
        {(data) => (
          <Panel note={t("users.note")}>
            <Table
              caption={title}
              rows={data.users}
              rowKey={(one) => one.user}
              columns={[
                {
                  title: t("users.user"),
                  cell: (one) => (
                    <>
                      <strong>{one.user}</strong> {one.user === me && <Badge kind="good">{t("users.you")}</Badge>}
                      {one.invited && <Badge kind="warn">{t("users.invited")}</Badge>}
                    </>
                  ),
                },
                {
                  title: t("users.role"),
                  cell: (one) => (
                    <select
                      class="small-choice"
                      aria-label={`${t("users.role")}: ${one.user}`}
                      value={one.role}
                      disabled={one.user === me}
                      onChange={(event) => {
                        setChanging({ user: one, role: event.currentTarget.value as Role });
                        // until it is confirmed
                        event.currentTarget.value = one.role;
                      }}
                    >
                      {ROLES.map((role) => (
                        <option key={role} value={role}>
                          {t(`role.${role}`)}
                        </option>
                      ))}
                    </select>
                  ),
                },
                {
                  title: t("users.factors"),
                  cell: (one) =>
                    [
                      one.totp ? t("users.totp") : "",
                      one.passkeys > 0 ? t("users.passkeys", { n: one.passkeys }) : "",
                    ]
                      .filter(Boolean)
                      .join(", ") || t("users.passwordOnly"),
                },
                {
                  title: t("users.lastSeen"),
                  cell: (one) => <Time time={one.last_seen} relative />,
                },
                {
                  title: t("users.actions"),
                  kind: "actions",
                  cell: (one) =>
                    one.user !== me && (
                      <>
                        <Button kind="quiet" small onClick={() => setAsked({ what: "reset", user: one })}>
                          {t("users.reset")}
                        </Button>
                        <Button
                          kind="quiet"
                          small
                          onClick={() => setAsked({ what: "remove", user: one })}
                          aria-label={`${t("ui.remove")}: ${one.user}`}
                        >
                          {t("ui.remove")}
                        </Button>
                      </>
                    ),
                },
              ]}
            />
          </Panel>
        )}
      </Loads>
      {inviting && (
        <Invitation
          onClose={() => setInviting(false)}
          onMade={(made) => {
            setInviting(false);
            setLink(made);
            reload();
          }}
        />
      )}
      {changing && (
        <Confirm
          title={t("users.roleTitle", { user: changing.user.user, role: t(`shell.forbidden.mine.${changing.role}`) })}
          action={t("users.roleChange")}
          onClose={() => setChanging(undefined)}
          onConfirm={async () => {
            await send("PATCH", `/api/users/${encodeURIComponent(changing.user.user)}`, { role: changing.role });
            toast(t("users.roleChanged", { user: changing.user.user, role: t(`shell.forbidden.mine.${changing.role}`) }));
            reload();
          }}
        >
          <p>
            {t(`role.${changing.user.role}`)} → <strong>{t(`role.${changing.role}`)}</strong>
          </p>
          <p>{t(`users.roleFollows.${changing.role}`)}</p>
        </Confirm>
      )}
      {asked && (
        <Confirm
          title={t(asked.what === "remove" ? "users.removeTitle" : "users.resetTitle", { user: asked.user.user })}
          action={asked.what === "remove" ? t("ui.remove") : t("users.reset")}
          onClose={() => setAsked(undefined)}
          onConfirm={async () => {
            const path = `/api/users/${encodeURIComponent(asked.user.user)}`;
            if (asked.what === "remove") await send("DELETE", path);
            else setLink({ user: asked.user.user, ...(await send<{ link: string }>("POST", `${path}/reset`)) });
            reload();
          }}
        >
          <p>{t(asked.what === "remove" ? "users.removeNote" : "users.resetNote")}</p>
        </Confirm>
      )}
      {link && (
        <Dialog title={t("users.linkTitle", { user: link.user })} onClose={() => setLink(undefined)}>
          <p>{t("users.linkNote")}</p>
          <Secret text={link.link} label={t("users.link")} />
          <div class="actions">
            <Button kind="primary" onClick={() => setLink(undefined)}>
              {t("ui.close")}
            </Button>
          </div>
        </Dialog>
      )}
    </Page>
  );
}

function Invitation({
  onClose,
  onMade,
}: {
  onClose: () => void;
  onMade: (made: { user: string; link: string }) => void;
}) {
  const [user, setUser] = useState("");
  const [role, setRole] = useState<Role>("viewer");
  const { busy, error, run } = useAction();
  const submit = () =>
    run(async () => onMade({ user, ...(await send<{ link: string }>("POST", "/api/users", { user, role })) }));
  return (
    <Dialog title={t("users.invite")} onClose={onClose}>
      <Form onSubmit={() => void submit()} error={error}>
        <UserField
          label={t("users.user")}
          name="user"
          autoComplete="off"
          maxLength={64}
          value={user}
          onValue={setUser}
        />
        <Select
          label={t("users.role")}
          help={t(`users.roleNote.${role}`)}
          value={role}
          onValue={setRole}
          options={ROLES.map((one) => ({ value: one, label: t(`role.${one}`) }))}
        />
        <DialogActions action={t("users.inviteMake")} busy={busy} onClose={onClose} />
      </Form>
    </Dialog>
  );
}
