// Unified differences as text.

/** Returns the difference that takes a difference back. */
export function reversed(diff: string): string {
  const lines = diff.split("\n").map((line) => {
    const hunk = /^@@ -(\S+) \+(\S+) @@(.*)$/.exec(line);
    if (hunk) return `@@ -${hunk[2]} +${hunk[1]} @@${hunk[3]}`;
    // the names of the two files stay where they are
    if (/^(\+\+\+|---) /.test(line)) return line;
    return line.startsWith("+") ? `-${line.slice(1)}` : line.startsWith("-") ? `+${line.slice(1)}` : line;
  });
  // what goes stands before what comes
  const sorted: string[] = [];
  let added: string[] = [];
  for (const line of lines) {
    if (line.startsWith("+") && !line.startsWith("+++ ")) added.push(line);
    else if (line.startsWith("-") && !line.startsWith("--- ")) sorted.push(line);
    else {
      sorted.push(...added, line);
      added = [];
    }
  }
  return [...sorted, ...added].join("\n");
}
