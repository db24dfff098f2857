// One event: what was asked and answered, what matched and where, why it was decided so, and what to do about it.
import { type ComponentChildren } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { useLoad } from "../api/client";
import { bytesOf, textOf } from "../evidence/bytes";
import { curl, methodAndPath } from "../evidence/curl";
import type { Body, Event, MatchedRule, RequestEvidence } from "../evidence/event";
import { locateAll, type Location } from "../evidence/locate";
import { MessageView, type View, VIEWS } from "../evidence/MessageView";
import { requestMessage, responseMessage } from "../evidence/message";
import { arithmetic } from "../evidence/score";
import { hasText, type Key, number, t } from "../i18n";
import { type Condition, toParams } from "../query/query";
import { mayTune } from "../session";
import {
  ActionBadge,
  Badge,
  Button,
  Loading,
  Page,
  Panel,
  Problem,
  SeverityBadge,
  Time,
  toast,
  Untrusted,
  useKeys,
  visible,
} from "../ui";
import { Exclude } from "./exclude";
import type { PageProps } from "./index";
import { Neighbours } from "./neighbours";
import { Line } from "./rows";
import { RuleText } from "./rule";

export default function EventPage({ params }: PageProps) {
  const id = params.id ?? "";
  const { data, error, reload } = useLoad<Event>(`/api/events/${encodeURIComponent(id)}`);
  if (error) {
    return (
      <Page title={t("event.title")}>
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
  return <Shown key={data.id} event={data} />;
}

function Shown({ event }: { event: Event }) {
  const request = event.evidence.request;
  const rules = request?.rules ?? [];
  const locations = useMemo(() => locateAll(event), [event]);
  const [view, setView] = useState<View>("text");
  const [chosen, setChosen] = useState<number>();
  const [turn, setTurn] = useState(0);
  const [excluding, setExcluding] = useState(false);
  const choose = (match: number): void => {
    setChosen(match);
    setTurn(turn + 1);
  };
  const move = (by: number): void => {
    if (rules.length > 0) choose(chosen === undefined ? 0 : (chosen + by + rules.length) % rules.length);
  };
  const command = useMemo(() => curl(event), [event]);
  const copy = async (text: string): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
      toast(t("ui.copied"));
    } catch {
      toast(t("events.notCopied"), "failed");
    }
  };
  const exclude = (): void => {
    if (rules.length > 0 && mayTune.value) setExcluding(true);
  };
  useKeys({
    j: { label: "event.keyNext", run: () => move(1) },
    k: { label: "event.keyBefore", run: () => move(-1) },
    v: { label: "event.keyView", run: () => setView(VIEWS[(VIEWS.indexOf(view) + 1) % VIEWS.length] ?? "text") },
    c: { label: "event.copyCurl", run: () => command && void copy(command.command) },
    x: { label: "event.exclude", run: exclude },
  });
  return (
    <Page
      title={titleOf(event)}
      actions={
        <>
          {command && (
            <Button kind="quiet" onClick={() => void copy(command.command)}>
              {t("event.copyCurl")}
            </Button>
          )}
          {rules.length > 0 && mayTune.value && (
            <Button kind="primary" onClick={exclude}>
              {t("event.exclude")}
            </Button>
          )}
        </>
      }
    >
      <Facts event={event} />
      {command && <CurlNotes left={command.left} cut={command.cut} redacted={command.redacted} />}
      {rules.length > 0 && <Matches rules={rules} locations={locations} chosen={chosen} onChoose={choose} />}
      {request && (
        <Messages request={request} locations={locations} view={view} onView={setView} chosen={chosen} turn={turn} />
      )}
      {request && <Score request={request} />}
      <Neighbours event={event} />
      {request && <Rest request={request} />}
      <Raw event={event} />
      {excluding && <Exclude event={event} onClose={() => setExcluding(false)} />}
    </Page>
  );
}

/** What was asked, for the heading and the window's title. */
function titleOf(event: Event): string {
  const { method, path } = methodAndPath(event, 100);
  return path.length > 0 ? visible(`${textOf(method)} ${textOf(path)}`) : t("event.title");
}

function Fact({ name, children }: { name: Key; children: ComponentChildren }) {
  return (
    <div>
      <dt>{t(name)}</dt>
      <dd>{children}</dd>
    </div>
  );
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
        <Fact name="event.time">
          <Time time={event.time} />
        </Fact>
        {event.client && (
          <Fact name="event.client">
            <a href={link({ property: "client", value: event.client.address, inverted: false })}>
              <code>
                <Untrusted text={event.client.address} limit={300} />
              </code>
            </a>
            {event.client.port !== undefined && <code class="note">:{event.client.port}</code>}
          </Fact>
        )}
        {event.site !== undefined && (
          <Fact name="event.site">
            <a href={link({ property: "site", value: event.site, inverted: false })}>
              <Untrusted text={event.site} limit={100} />
            </a>
          </Fact>
        )}
        <Fact name="event.status">
          {response ? (
            <a href={link({ property: "status", value: String(response.status), inverted: false })}>{response.status}</a>
          ) : (
            t("event.noAnswer")
          )}
        </Fact>
        <Fact name="event.node">
          <Untrusted text={event.node} limit={100} />
        </Fact>
        <Fact name="event.gate">{event.gate}</Fact>
        <Fact name="event.id">
          <code>{event.id}</code>
        </Fact>
        {event.origin_id !== undefined && (
          <Fact name="event.originId">
            <code>
              <Untrusted text={event.origin_id} limit={200} />
            </code>
          </Fact>
        )}
      </dl>
    </section>
  );
}

function CurlNotes({ left, cut, redacted }: { left: string[]; cut: boolean; redacted: boolean }) {
  const notes = [
    ...(redacted ? [t("event.curlRedacted")] : []),
    ...(cut ? [t("event.curlCut")] : []),
    ...(left.length > 0 ? [t("event.curlLeft", { n: left.length })] : []),
  ];
  return notes.length > 0 ? <p class="note">{notes.join(" ")}</p> : null;
}

/** Matches that are listed before "show all". */
const LISTED = 50;

function Matches({
  rules,
  locations,
  chosen,
  onChoose,
}: {
  rules: MatchedRule[];
  locations: Location[];
  chosen: number | undefined;
  onChoose: (match: number) => void;
}) {
  const [all, setAll] = useState(false);
  const [open, setOpen] = useState<number>();
  const shown = all || (chosen ?? 0) >= LISTED ? rules : rules.slice(0, LISTED);
  useEffect(() => {
    document.querySelector("li.match-line.selected")?.scrollIntoView({ block: "nearest" });
  }, [chosen]);
  return (
    <Panel title={t("event.matches", { n: rules.length })}>
      <ol class="matches">
        {shown.map((rule, at) => (
          <li key={at} class={at === chosen ? "match-line selected" : "match-line"}>
            <button type="button" class="match-choice" aria-pressed={at === chosen} onClick={() => onChoose(at)}>
              <span class="match-head">
                <code class="match-rule">{rule.id}</code>
                {rule.severity && <SeverityBadge severity={rule.severity} />}
                <Line bytes={bytesOf(rule.message).subarray(0, 300)} />
              </span>
              <span class="match-what">
                {rule.variable !== undefined && (
                  <code class="match-variable">
                    <Line bytes={bytesOf(rule.variable).subarray(0, 200)} />
                  </code>
                )}
                {rule.matched !== undefined && (
                  <code class="match-text">
                    <Line bytes={bytesOf(rule.matched).subarray(0, 200)} />
                  </code>
                )}
                <Certainty location={locations[at]} />
              </span>
            </button>
            {rule.id > 0 && (
              <Button
                kind="quiet"
                aria-expanded={open === at}
                onClick={() => setOpen(open === at ? undefined : at)}
              >
                {t("event.rule")}
              </Button>
            )}
            {open === at && <RuleText id={rule.id} matched={rule} />}
          </li>
        ))}
      </ol>
      {shown.length < rules.length && (
        <Button kind="quiet" onClick={() => setAll(true)}>
          {t("event.allMatches", { n: rules.length })}
        </Button>
      )}
    </Panel>
  );
}

/** How sure the mark is, where it is not the bytes themselves. */
function Certainty({ location }: { location: Location | undefined }) {
  if (!location || location.certainty === "bytes") return null;
  return <span class="note">{t(`event.certainty.${location.certainty}`)}</span>;
}

function Messages({
  request,
  locations,
  view,
  onView,
  chosen,
  turn,
}: {
  request: RequestEvidence;
  locations: Location[];
  view: View;
  onView: (view: View) => void;
  chosen: number | undefined;
  turn: number;
}) {
  const asked = useMemo(() => requestMessage(request), [request]);
  const answered = useMemo(() => request.response && responseMessage(request.response), [request]);
  const tabs = (
    <div class="views" role="group" aria-label={t("event.view")}>
      {VIEWS.map((one) => (
        <button key={one} type="button" class="button small" aria-pressed={one === view} onClick={() => onView(one)}>
          {t(`event.views.${one}`)}
        </button>
      ))}
    </div>
  );
  const common = { locations, view, chosen, turn };
  return (
    <>
      <Panel title={t("event.request")} actions={tabs}>
        <MessageView message={asked} side="request" {...common} />
        <BodyNote body={request.body} />
      </Panel>
      {request.response && answered && (
        <Panel title={t("event.response")}>
          <MessageView message={answered} side="response" {...common} />
          <BodyNote body={request.response.body} />
        </Panel>
      )}
    </>
  );
}

function BodyNote({ body }: { body: Body | undefined }) {
  if (!body?.truncated) return null;
  return <p class="note">{t("event.bodyCut", { n: bytesOf(body.bytes).length, total: body.total })}</p>;
}

function Score({ request }: { request: RequestEvidence }) {
  const sums = (["inbound", "outbound"] as const).flatMap((direction) => {
    const sum = arithmetic(request, direction);
    return sum ? [{ direction, ...sum }] : [];
  });
  if (sums.length === 0) return null;
  return (
    <Panel title={t("event.scoreTitle")}>
      {sums.map((sum) => (
        <div key={sum.direction} class="score">
          <table class="arithmetic">
            <caption>{t(`event.${sum.direction}`)}</caption>
            <tbody>
              {sum.contributions.map((one) => (
                <tr key={one.rule}>
                  <td class="number">+ {one.points}</td>
                  <td>
                    <code>{one.rule}</code> <Untrusted text={one.message} limit={120} />{" "}
                    <span class="note">
                      {t(hasText(`severity.${one.severity}`) ? `severity.${one.severity}` : "severity.info")}
                      {one.matches > 1 && ` × ${one.matches}`}
                      {one.paranoia !== undefined && ` · ${t("event.paranoia", { n: one.paranoia })}`}
                    </span>
                  </td>
                </tr>
              ))}
              {sum.sum !== sum.total && (
                <tr>
                  <td class="number">
                    {sum.total > sum.sum ? "+" : "−"} {Math.abs(sum.total - sum.sum)}
                  </td>
                  <td class="note">{t("event.unexplained")}</td>
                </tr>
              )}
              <tr class="total">
                <td class="number">= {sum.total}</td>
                <td>
                  {sum.threshold !== undefined &&
                    t(sum.total >= sum.threshold ? "event.reached" : "event.below", { n: sum.threshold })}
                </td>
              </tr>
            </tbody>
          </table>
          {sum.categories.length > 0 && (
            <p class="note">
              {t("event.byKind")} {visible(sum.categories.map(([kind, points]) => `${kind} ${points}`).join(", "))}
            </p>
          )}
        </div>
      ))}
      <p class="note">{t("event.scoreNote")}</p>
    </Panel>
  );
}

function Rest({ request }: { request: RequestEvidence }) {
  const { durations } = request;
  const phases = durations?.phases_us ?? [];
  return (
    <Panel title={t("event.rest")}>
      <dl class="facts">
        {durations && durations.total_us > 0 && (
          <>
            <Fact name="event.total">{microseconds(durations.total_us)}</Fact>
            {durations.upstream_us !== undefined && (
              <Fact name="event.upstreamTime">{microseconds(durations.upstream_us)}</Fact>
            )}
            {phases.some((phase) => phase > 0) && (
              <Fact name="event.phases">{phases.map(microseconds).join(" · ")}</Fact>
            )}
          </>
        )}
        {request.upstream !== undefined && (
          <Fact name="event.upstream">
            <code>
              <Untrusted text={request.upstream} limit={200} />
            </code>
          </Fact>
        )}
        {request.server !== undefined && (
          <Fact name="event.server">
            <code>
              <Untrusted text={request.server} limit={100} />
            </code>
          </Fact>
        )}
        <Fact name="event.engine">{t(`event.engines.${request.engine}`)}</Fact>
        <Fact name="event.notInspected">
          {request.not_inspected?.length ? (
            <ul>
              {request.not_inspected.map(({ what, bytes, protocol }) => (
                <li key={what}>
                  <Badge kind="warn">{uninspected(what)}</Badge>
                  {protocol !== undefined && (
                    <>
                      {" "}
                      <code>
                        <Untrusted text={protocol} limit={100} />
                      </code>
                    </>
                  )}
                  {bytes !== undefined && ` ${t("event.bytes", { n: bytes })}`}
                </li>
              ))}
            </ul>
          ) : (
            t(request.engine === "off" ? "event.nothingInspected" : "event.allInspected")
          )}
        </Fact>
        {request.faults?.length ? (
          <Fact name="event.faults">
            <ul>
              {request.faults.map((fault) => (
                <li key={fault}>
                  <Untrusted text={fault} limit={500} />
                </li>
              ))}
            </ul>
          </Fact>
        ) : null}
      </dl>
    </Panel>
  );
}

function uninspected(what: string): string {
  const key = `event.uninspected.${what}`;
  return hasText(key) ? t(key) : visible(what);
}

function microseconds(us: number): string {
  return us < 10_000 ? `${number(us)} µs` : `${number(Math.round(us / 1000))} ms`;
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
