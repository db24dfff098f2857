// The page of logins: open sessions, the last logins, and failed tries by source.
import { useLoad } from "../../api/client";
import { type Event } from "../../api/event";
import { number } from "../../i18n";
import { Button, Empty, Loading, type Moment, Page, Panel, Problem, Table, Time, Timeline, Untrusted } from "../../ui";
import type { PageProps } from "../part";
import { Names, News } from "./evidence";
import { type Login, type LoginsNow, loginOf, methodText } from "./login";
import { t } from "./texts";

/** Events that each list reads. */
const MOST = 100;
/** Names that a row of failed tries shows. */
const MOST_NAMES = 4;

interface EventPage {
  events: Event[];
}

export default function LoginsPage({ title }: PageProps) {
  const now = useLoad<LoginsNow>("/api/logins");
  const last = useLoad<EventPage>(`/api/events?kind=login.accepted&limit=${MOST}`);
  const failed = useLoad<EventPage>(`/api/events?kind=login.failed&limit=${MOST}`);
  const loads = [now, last, failed];
  const reload = (): void => loads.forEach((load) => load.reload());
  const error = loads.find((load) => load.error)?.error;
  return (
    <Page title={title} actions={<Button small onClick={reload}>{t("ui.refresh")}</Button>}>
      {error && <Problem error={error} retry={reload} />}
      {!error && loads.some((load) => !load.data) && <Loading />}
      {now.data?.reading === false && (
        <Panel title={t("logins.off")}>
          <Empty>{t("logins.offNote")}</Empty>
          <pre class="code">[logins]</pre>
        </Panel>
      )}
      {now.data?.reading && <Sessions sessions={now.data.sessions} />}
      {last.data && <LastLogins events={last.data.events} />}
      {failed.data && <Failed events={failed.data.events} trying={now.data?.trying ?? []} />}
    </Page>
  );
}

function Sessions({ sessions }: { sessions: LoginsNow["sessions"] }) {
  return (
    <Panel title={t("logins.now")}>
      {sessions.length === 0 ? (
        <Empty>{t("logins.nobody")}</Empty>
      ) : (
        <Table
          caption={t("logins.now")}
          rows={sessions}
          rowKey={(session) => `${session.user} ${session.since} ${session.address ?? ""}`}
          columns={[
            { title: t("logins.user"), cell: (session) => <Untrusted text={session.user} /> },
            { title: t("logins.address"), kind: "code", cell: (session) => session.address ?? t("logins.console") },
            { title: t("logins.since"), cell: (session) => <Time time={session.since} relative /> },
            { title: t("logins.method"), cell: (session) => session.method && <Untrusted text={methodText(session.method)} /> },
            { title: t("logins.terminal"), kind: "code", cell: (session) => session.terminal && <Untrusted text={session.terminal} /> },
          ]}
        />
      )}
    </Panel>
  );
}

/** The last logins, by day. */
function LastLogins({ events }: { events: Event[] }) {
  const moments = events.map((event): Moment => ({
    key: event.id,
    time: event.time,
    href: `/events/${event.id}`,
    kind: event.severity === "warning" ? "warn" : "good",
    content: (
      <>
        <b>
          <Untrusted text={event.actor?.user ?? ""} limit={40} />
        </b>{" "}
        <code>{event.actor?.address ?? t("logins.console")}</code> <How login={loginOf(event)} />
      </>
    ),
  }));
  return (
    <Panel title={t("logins.last")} actions={<a href="/events?gate=login">{t("logins.all")}</a>}>
      {events.length === 0 ? <Empty>{t("logins.noLogins")}</Empty> : <Timeline moments={moments} />}
    </Panel>
  );
}

/** Country, method, key, and what is new. */
function How({ login }: { login: Login }) {
  const how = [login.country, login.method && methodText(login.method), login.key?.comment].filter(Boolean);
  return (
    <>
      <span class="muted">
        <Untrusted text={how.join(" · ")} limit={120} />
      </span>{" "}
      <News values={login.new ?? []} />
    </>
  );
}

interface Source {
  name: string;
  tries: number;
  last: string | undefined;
  users: Map<string, number>;
}

/** Adds up the tries of each source, the most first. */
export function bySource(events: Event[], trying: LoginsNow["trying"]): Source[] {
  const sources = new Map<string, Source>();
  const of = (name: string): Source => {
    const source = sources.get(name) ?? { name, tries: 0, last: "", users: new Map<string, number>() };
    sources.set(name, source);
    return source;
  };
  for (const event of events) {
    const login = loginOf(event);
    const source = of(event.actor?.address ?? (login.sources ? t("logins.others") : t("logins.console")));
    source.tries += login.tries ?? 0;
    if (source.last !== undefined && event.time > source.last) source.last = event.time;
    for (const { user, tries } of login.users ?? []) source.users.set(user, (source.users.get(user) ?? 0) + tries);
  }
  for (const { address, tries } of trying) {
    const source = of(address);
    source.tries += tries;
    source.last = undefined;
  }
  return [...sources.values()].sort((a, b) => b.tries - a.tries);
}

function Failed({ events, trying }: { events: Event[]; trying: LoginsNow["trying"] }) {
  const sources = bySource(events, trying);
  const names = (source: Source): { user: string; tries: number }[] =>
    [...source.users]
      .map(([user, tries]) => ({ user, tries }))
      .sort((a, b) => b.tries - a.tries)
      .slice(0, MOST_NAMES);
  return (
    <Panel title={t("logins.failed")} note={events.length >= MOST && t("logins.failedNote", { n: MOST })}>
      {sources.length === 0 ? (
        <Empty>{t("logins.noFailed")}</Empty>
      ) : (
        <Table
          caption={t("logins.failed")}
          rows={sources}
          rowKey={(source) => source.name}
          columns={[
            {
              title: t("logins.source"),
              kind: "code",
              cell: ({ name }) => (/[.:]/.test(name) ? <a href={`/events?gate=login&client=${encodeURIComponent(name)}`}>{name}</a> : name),
            },
            { title: t("logins.tries"), kind: "number", cell: ({ tries }) => number(tries) },
            { title: t("logins.names"), kind: "wide", cell: (source) => <Names users={names(source)} /> },
            { title: t("logins.lastTry"), cell: ({ last }) => (last === undefined ? t("logins.running") : <Time time={last} relative />) },
          ]}
        />
      )}
    </Panel>
  );
}
