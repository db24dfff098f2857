// The gallery: every block in each of its states, on one page that only tests and docs build (tests/browser/gallery.mjs).
import { render } from "preact";
import { useState } from "preact/hooks";
import { ApiError } from "../api/client";
import { type Finding } from "../api";
import { language, type Bilingual, say, startLanguage } from "../i18n";
import { setProperties } from "../query/properties";
import { type Condition } from "../query/query";
import { startRouter } from "../router";
import { session } from "../session";
import { startTheme } from "../theme";
import {
  Badge,
  Button,
  Checkbox,
  Choice,
  Confirm,
  CopyButton,
  Diff,
  Empty,
  Fact,
  Facts,
  Form,
  Input,
  Loading,
  OutcomeBadge,
  Page,
  Panel,
  Problem,
  Select,
  Severity,
  type Sort,
  Stale,
  Stat,
  Table,
  Time,
  Timeline,
  Toggle,
} from "../ui";
import { FilterBar } from "../ui/filter/FilterBar";
import { FindingCard } from "../ui/finding";
import { Histogram, Legend } from "../ui/histogram";
import { startKeys } from "../ui/keys";
import { SidePanel } from "../ui/panel";
import { type RangeName, RangePicker } from "../ui/range";
import { type Column, Grid } from "../ui/table";

const two = (en: string, ja: string): Bilingual => ({ en, ja });
const TEXTS = {
  title: two("Blocks", "部品一覧"),
  buttons: two("Buttons and fields", "ボタンと入力欄"),
  save: two("Save changes", "変更を保存"),
  test: two("Send test", "テスト送信"),
  more: two("Learn more", "詳しく"),
  remove: two("Remove", "削除"),
  name: two("Channel name", "通知先の名前"),
  help: two("Shown in every notification.", "すべての通知に表示されます。"),
  taken: two("This name is taken.", "この名前は使われています。"),
  toggle: two("Weekly digest", "週次のまとめ"),
  check: two("Share with everyone", "全員と共有する"),
  confirm: two("Remove the channel “ops”?", "通知先「ops」を削除しますか？"),
  follows: two("2 queued notifications are dropped. This can't be undone.", "送信待ちの通知 2 件は破棄されます。元に戻せません。"),
  states: two("States", "状態"),
  empty: two("No channels yet. Notifications begin with the first one.", "通知先がまだありません。追加すると通知が始まります。"),
  add: two("Add channel", "通知先を追加"),
  failed: two("the store is locked", "ストアがロックされています"),
  stale: two("12 new events", "新しいイベント 12 件"),
  stats: two("Tiles and histogram", "数値と推移"),
  blocked: two("Blocked", "遮断"),
  detected: two("Detected only", "検知のみ"),
  reached: two("Attacks not blocked", "遮断されずサイトに届いた攻撃"),
  requests: two("Requests", "リクエスト"),
  table: two("Table and side panel", "表と詳細パネル"),
  time: two("Time", "時刻"),
  outcome: two("Outcome", "結果"),
  client: two("Actor", "主体"),
  what: two("Event", "内容"),
  score: two("Score", "スコア"),
  users: two("Short table", "短い表"),
  facts: two("Facts, timeline, changes", "属性・経過・差分"),
  subject: two("Subject", "対象"),
  filter: two("Filter bar", "絞り込み"),
  finding: two("Finding", "検出された問題"),
};

interface Row {
  id: number;
  time: string;
  outcome: string;
  severity: string;
  client: string;
  what: string;
  score: number;
}

const BEGIN = Date.parse("2026-11-30T12:00:00Z");
/** Returns the events of a long list, without randomness. */
function rowsOf(count: number): Row[] {
  const paths = ["/search?q=%3Cscript%3Ealert(1)", "/products?id=1%27%20OR%20%271", "/download?file=../../etc/passwd", "/wp-login.php"];
  return Array.from({ length: count }, (_, id) => ({
    id,
    time: new Date(BEGIN - id * 240_000).toISOString(),
    outcome: id % 7 === 3 ? "detected" : id % 11 === 5 ? "accepted" : "blocked",
    severity: id % 11 === 5 ? "notice" : id % 5 === 2 ? "warning" : "critical",
    client: `203.0.113.${id % 250}`,
    what: `GET ${paths[id % paths.length]}`,
    score: 5 * (1 + (id % 4)),
  }));
}

const FINDING: Finding = {
  code: "notifications.channel_fails",
  severity: "error",
  subject: "ops",
  evidence: { why: "HTTP 404", waiting: 2 },
  title: two("Channel “ops” is failing", "通知先「ops」への送信失敗"),
  cause: two("The last delivery failed: HTTP 404.", "直近の送信に失敗しました: HTTP 404。"),
  cure: two("Check url_file of the channel, then send a test.", "通知先の url_file を確認し、テストを送信してください。"),
  undo: two("Restore the former file.", "元のファイルに戻してください。"),
  lasting: false,
};

function Events({ rows, panel }: { rows: readonly Row[]; panel: boolean }) {
  const [selected, setSelected] = useState<number | undefined>(panel ? 2 : undefined);
  const [open, setOpen] = useState(panel);
  const columns: Column<Row>[] = [
    { name: "time", title: say(TEXTS.time), width: "6rem", cell: ({ time }) => <Time time={time} short /> },
    {
      name: "outcome",
      title: say(TEXTS.outcome),
      width: "9rem",
      cell: ({ severity, outcome, id }) => (
        <>
          <Severity severity={severity} /> <OutcomeBadge outcome={outcome} reached={id % 14 === 3} />
        </>
      ),
    },
    { name: "client", title: say(TEXTS.client), width: "10rem", cell: ({ client }) => <code>{client}</code> },
    { name: "what", title: say(TEXTS.what), kind: "wide", cell: ({ what }) => <code>{what}</code> },
    { name: "score", title: say(TEXTS.score), kind: "number", width: "6rem", sorts: true, cell: ({ score }) => score },
  ];
  const at = rows.findIndex(({ id }) => id === selected);
  const move = (by: number) => setSelected(rows[at + by]?.id);
  return (
    <div class={open ? "beside" : ""}>
      <Grid
        caption={say(TEXTS.table)}
        columns={open ? columns.filter(({ name }) => name !== "score") : columns}
        rows={rows}
        rowKey={({ id }) => id}
        selected={selected}
        onSelect={({ id }) => setSelected(id)}
        onOpen={({ id }) => {
          setSelected(id);
          setOpen(true);
        }}
        group={({ time }) => time.slice(0, 10)}
        rowClass={() => "event-row"}
      />
      {open && rows[at] && (
        <SidePanel
          title={rows[at].what}
          href={`#${selected}`}
          onClose={() => setOpen(false)}
          onBefore={at > 0 ? () => move(-1) : undefined}
          onNext={at < rows.length - 1 ? () => move(1) : undefined}
        >
          <p>
            <Severity severity={rows[at].severity} word /> <OutcomeBadge outcome={rows[at].outcome} />{" "}
            <Time time={rows[at].time} />
          </p>
          <pre class="bytes text">{`${rows[at].what} HTTP/1.1\nHost: shop.example.org\n`}</pre>
        </SidePanel>
      )}
    </div>
  );
}

function Blocks() {
  const [name, setName] = useState("ops");
  const [role, setRole] = useState<"viewer" | "owner">("viewer");
  const [on, setOn] = useState(true);
  const [checked, setChecked] = useState(true);
  const [view, setView] = useState<"text" | "hex">("text");
  const [range, setRange] = useState<RangeName | undefined>("24h");
  const [asking, setAsking] = useState(false);
  const [conditions, setConditions] = useState<Condition[]>([
    { property: "outcome", value: "blocked", inverted: false },
    { property: "client", value: "192.0.2.0/24", inverted: true },
  ]);
  const [sort, setSort] = useState<Sort>({ name: "score", down: true });
  const hours = Array.from({ length: 24 }, (_, at) => BEGIN / 1000 - (24 - at) * 3600);
  const layers = [
    { label: say(TEXTS.reached), fill: "bad" as const, values: hours.map((_, at) => (at % 6 === 2 ? 3 : 0)) },
    { label: say(TEXTS.blocked), fill: "neutral" as const, values: hours.map((_, at) => 8 + ((at * 7) % 13) + (at === 17 ? 30 : 0)) },
    { label: say(TEXTS.detected), fill: "warn" as const, values: hours.map((_, at) => (at * 5) % 6) },
  ];
  const short = rowsOf(4).toSorted((a, b) => (sort.down ? b.score - a.score : a.score - b.score));
  return (
    <Page
      title={say(TEXTS.title)}
      actions={
        <RangePicker
          ranges={["1h", "24h", "7d"]}
          chosen={range}
          custom={{ since: new Date(BEGIN - 3_600_000), until: new Date(BEGIN) }}
          onRange={setRange}
          onCustom={() => setRange(undefined)}
        />
      }
    >
      <div class="columns">
        <Panel title={say(TEXTS.buttons)}>
          <div class="actions start">
            <Button kind="primary">{say(TEXTS.save)}</Button>
            <Button>{say(TEXTS.test)}</Button>
            <Button kind="quiet">{say(TEXTS.more)}</Button>
            <Button kind="danger" onClick={() => setAsking(true)}>
              {say(TEXTS.remove)}
            </Button>
            <Button kind="primary" busy>
              {say(TEXTS.save)}
            </Button>
          </div>
          <Form onSubmit={() => undefined}>
            <Input label={say(TEXTS.name)} help={say(TEXTS.help)} value={name} onValue={setName} />
            <Input label={say(TEXTS.name)} error={say(TEXTS.taken)} value={name} onValue={setName} />
            <Select
              label={say(TEXTS.client)}
              value={role}
              onValue={setRole}
              options={[
                { value: "viewer", label: "viewer" },
                { value: "owner", label: "owner" },
              ]}
            />
            <Checkbox label={say(TEXTS.check)} checked={checked} onChecked={setChecked} />
            <Toggle label={say(TEXTS.toggle)} on={on} onChange={setOn} />
          </Form>
          <Choice
            label={say(TEXTS.outcome)}
            value={view}
            onValue={setView}
            options={[
              { value: "text", label: "Text" },
              { value: "hex", label: "Hex" },
            ]}
          />
        </Panel>
        <Panel title={say(TEXTS.states)}>
          <Loading />
          <Empty action={<Button>{say(TEXTS.add)}</Button>}>{say(TEXTS.empty)}</Empty>
          <Problem error={new ApiError(500, say(TEXTS.failed))} retry={() => undefined} />
          <Stale onRefresh={() => undefined}>{say(TEXTS.stale)}</Stale>
          <p>
            <Badge>plain</Badge> <Badge kind="good">good</Badge> <Badge kind="warn">warn</Badge> <Badge kind="bad">bad</Badge>{" "}
            <CopyButton text="copied" label={say(TEXTS.more)} />
          </p>
        </Panel>
      </div>
      <Panel title={say(TEXTS.stats)} actions={<Legend layers={layers} />}>
        <ul class="stats">
          <Stat label={say(TEXTS.requests)} value={48_210} before={43_100} />
          <Stat label={say(TEXTS.blocked)} value={312} before={420} href="#blocked" />
          <Stat label={say(TEXTS.detected)} value={40} before={40} partial />
          <Stat label={say(TEXTS.reached)} value={3} before={0} kind="bad" />
          <Stat label={say(TEXTS.reached)} value={0} before={0} kind="good" />
          <Stat label={say(TEXTS.requests)} value={null} />
        </ul>
        <Histogram label={say(TEXTS.stats)} times={hours} step={3600} layers={layers} onSpan={() => setRange(undefined)} />
      </Panel>
      <Panel title={say(TEXTS.filter)}>
        <FilterBar conditions={conditions} onConditions={setConditions} known={{}} />
      </Panel>
      <Panel title={say(TEXTS.users)}>
        <Table
          caption={say(TEXTS.users)}
          rows={short}
          rowKey={({ id }) => id}
          selected={1}
          sort={sort}
          onSort={setSort}
          columns={[
            { title: say(TEXTS.time), cell: ({ time }) => <Time time={time} /> },
            { title: say(TEXTS.outcome), cell: ({ outcome }) => <OutcomeBadge outcome={outcome} /> },
            { title: say(TEXTS.client), kind: "code", cell: ({ client }) => client },
            { title: say(TEXTS.score), name: "score", kind: "number", sorts: true, cell: ({ score }) => score },
          ]}
        />
      </Panel>
      <div class="columns">
        <Panel title={say(TEXTS.facts)}>
          <Facts>
            <Fact name={say(TEXTS.subject)}>shop.example.org</Fact>
            <Fact name={say(TEXTS.client)}>
              <code>203.0.113.7</code>
            </Fact>
            <Fact name={say(TEXTS.score)}>15</Fact>
          </Facts>
          <Timeline
            moments={rowsOf(3).map(({ id, time, what, outcome }) => ({
              key: String(id),
              time,
              href: `#${id}`,
              kind: outcome === "detected" ? "warn" : "good",
              content: what,
            }))}
          />
          <Diff text={"@@ -1,2 +1,2 @@\n # exclusions\n-SecRuleRemoveById 941100\n+SecRuleUpdateTargetById 941100 !ARGS:comment\n"} />
        </Panel>
        <section>
          <FindingCard finding={FINDING} page={{ path: "#page", title: say(TEXTS.test) }} />
        </section>
      </div>
      <h2>{say(TEXTS.table)}</h2>
      <Events rows={rowsOf(16)} panel />
      {asking && (
        <Confirm title={say(TEXTS.confirm)} action={say(TEXTS.remove)} onClose={() => setAsking(false)} onConfirm={async () => undefined}>
          <p>{say(TEXTS.follows)}</p>
        </Confirm>
      )}
    </Page>
  );
}

/** The table alone, with as many rows as the address says: `?rows=100000`. */
function Long({ count }: { count: number }) {
  const [rows] = useState(() => rowsOf(count));
  return (
    <Page title={say(TEXTS.title)} wide>
      <Events rows={rows} panel={false} />
    </Page>
  );
}

startTheme();
startRouter();
startKeys();
session.value = { user: "ada", role: "owner", csrf: "", second_factor: true, passkeys: 0 } as NonNullable<typeof session.value>;
setProperties(["outcome", "client"].map((name) => ({ name, type: name === "client" ? "network" : "text", gates: [], help: name, words: [], seen: true })));
void startLanguage().then(() => {
  document.documentElement.lang = language.value;
  const count = Number(new URLSearchParams(location.search).get("rows"));
  render(<main class="main">{count > 0 ? <Long count={count} /> : <Blocks />}</main>, document.body);
});
