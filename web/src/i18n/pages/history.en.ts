export default {
  title: "History",
  none: "Nothing was changed yet.",
  diff: "Difference",
  undo: "Undo",
  undone: "The change is undone",
  undoneBy: "undone by #{n}",
  allLines: "Show all {n} lines",
  keyDiff: "Shows the difference",
  keyUndo: "Undoes the selected change",
  noDiff: "The texts are no longer kept.",
  undoes: "takes back #{n}",
};
