// Untrusted text. It becomes only text nodes; characters that are invisible or reverse the line become escapes.
import { type ComponentChildren } from "preact";

// C0 and C1 controls, soft hyphen, bidirectional and zero-width characters, line separators, tags, single surrogates
const HIDDEN =
  // eslint-disable-next-line no-control-regex
  /[\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\u{e0000}-\u{e0fff}\ud800-\udfff]/u;

/** Returns the escape of a hidden character: `\x1b`, `\u{202e}`. */
export function escapeOf(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  if (character === "\n") return "\\n";
  if (character === "\r") return "\\r";
  if (character === "\t") return "\\t";
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
}

/** Returns the text with hidden characters as escapes, for attributes such as `title` and for copying. */
export function visible(text: string): string {
  let written = "";
  for (const character of text) written += HIDDEN.test(character) ? escapeOf(character) : character;
  return written;
}

/** Untrusted text of at most `limit` characters. Escapes are marked, so that they differ from the same letters as typed text. */
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

/** Untrusted text of several lines. */
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
