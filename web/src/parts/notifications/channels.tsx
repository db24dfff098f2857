// The state of the notification channels, and a test of each.
import { useState } from "preact/hooks";
import { type Channel, type Notices } from "../../api";
import { send, useLoad } from "../../api/client";
import { number } from "../../i18n";
import { mayTune } from "../../session";
import { Badge, Button, Empty, Fact, Facts, Loading, Page, Panel, Problem, Time, Untrusted, useAction } from "../../ui";
import type { PageProps } from "../part";
import { t } from "./texts";

export default function NoticesPage({ title }: PageProps) {
  const { data, error, reload } = useLoad<Notices>("/api/notices");
  return (
    <Page title={title} actions={<Button small onClick={reload}>{t("ui.refresh")}</Button>}>
      {error && <Problem error={error} retry={reload} />}
      {!data && !error && <Loading />}
      {data?.problem && <Problem error={t("channels.broken", { why: data.problem })} />}
      {data?.channels.length === 0 && (
        <Panel title={t("channels.none")}>
          <Empty>{t("channels.noneNote")}</Empty>
          <pre class="code">{'[[notify.slack]]\nname = "ops"\nurl_file = "/etc/monban/slack.url"'}</pre>
        </Panel>
      )}
      {data && (
        <div class="columns">
          {data.channels.map((channel) => (
            <ChannelPanel key={channel.name} channel={channel} onTested={reload} />
          ))}
        </div>
      )}
      {data && data.skipped_events > 0 && <p class="note">{t("channels.skipped", { n: data.skipped_events })}</p>}
    </Page>
  );
}

function state(channel: Channel): { kind: "good" | "bad" | "warn" | "plain"; text: string } {
  if (channel.failing_since) return { kind: "bad", text: t("channels.failing") };
  if (channel.sent === 0 && !channel.last_sent) return { kind: "plain", text: t("channels.untried") };
  if (channel.quiet_until) return { kind: "warn", text: t("channels.quiet") };
  return { kind: "good", text: t("channels.well") };
}

function ChannelPanel({ channel, onTested }: { channel: Channel; onTested: () => void }) {
  const [answer, setAnswer] = useState<{ ok: boolean; answer: string }>();
  const { busy, error, run } = useAction();
  const test = () =>
    run(async () => {
      setAnswer(undefined);
      setAnswer(await send("POST", `/api/notices/${encodeURIComponent(channel.name)}/test`));
      onTested();
    });
  const { kind, text } = state(channel);
  const facts: [string, preact.ComponentChildren][] = [
    [t("channels.sent"), number(channel.sent)],
    [t("channels.lastSent"), channel.last_sent ? <Time time={channel.last_sent} relative /> : t("channels.neverSent")],
    [t("channels.queued"), `${t("channels.notices", { n: channel.waiting })} · ${t("channels.digest", { n: channel.waiting_events })}`],
  ];
  if (channel.quiet_until) facts.push([t("channels.quietUntil"), <Time time={channel.quiet_until} />]);
  if (channel.failing_since) facts.push([t("channels.failingSince"), <Time time={channel.failing_since} relative />]);
  if (channel.next_try) facts.push([t("channels.nextTry"), <Time time={channel.next_try} relative />]);
  if (channel.failed_tries > 0) facts.push([t("channels.failedTries"), number(channel.failed_tries)]);
  if (channel.lost_notices > 0) {
    facts.push([t("channels.lost"), `${t("channels.notices", { n: channel.lost_notices })} · ${t("channels.lostEvents", { n: channel.lost_events })}`]);
  }
  return (
    <Panel
      title={
        <>
          {channel.name} <span class="muted">{channel.kind}</span>
        </>
      }
      actions={<Badge kind={kind}>{text}</Badge>}
    >
      {channel.last_error && (
        <p class="form-error">
          <Untrusted text={channel.last_error} />
        </p>
      )}
      <Facts>
        {facts.map(([name, value]) => (
          <Fact key={name} name={name}>
            {value}
          </Fact>
        ))}
      </Facts>
      {mayTune.value && (
        <div class="actions start">
          <Button busy={busy} onClick={() => void test()} aria-label={`${t("channels.test")}: ${channel.name}`}>
            {t("channels.test")}
          </Button>
        </div>
      )}
      <p class={answer?.ok ? "note" : "form-error"} role="status">
        {error ?? (answer && (answer.ok ? t("channels.testOk") : `${t("channels.testFailed")} ${answer.answer}`))}
      </p>
    </Panel>
  );
}
