// 日本語の文言。
import type { Texts } from "../../i18n";
import type en from "./texts.en";

const ja: Texts<typeof en> = {
  channels: {
    broken: "通知が正常に動作していません: {why}",
    none: "通知先がまだありません",
    noneNote: "通知先は設定ファイルに追加します（docs/user/notices.md を参照）。Slack の最小構成:",
    well: "正常",
    failing: "送信失敗",
    untried: "未確認",
    quiet: "通知停止中",
    sent: "送信済み",
    lastSent: "最終送信",
    neverSent: "未送信",
    queued: "送信待ち",
    notices: "通知 {n} 件",
    digest: "次回のまとめ: イベント {n} 件",
    quietUntil: "停止の終了時刻",
    failingSince: "失敗開始",
    nextTry: "次回の再送",
    failedTries: "失敗回数",
    lost: "失われた通知",
    lostEvents: "イベント {n} 件",
    skipped: "到着が遅れたため、イベント {n} 件は通知されませんでした。",
    test: "テスト送信",
    testOk: "テストを送信しました。",
    testFailed: "送信できませんでした:",
  },
};
export default ja;
