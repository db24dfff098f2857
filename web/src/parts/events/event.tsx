// One event of any kind: its facts, the views of its evidence, what happened around it, and its JSON.
import { useMemo, useState } from "preact/hooks";
import type { Event } from "../../api/event";
import { useLoad } from "../../api/client";
import { textOf } from "../../bytes/bytes";
import { type Condition, toParams } from "../../query/query";
import { ActionBadge, Button, Fact, Loading, Page, Problem, SeverityBadge, Time, Untrusted, visible } from "../../ui";
import { PARTS } from "../index";
import { methodAndPath } from "../gate/evidence/curl";
import type { EventProps, Load, PageProps, Part } from "../part";
import { usePiece } from "../piece";
import { Neighbours } from "./neighbours";
import { t } from "./texts";

export default function EventPage({ params, title }: PageProps) {
  const id = params.id ?? "";
  const { data, error, reload } = useLoad<Event>(`/api/events/${encodeURIComponent(id)}`);
  if (error) {
    return (
      <Page title={title}>
        {error.status === 404 ? (
          <p class="problem" role="alert">
            {t("event.gone")} <a href="/events">{t("event.toList")}</a>
          </p>
        ) : (
          <Problem error={error} retry={reload} />
        )}
      </Page>
    );
  }
  if (!data || data.id !== id) return <Loading />;
  return <Shown key={data.id} event={data} title={title} />;
}

/** What the parts show of an event, with the part that each piece belongs to. */
function pieces(event: Event, of: (part: Part) => Part["evidence"]): { name: string; part: Part; load: Load<EventProps> }[] {
  const names = Object.keys(event.evidence);
  return PARTS.flatMap((part) =>
    names.flatMap((name) => {
      const load = of(part)?.[name];
      return load ? [{ name, part, load }] : [];
    }),
  );
}

function Shown({ event, title }: { event: Event; title: string }) {
  const views = useMemo(() => pieces(event, (part) => part.evidence), [event]);
  const actions = useMemo(() => pieces(event, (part) => part.actions), [event]);
  return (
    <Page
      title={titleOf(event) || title}
      actions={actions.map(({ name, part, load }, at) => (
        <Action key={`${name} ${at}`} part={part} load={load} event={event} />
      ))}
    >
      <Facts event={event} />
      {views.map(({ name, part, load }, at) => (
        <View key={`${name} ${at}`} part={part} load={load} event={event} />
      ))}
      <Neighbours event={event} />
      <Raw event={event} />
    </Page>
  );
}

/** A view of evidence, once its code is here. */
function View({ part, load, event }: { part: Part; load: Load<EventProps>; event: Event }) {
  const { Content, failed, again } = usePiece(part, load);
  if (failed) return <Problem error={failed === "outdated" ? t("shell.outdated") : failed} retry={again} />;
  return Content ? <Content event={event} /> : <Loading />;
}

/** A button for an event; nothing until its code is here. */
function Action({ part, load, event }: { part: Part; load: Load<EventProps>; event: Event }) {
  const { Content } = usePiece(part, load);
  return Content ? <Content event={event} /> : null;
}

/** What was asked, for the heading and the window's title. */
function titleOf(event: Event): string {
  const { method, path } = methodAndPath(event, 100);
  return path.length > 0 ? visible(`${textOf(method)} ${textOf(path)}`) : "";
}

function link(condition: Condition): string {
  return `/events?${toParams([condition])}`;
}

function Facts({ event }: { event: Event }) {
  const response = event.evidence.request?.response;
  return (
    <section class="panel event-facts">
      <p class="event-verdict">
        <ActionBadge action={event.action} /> <SeverityBadge severity={event.severity} />{" "}
        {event.reason && <Untrusted text={event.reason} limit={500} />}
      </p>
      <dl class="facts">
        <Fact name={t("event.time")}>
          <Time time={event.time} />
        </Fact>
        {event.client && (
          <Fact name={t("event.client")}>
            <a href={link({ property: "client", value: event.client.address, inverted: false })}>
              <code>
                <Untrusted text={event.client.address} limit={300} />
              </code>
            </a>
            {event.client.port !== undefined && <code class="note">:{event.client.port}</code>}
          </Fact>
        )}
        {event.site !== undefined && (
          <Fact name={t("event.site")}>
            <a href={link({ property: "site", value: event.site, inverted: false })}>
              <Untrusted text={event.site} limit={100} />
            </a>
          </Fact>
        )}
        <Fact name={t("event.status")}>
          {response ? (
            <a href={link({ property: "status", value: String(response.status), inverted: false })}>{response.status}</a>
          ) : (
            t("event.noAnswer")
          )}
        </Fact>
        <Fact name={t("event.node")}>
          <Untrusted text={event.node} limit={100} />
        </Fact>
        <Fact name={t("event.gate")}>{event.gate}</Fact>
        <Fact name={t("event.id")}>
          <code>{event.id}</code>
        </Fact>
        {event.origin_id !== undefined && (
          <Fact name={t("event.originId")}>
            <code>
              <Untrusted text={event.origin_id} limit={200} />
            </code>
          </Fact>
        )}
      </dl>
    </section>
  );
}

/** Characters of JSON that are shown before "show all". */
const FOLDED = 20_000;

function Raw({ event }: { event: Event }) {
  const [open, setOpen] = useState(false);
  const [all, setAll] = useState(false);
  const json = useMemo(() => (open ? JSON.stringify(event, null, 2) : ""), [open, event]);
  const shown = all ? json : json.slice(0, FOLDED);
  return (
    <details class="panel" open={open} onToggle={(change) => setOpen(change.currentTarget.open)}>
      <summary>{t("event.raw")}</summary>
      {open && (
        <>
          <pre class="bytes text" dir="ltr">
            {shown.split("\n").map((line, at) => (
              <>
                {at > 0 && "\n"}
                <Untrusted text={line} limit={line.length} />
              </>
            ))}
          </pre>
          {shown.length < json.length && (
            <Button kind="quiet" onClick={() => setAll(true)}>
              {t("event.showAll", { n: json.length })}
            </Button>
          )}
          <a href={`/api/events/${event.id}`} target="_blank" rel="noreferrer">
            {t("event.rawLink")}
          </a>
        </>
      )}
    </details>
  );
}
