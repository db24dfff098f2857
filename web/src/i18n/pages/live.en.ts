export default {
  title: "Live",
  keyPause: "Pause or go on",
  pause: "Pause",
  resume: "Go on ({n} held)",
  full: "Only the newest {n} are held while the page is paused.",
  list: "As a list",
  missed: "{n} {n|event|events} came too fast for this page. The list has them all.",
  none: "Nothing yet. Events appear here as they happen.",
  connecting: "connecting",
  connected: "connected",
  reconnecting: "connection lost, trying again",
  refused: "ended",
};
