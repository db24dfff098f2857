// The sessions of the account.
import { useState } from "preact/hooks";
import { type Sessions } from "../../../api";
import { send, useLoad } from "../../../api/client";
import { Badge, Button, Confirm, Loads, Panel, Table, Time, Untrusted } from "../../../ui";
import { t } from "../texts";

export function SessionList() {
  const load = useLoad<Sessions>("/api/account/sessions");
  const { reload } = load;
  const [ending, setEnding] = useState<Sessions["sessions"][number]>();
  return (
    <Panel title={t("account.sessions")} note={t("account.sessionsNote")}>
      <Loads load={load}>
        {(data) => (
          <Table
            caption={t("account.sessions")}
            rows={data.sessions}
            rowKey={(one) => one.id}
            columns={[
              { title: t("account.address"), kind: "code", cell: (one) => one.address },
              { title: t("account.browser"), cell: (one) => <Untrusted text={browserOf(one.user_agent)} limit={160} /> },
              { title: t("account.signedIn"), cell: (one) => <Time time={one.created} relative /> },
              { title: t("account.lastSeen"), cell: (one) => <Time time={one.last_seen} relative /> },
              {
                title: t("account.end"),
                kind: "actions",
                cell: (one) =>
                  one.current ? (
                    <Badge kind="good">{t("account.current")}</Badge>
                  ) : (
                    <Button kind="quiet" small onClick={() => setEnding(one)} aria-label={`${t("account.end")}: ${one.address}`}>
                      {t("account.end")}
                    </Button>
                  ),
              },
            ]}
          />
        )}
      </Loads>
      {ending && (
        <Confirm
          title={t("account.endTitle")}
          action={t("account.end")}
          onClose={() => setEnding(undefined)}
          onConfirm={async () => {
            await send("DELETE", `/api/account/sessions/${encodeURIComponent(ending.id)}`);
            reload();
          }}
        >
          <p>
            <code>{ending.address}</code> <Untrusted text={browserOf(ending.user_agent)} limit={160} />
          </p>
          <p>{t("account.endFollows")}</p>
        </Confirm>
      )}
    </Panel>
  );
}

/** Returns "Firefox 128 · Linux" for a User-Agent; the whole text for an unknown browser. */
function browserOf(agent: string): string {
  const browser =
    /(Firefox)\/(\d+)/.exec(agent) ??
    /(Edg)\/(\d+)/.exec(agent) ??
    /(HeadlessChrome|Chrome)\/(\d+)/.exec(agent) ??
    /Version\/(\d+).*(Safari)/.exec(agent);
  const system = /Windows|Android|iPhone|iPad|Mac OS X|CrOS|Linux/.exec(agent);
  if (!browser || !system) return agent;
  const [, first = "", second = ""] = browser;
  const named = second === "Safari" ? `Safari ${first}` : `${first === "Edg" ? "Edge" : first} ${second}`;
  return `${named} · ${system[0]}`;
}
