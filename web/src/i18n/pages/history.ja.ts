export default {
  title: "変更履歴",
  none: "まだ変更はありません。",
  diff: "差分",
  undo: "元に戻す",
  undone: "変更を元に戻しました",
  undoneBy: "#{n} で取り消し済み",
  allLines: "全 {n} 行を表示",
  keyDiff: "差分を開閉",
  keyUndo: "選択中の変更を元に戻す",
  noDiff: "変更前後の内容は保存期間を過ぎました。",
  undoes: "#{n} の取り消し",
};
