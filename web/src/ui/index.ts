// The blocks that pages are made of. web/README.md shows how; tests photograph all of them on one page (src/gallery).
export { Button, Checkbox, Choice, Field, Form, Input, Select, Toggle, errorText, useAction } from "./controls";
export { CopyButton, copyText } from "./copy";
export { Confirm, Dialog, DialogActions, toast } from "./dialog";
export { activeShortcuts, useKeys, type Shortcut, type Shortcuts } from "./keys";
export { Badge, OutcomeBadge, Severity, Time } from "./marks";
export { Menu } from "./menu";
export { Page, Panel } from "./page";
export { reversed } from "./diff";
export { Diff, Fact, Facts, Stat, Timeline, type Moment } from "./show";
export { Empty, Loading, Loads, Problem, Stale } from "./states";
export { Table, type Column, type Sort } from "./table";
export { Lines, Untrusted, escapeOf, visible } from "./untrusted";
