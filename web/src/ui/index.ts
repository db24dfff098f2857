// Components that pages use.
export { Button, Checkbox, Field, Form, Input, Select, errorText, useAction } from "./controls";
export { Confirm, Dialog, DialogActions, toast } from "./dialog";
export { activeShortcuts, useKeys, type Shortcut, type Shortcuts } from "./keys";
export { OutcomeBadge, Badge, Empty, Fact, Loading, Page, Panel, Problem, SeverityBadge, Time } from "./page";
export { Table, type Column } from "./table";
export { Lines, Untrusted, escapeOf, visible } from "./untrusted";
