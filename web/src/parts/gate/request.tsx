// A request: request and response, the matches and their positions, and the calculation of the score.
import { useEffect, useMemo, useState } from "preact/hooks";
import type { EventProps } from "../part";
import { bytesOf } from "../../bytes/bytes";
import { Line } from "../../bytes/Line";
import { number } from "../../i18n";
import { Badge, Button, Fact, Panel, SeverityBadge, Untrusted, useKeys, visible } from "../../ui";
import { RuleText } from "../../ui/rule";
import { curl } from "./evidence/curl";
import { locateAll, type Location } from "./evidence/locate";
import { MessageView, type View, VIEWS } from "./evidence/MessageView";
import { requestMessage, responseMessage } from "./evidence/message";
import { type Body, type MatchedRule, type RequestEvidence, requestOf } from "./evidence/request";
import { arithmetic } from "./evidence/score";
import { RequestNeighbours } from "./neighbours";
import { has, t } from "./texts";

export default function RequestView({ event }: EventProps) {
  const request = requestOf(event);
  const rules = request?.rules ?? [];
  const locations = useMemo(() => locateAll(event), [event]);
  const [view, setView] = useState<View>("text");
  const [chosen, setChosen] = useState<number>();
  const [turn, setTurn] = useState(0);
  const command = useMemo(() => curl(event), [event]);
  const choose = (match: number): void => {
    setChosen(match);
    setTurn(turn + 1);
  };
  const move = (by: number): void => {
    if (rules.length > 0) choose(chosen === undefined ? 0 : (chosen + by + rules.length) % rules.length);
  };
  useKeys({
    j: { label: t("request.keyNext"), run: () => move(1) },
    k: { label: t("request.keyBefore"), run: () => move(-1) },
    v: { label: t("request.keyView"), run: () => setView(VIEWS[(VIEWS.indexOf(view) + 1) % VIEWS.length] ?? "text") },
  });
  if (!request) return null;
  return (
    <>
      {command && <CurlNotes left={command.left} cut={command.cut} redacted={command.redacted} />}
      {rules.length > 0 && <Matches rules={rules} locations={locations} chosen={chosen} onChoose={choose} />}
      <Messages request={request} locations={locations} view={view} onView={setView} chosen={chosen} turn={turn} />
      <Score request={request} />
      <Rest request={request} />
      <RequestNeighbours event={event} />
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

/** Number of matches listed before "show all". */
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
    <Panel title={t("request.matches", { n: rules.length })}>
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
                {t("request.rule")}
              </Button>
            )}
            {open === at && <RuleText id={rule.id} matched={rule} />}
          </li>
        ))}
      </ol>
      {shown.length < rules.length && (
        <Button kind="quiet" onClick={() => setAll(true)}>
          {t("request.allMatches", { n: rules.length })}
        </Button>
      )}
    </Panel>
  );
}

/** The reason why a mark is not exactly the matching bytes. */
function Certainty({ location }: { location: Location | undefined }) {
  if (!location || location.certainty === "bytes") return null;
  return <span class="note">{t(`request.certainty.${location.certainty}`)}</span>;
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
    <div class="views" role="group" aria-label={t("request.view")}>
      {VIEWS.map((one) => (
        <button key={one} type="button" class="button small" aria-pressed={one === view} onClick={() => onView(one)}>
          {t(`request.views.${one}`)}
        </button>
      ))}
    </div>
  );
  const common = { locations, view, chosen, turn };
  return (
    <>
      <Panel title={t("request.request")} actions={tabs}>
        <MessageView message={asked} side="request" {...common} />
        <BodyNote body={request.body} />
      </Panel>
      {request.omitted && <p class="note">{t("request.omitted", { ...request.omitted })}</p>}
      {request.response && answered && (
        <Panel title={t("request.response")}>
          <MessageView message={answered} side="response" {...common} />
          <BodyNote body={request.response.body} />
        </Panel>
      )}
    </>
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
      <dl class="facts">
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
      </dl>
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

