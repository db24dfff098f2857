export default {
  title: "ライブ",
  keyPause: "一時停止・再開",
  pause: "一時停止",
  resume: "再開（保留 {n} 件）",
  full: "一時停止中に保留されるのは最新の {n} 件だけです。",
  list: "一覧で見る",
  missed: "{n} 件は多すぎて表示できませんでした。一覧ではすべて確認できます。",
  none: "まだ何もありません。イベントが起きるとここに表示されます。",
  connecting: "接続中",
  connected: "接続済み",
  reconnecting: "切断されました。再接続しています",
  refused: "終了",
};
