export default {
  title: "Replay: what would change",
  running: "Stored events are judged anew …",
  progress: "{done} of {total} judged anew",
  failed: "The replay failed.",
  nowPass: "{n} stored {n|event|events} would now pass",
  slips: "{n} {n|attack|attacks} would slip through",
  stillBlocked: "{n} stay blocked",
  newlyBlocked: "{n} would newly be blocked",
  sample: "of {n} sampled requests that passed, {changed} would be blocked",
  slipping: "Would slip through",
  passing: "Would now pass",
  blocking: "Would newly be blocked",
  left:
    "Not judged: {truncated} with a body that was cut, {without} that no rule decides, {other} that were blocked once and pass by both rule sets.",
};
