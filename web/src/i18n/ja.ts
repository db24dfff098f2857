// 日本語。ページごとの文言はそれぞれのファイルにある。
import { type Texts } from "./index";
import type en from "./en";
import account from "./pages/account.ja";
import audit from "./pages/audit.ja";
import chart from "./pages/chart.ja";
import notices from "./pages/notices.ja";
import overview from "./pages/overview.ja";
import setup from "./pages/setup.ja";
import events from "./pages/events.ja";
import event from "./pages/event.ja";
import rule from "./pages/rule.ja";
import exclude from "./pages/exclude.ja";
import replay from "./pages/replay.ja";
import live from "./pages/live.ja";
import incidents from "./pages/incidents.ja";
import tuning from "./pages/tuning.ja";
import history from "./pages/history.ja";
import learning from "./pages/learning.ja";
import signin from "./pages/signin.ja";
import users from "./pages/users.ja";

const ja: Texts<typeof en> = {
  shell: {
    skip: "本文へ移動",
    menu: "メニュー",
    navigation: "ページ",
    look: "監視",
    tune: "調整",
    manage: "管理",
    language: "言語",
    theme: "配色",
    help: "キー操作",
    keyHelp: "キー操作の一覧を表示",
    signOut: "サインアウト",
    missing: "ページが見つかりません",
    forbidden: "このページを開くには{role}の役割が必要です(あなたの役割は{mine}です)。役割はオーナーが変更できます。",
    toOverview: "概要へ戻る",
    outdated: "monban が更新されました。ページを再読み込みしてください。",
  },
  theme: { system: "システムに合わせる", light: "ライト", dark: "ダーク" },
  role: { owner: "オーナー", analyst: "アナリスト", viewer: "閲覧者" },
  help: {
    title: "キー操作",
    enabled: "1文字のショートカットを使う",
    note: "Tab キーと Enter キーでもすべて操作できます。",
  },
  ui: {
    close: "閉じる",
    cancel: "キャンセル",
    save: "保存",
    remove: "削除",
    retry: "再試行",
    acknowledge: "確認済みにする",
    retrying: "このページは自動的に再試行します。",
    more: "さらに表示",
    loading: "読み込み中…",
    unreachable: "monban から応答がありません。稼働状況とネットワークを確認してください。",
    retryAfter: "{problem}{n} 秒後にもう一度お試しください。",
    copy: "コピー",
    copied: "コピーしました",
    never: "なし",
    select: "次の項目へ",
    selectBefore: "前の項目へ",
    open: "選択中の項目を開く",
  },
  action: { blocked: "遮断", detected: "検知", passed: "通過", refused: "拒否", failed: "失敗" },
  severity: {
    emergency: "緊急",
    alert: "警報",
    critical: "重大",
    error: "エラー",
    warning: "警告",
    notice: "注意",
    info: "情報",
    debug: "デバッグ",
  },
  account,
  audit,
  chart,
  notices,
  overview,
  setup,
  events,
  event,
  rule,
  exclude,
  replay,
  live,
  incidents,
  tuning,
  history,
  learning,
  signin,
  users,
};
export default ja;
