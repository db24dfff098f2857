// Bytes as one line of text.
import { pieces } from "./visible";

/** Untrusted bytes in one line. */
export function Line({ bytes }: { bytes: Uint8Array }) {
  return (
    <bdi class="untrusted">
      {pieces(bytes, { from: 0, to: bytes.length }, [], false).map(({ text, escape }) =>
        escape ? <span class="escape">{text}</span> : text,
      )}
    </bdi>
  );
}
