export default {
  title: "再判定: 何が変わるか",
  running: "保存済みイベントを判定し直しています…",
  progress: "{total} 件中 {done} 件を再判定",
  failed: "再判定に失敗しました。",
  nowPass: "保存済みイベント {n} 件が通るようになります",
  slips: "すり抜ける攻撃 {n} 件",
  stillBlocked: "引き続き遮断 {n} 件",
  newlyBlocked: "新たに遮断 {n} 件",
  sample: "通過したリクエストの標本 {n} 件のうち {changed} 件が遮断されます",
  slipping: "すり抜けるもの",
  passing: "通るようになるもの",
  blocking: "新たに遮断されるもの",
  left:
    "未判定: 本文が途中までのもの {truncated} 件、ルールの対象外 {without} 件、過去に遮断され、どちらのルールでも通るもの {other} 件。",
};
