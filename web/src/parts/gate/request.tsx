// A request: request and response, the matches and their positions, and the calculation of the score.
import { useEffect, useMemo, useState } from "preact/hooks";
import type { EventProps } from "../part";
import { bytesOf } from "../../bytes/bytes";
import { Line } from "../../bytes/Line";
import { number } from "../../i18n";
import { Badge, Button, Choice, Fact, Panel, Facts, Severity, Untrusted, useKeys, visible } from "../../ui";
import { RuleText } from "../../ui/rule";
import { curl } from "./evidence/curl";
import { locateAll, type Location } from "./evidence/locate";
import { MessageView, type View, VIEWS } from "./evidence/MessageView";
import { requestMessage, responseMessage } from "./evidence/message";
import { type Body, type MatchedRule, type RequestEvidence, requestOf } from "./evidence/request";
import { groupMatches, type MatchGroup } from "./evidence/groups";
import { arithmetic } from "./evidence/score";
import { RequestNeighbours } from "./neighbours";
import { has, t } from "./texts";

export default function RequestView({ event, beside = false }: EventProps) {
  const request = requestOf(event);
  const rules = request?.rules ?? [];
  const locations = useMemo(() => locateAll(event), [event]);
  const groups = useMemo(() => groupMatches(rules), [event]);
  const order = useMemo(() => [...groups.deciding, ...groups.blocking].flatMap(({ matches }) => matches), [groups]);
  const [view, setView] = useState<View>("text");
  const [chosen, setChosen] = useState<number>();
  const [turn, setTurn] = useState(0);
  const command = useMemo(() => curl(event), [event]);
  const choose = (match: number): void => {
    setChosen(match);
    setTurn(turn + 1);
  };
  const move = (by: number): void => {
    const at = chosen === undefined ? -1 : order.indexOf(chosen);
    const next = order[at < 0 ? 0 : (at + by + order.length) % order.length];
    if (next !== undefined) choose(next);
  };
  useKeys({
    // beside a list, j and k move through the list
    [beside ? "]" : "j"]: { label: t("request.keyNext"), run: () => move(1) },
    [beside ? "[" : "k"]: { label: t("request.keyBefore"), run: () => move(-1) },
    v: { label: t("request.keyView"), run: () => setView(VIEWS[(VIEWS.indexOf(view) + 1) % VIEWS.length] ?? "text") },
  });
  if (!request) return null;
  const shown = { locations, chosen, turn };
  return (
    <>
      <div class="request-evidence">
        <RequestPanel request={request} view={view} onView={setView} {...shown} />
        {rules.length > 0 && (
          <Matches count={rules.length} rules={rules} groups={groups} locations={locations} chosen={chosen} onChoose={choose} />
        )}
        <ResponsePanel request={request} view={view} {...shown} />
      </div>
      {command && <CurlNotes left={command.left} cut={command.cut} redacted={command.redacted} />}
      <Score request={request} />
      <Rest request={request} />
      {!beside && <RequestNeighbours event={event} />}
    </>
  );
}

function CurlNotes({ left, cut, redacted }: { left: string[]; cut: boolean; redacted: boolean }) {
  const notes = [
    ...(redacted ? [t("request.curlRedacted")] : []),
    ...(cut ? [t("request.curlCut")] : []),
    ...(left.length > 0 ? [t("request.curlLeft", { n: left.length })] : []),
  ];
  return notes.length > 0 ? <p class="note">{notes.join(" ")}</p> : null;
}

/** Number of groups of matches listed before "show all". */
const LISTED = 50;

function Matches({
  count,
  rules,
  groups,
  locations,
  chosen,
  onChoose,
}: {
  count: number;
  rules: MatchedRule[];
  groups: { deciding: MatchGroup[]; blocking: MatchGroup[] };
  locations: Location[];
  chosen: number | undefined;
  onChoose: (match: number) => void;
}) {
  const [all, setAll] = useState(false);
  const [folded, setFolded] = useState(true);
  const { deciding, blocking } = groups;
  const within = (list: MatchGroup[]): boolean => chosen !== undefined && list.some(({ matches }) => matches.includes(chosen));
  const shown = all || within(deciding.slice(LISTED)) ? deciding : deciding.slice(0, LISTED);
  useEffect(() => {
    document.querySelector("li.match-line.selected")?.scrollIntoView({ block: "nearest" });
  }, [chosen]);
  const lines = (list: MatchGroup[]) => (
    <ol class="matches">
      {list.map((group) => (
        <MatchLine key={group.matches[0]} group={group} rules={rules} locations={locations} chosen={chosen} onChoose={onChoose} />
      ))}
    </ol>
  );
  return (
    <Panel title={t("request.matches", { n: count })}>
      {lines(shown)}
      {shown.length < deciding.length && (
        <Button kind="quiet" onClick={() => setAll(true)}>
          {t("request.allMatches", { n: count })}
        </Button>
      )}
      {blocking.length > 0 && (
        <details open={!folded || deciding.length === 0 || within(blocking)} onToggle={(change) => setFolded(!change.currentTarget.open)}>
          <summary>{t("request.blocking", { n: blocking.length })}</summary>
          {lines(blocking)}
        </details>
      )}
    </Panel>
  );
}

/** The matches of one rule in one place; the button chooses the next of them. */
function MatchLine({
  group,
  rules,
  locations,
  chosen,
  onChoose,
}: {
  group: MatchGroup;
  rules: MatchedRule[];
  locations: Location[];
  chosen: number | undefined;
  onChoose: (match: number) => void;
}) {
  const [open, setOpen] = useState(false);
  const [first = 0] = group.matches;
  const place = chosen === undefined ? -1 : group.matches.indexOf(chosen);
  const at = place < 0 ? first : (group.matches[place] ?? first);
  const rule = rules[at];
  if (!rule) return null;
  const n = group.matches.length;
  return (
    <li class={place >= 0 ? "match-line selected" : "match-line"}>
      <button
        type="button"
        class="match-choice"
        aria-pressed={place >= 0}
        onClick={() => onChoose(group.matches[(place + 1) % n] ?? first)}
      >
        <span class="match-head">
          {rule.severity && <Severity severity={rule.severity} />}
          <code class="match-rule">{rule.id}</code>
          <Line bytes={bytesOf(rule.message).subarray(0, 300)} />
          {n > 1 && <Badge>{place >= 0 ? `${number(place + 1)} / ${number(n)}` : `× ${number(n)}`}</Badge>}
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
        <Button kind="quiet" small aria-expanded={open} onClick={() => setOpen(!open)}>
          {t("request.rule")}
        </Button>
      )}
      {open && <RuleText id={rule.id} matched={rule} />}
    </li>
  );
}

/** The reason why a mark is not exactly the matching bytes. */
function Certainty({ location }: { location: Location | undefined }) {
  if (!location || location.certainty === "bytes") return null;
  return <span class="note">{t(`request.certainty.${location.certainty}`)}</span>;
}

interface MessageProps {
  request: RequestEvidence;
  locations: Location[];
  view: View;
  chosen: number | undefined;
  turn: number;
}

function RequestPanel({ request, onView, ...shown }: MessageProps & { onView: (view: View) => void }) {
  const message = useMemo(() => requestMessage(request), [request]);
  const tabs = (
    <Choice
      label={t("request.view")}
      options={VIEWS.map((value) => ({ value, label: t(`request.views.${value}`) }))}
      value={shown.view}
      onValue={onView}
    />
  );
  return (
    <Panel title={t("request.request")} actions={tabs}>
      <MessageView message={message} side="request" {...shown} />
      <BodyNote body={request.body} />
      {request.omitted && <p class="note">{t("request.omitted", { ...request.omitted })}</p>}
    </Panel>
  );
}

function ResponsePanel({ request, ...shown }: MessageProps) {
  const message = useMemo(() => request.response && responseMessage(request.response), [request]);
  if (!request.response || !message) return null;
  return (
    <Panel title={t("request.response")}>
      <MessageView message={message} side="response" {...shown} />
      <BodyNote body={request.response.body} />
    </Panel>
  );
}

function BodyNote({ body }: { body: Body | undefined }) {
  if (!body?.truncated) return null;
  const n = [body, ...(body.windows ?? [])].reduce((sum, { bytes }) => sum + bytesOf(bytes).length, 0);
  return <p class="note">{t("request.bodyCut", { n, total: body.total })}</p>;
}

function Score({ request }: { request: RequestEvidence }) {
  const sums = (["inbound", "outbound"] as const).flatMap((direction) => {
    const sum = arithmetic(request, direction);
    return sum ? [{ direction, ...sum }] : [];
  });
  if (sums.length === 0) return null;
  return (
    <Panel title={t("request.scoreTitle")}>
      {sums.map((sum) => (
        <div key={sum.direction} class="score">
          <table class="arithmetic">
            <caption>{t(`request.${sum.direction}`)}</caption>
            <tbody>
              {sum.contributions.map((one) => (
                <tr key={one.rule}>
                  <td class="number">+ {one.points}</td>
                  <td>
                    <code>{one.rule}</code> <Untrusted text={one.message} limit={120} />{" "}
                    <span class="note">
                      {t(has(`severity.${one.severity}`) ? `severity.${one.severity}` : "severity.info")}
                      {one.matches > 1 && ` × ${one.matches}`}
                      {one.paranoia !== undefined && ` · ${t("request.paranoia", { n: one.paranoia })}`}
                    </span>
                  </td>
                </tr>
              ))}
              {sum.sum !== sum.total && (
                <tr>
                  <td class="number">
                    {sum.total > sum.sum ? "+" : "−"} {Math.abs(sum.total - sum.sum)}
                  </td>
                  <td class="note">{t("request.unexplained")}</td>
                </tr>
              )}
              <tr class="total">
                <td class="number">= {sum.total}</td>
                <td>
                  {sum.threshold !== undefined &&
                    t(sum.total >= sum.threshold ? "request.reached" : "request.below", { n: sum.threshold })}
                </td>
              </tr>
            </tbody>
          </table>
          {sum.categories.length > 0 && (
            <p class="note">
              {t("request.byKind")} {visible(sum.categories.map(([kind, points]) => `${kind} ${points}`).join(", "))}
            </p>
          )}
        </div>
      ))}
      <p class="note">{t("request.scoreNote")}</p>
    </Panel>
  );
}

function Rest({ request }: { request: RequestEvidence }) {
  const { durations } = request;
  const phases = durations?.phases_us ?? [];
  return (
    <Panel title={t("request.rest")}>
      <Facts>
        {durations && durations.total_us > 0 && (
          <>
            <Fact name={t("request.total")}>{microseconds(durations.total_us)}</Fact>
            {durations.upstream_us !== undefined && (
              <Fact name={t("request.upstreamTime")}>{microseconds(durations.upstream_us)}</Fact>
            )}
            {phases.some((phase) => phase > 0) && (
              <Fact name={t("request.phases")}>{phases.map(microseconds).join(" · ")}</Fact>
            )}
          </>
        )}
        {request.upstream !== undefined && (
          <Fact name={t("request.upstream")}>
            <code>
              <Untrusted text={request.upstream} limit={200} />
            </code>
          </Fact>
        )}
        {request.server !== undefined && (
          <Fact name={t("request.server")}>
            <code>
              <Untrusted text={request.server} limit={100} />
            </code>
          </Fact>
        )}
        <Fact name={t("request.engine")}>{t(`request.engines.${request.engine}`)}</Fact>
        <Fact name={t("request.notInspected")}>
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
                  {bytes !== undefined && ` ${t("request.bytes", { n: bytes })}`}
                </li>
              ))}
            </ul>
          ) : (
            request.engine === "off" ? t("request.nothingInspected") : "–"
          )}
        </Fact>
        {request.faults?.length ? (
          <Fact name={t("request.faults")}>
            <ul>
              {request.faults.map((fault) => (
                <li key={fault}>
                  <Untrusted text={fault} limit={500} />
                </li>
              ))}
            </ul>
          </Fact>
        ) : null}
      </Facts>
    </Panel>
  );
}

function uninspected(what: string): string {
  const key = `request.uninspected.${what}`;
  return has(key) ? t(key) : visible(what);
}

function microseconds(us: number): string {
  return us < 10_000 ? `${number(us)} µs` : `${number(Math.round(us / 1000))} ms`;
}

