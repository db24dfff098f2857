// English. Each page's texts are in a file of its own.
import account from "./pages/account.en";
import audit from "./pages/audit.en";
import chart from "./pages/chart.en";
import notices from "./pages/notices.en";
import overview from "./pages/overview.en";
import setup from "./pages/setup.en";
import events from "./pages/events.en";
import event from "./pages/event.en";
import rule from "./pages/rule.en";
import exclude from "./pages/exclude.en";
import replay from "./pages/replay.en";
import live from "./pages/live.en";
import incidents from "./pages/incidents.en";
import tuning from "./pages/tuning.en";
import history from "./pages/history.en";
import learning from "./pages/learning.en";
import signin from "./pages/signin.en";
import users from "./pages/users.en";

export default {
  shell: {
    skip: "Skip to the content",
    menu: "Menu",
    navigation: "Pages",
    look: "Look",
    tune: "Tune",
    manage: "Manage",
    language: "Language",
    theme: "Colours",
    help: "Keys",
    keyHelp: "Shows these keys",
    signOut: "Sign out",
    missing: "There is no such page",
    forbidden: "This page takes the role {role}; yours is {mine}. An owner can change that.",
    toOverview: "To the overview",
    outdated: "monban was updated in the meantime. Load the page again.",
  },
  theme: { system: "As the system", light: "Light", dark: "Dark" },
  role: { owner: "owner", analyst: "analyst", viewer: "viewer" },
  help: {
    title: "Keys",
    enabled: "Keys of one character work",
    note: "Tab and Enter reach everything, too.",
  },
  ui: {
    close: "Close",
    cancel: "Cancel",
    save: "Save",
    remove: "Remove",
    retry: "Try again",
    acknowledge: "Acknowledge",
    retrying: "This page asks again by itself.",
    more: "More",
    loading: "One moment …",
    unreachable: "monban does not answer. Is it running, and does the network reach it?",
    retryAfter: "{problem}; try again in {n} {n|second|seconds}",
    copy: "Copy",
    copied: "Copied",
    never: "never",
    select: "Next",
    selectBefore: "Previous",
    open: "Opens the selected one",
  },
  action: { blocked: "blocked", detected: "detected", passed: "passed", refused: "refused", failed: "failed" },
  severity: {
    emergency: "emergency",
    alert: "alert",
    critical: "critical",
    error: "error",
    warning: "warning",
    notice: "notice",
    info: "info",
    debug: "debug",
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
