export default {
  unknown: "このゲートのルールには見つかりません。",
  phase: "フェーズ {n}",
  excluded: "関係する除外 {n} 件",
};
