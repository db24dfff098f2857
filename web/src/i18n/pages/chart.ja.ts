export default {
  role: "棒グラフ",
  hint: "ドラッグで拡大。キーボードでは矢印キーで棒を選び、Enter キーで拡大します。",
};
