// Text that strangers chose. It only ever becomes text nodes; what would be invisible or turn the line around is shown as escape.
import { type ComponentChildren } from "preact";

// C0 and C1 controls, soft hyphen, bidirectional and zero-width characters, line separators, tags, surrogates alone
const HIDDEN =
  // eslint-disable-next-line no-control-regex
  /[\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\u{e0000}-\u{e0fff}\ud800-\udfff]/u;

/** `\x1b`, `\u{202e}`: how a hidden character is written. */
export function escapeOf(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  if (character === "\n") return "\\n";
  if (character === "\r") return "\\r";
  if (character === "\t") return "\\t";
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
}

/** The text with hidden characters written as escapes, for attributes such as `title` and for copying. */
export function visible(text: string): string {
  let written = "";
  for (const character of text) written += HIDDEN.test(character) ? escapeOf(character) : character;
  return written;
}

/** The text of a stranger, of at most `limit` characters; escapes are marked so that they differ from the same letters typed. */
export function Untrusted({ text, limit = 2_000 }: { text: string; limit?: number }) {
  const parts: ComponentChildren[] = [];
  let plain = "";
  let count = 0;
  for (const character of text) {
    if (++count > limit) {
      plain += "…";
      break;
    }
    if (HIDDEN.test(character)) {
      if (plain) parts.push(plain);
      plain = "";
      parts.push(<span class="escape">{escapeOf(character)}</span>);
    } else plain += character;
  }
  if (plain) parts.push(plain);
  return <bdi class="untrusted">{parts}</bdi>;
}

/** Text with its line ends. */
export function Lines({ text, className }: { text: string; className: string }) {
  return (
    <pre class={className} dir="ltr">
      {text.split("\n").map((line, at) => (
        <>
          {at > 0 && "\n"}
          <Untrusted text={line} limit={5000} />
        </>
      ))}
    </pre>
  );
}
