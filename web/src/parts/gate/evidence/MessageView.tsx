// A request or a response as text, as hex, and decoded; matches are marked in each.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Button } from "../../../ui";
import type { Span } from "../../../bytes/bytes";
import { DecodedView } from "./DecodedView";
import type { Location } from "./locate";
import type { Message } from "./message";
import { folded, hexView, type Marked, marksOf, type Mark, textView } from "./view";
import { t } from "../texts";

export const VIEWS = ["text", "hex", "decoded"] as const;
export type View = (typeof VIEWS)[number];

interface Properties {
  message: Message;
  side: Location["side"];
  locations: Location[];
  view: View;
  /** The selected match. The view scrolls to its first bytes whenever `turn` changes. */
  chosen: number | undefined;
  turn: number;
}

/** Returns the bytes in a row of hex for the window's width. */
function rowBytes(): number {
  return matchMedia("(max-width: 45rem)").matches ? 8 : 16;
}

export function MessageView({ message, side, locations, view, chosen, turn }: Properties) {
  const [all, setAll] = useState(false);
  const element = useRef<HTMLDivElement>(null);
  const marks = useMemo(() => marksOf(locations, side), [locations, side]);
  const whole = { from: 0, to: message.windows[0]?.span.from ?? message.bytes.length };
  const shown = useMemo(() => (all ? [whole] : folded(whole, marks)), [all, marks, message]);
  useEffect(() => {
    if (chosen === undefined || locations[chosen]?.side !== side) return;
    const mark = element.current?.querySelector("mark.chosen");
    mark?.scrollIntoView({ block: "center", behavior: "smooth" });
  }, [chosen, turn, view]);
  if (view === "decoded") {
    return (
      <div ref={element} class="message">
        <DecodedView message={message} side={side} locations={locations} chosen={chosen} />
      </div>
    );
  }
  const last = shown[shown.length - 1]?.to ?? 0;
  return (
    <div ref={element} class="message">
      {shown.map((span, at) => (
        <>
          {at > 0 && <Gap bytes={span.from - (shown[at - 1]?.to ?? 0)} />}
          <Stretch key={`${span.from}-${span.to}-${view}`} message={message} span={span} view={view} marks={marks} chosen={chosen} />
        </>
      ))}
      {last < whole.to && <Gap bytes={whole.to - last} />}
      {message.windows.map(({ span, missing }) => (
        <>
          <p class="gap">{t("request.notStored", { n: missing })}</p>
          <Stretch key={`${span.from}-${view}`} message={message} span={span} view={view} marks={marks} chosen={chosen} />
        </>
      ))}
      {(shown.length > 1 || last < whole.to) && (
        <Button kind="quiet" onClick={() => setAll(true)}>
          {t("request.showAll", { n: whole.to })}
        </Button>
      )}
      {all && folded(whole, marks).length + whole.to > 5000 && (
        <Button kind="quiet" onClick={() => setAll(false)}>
          {t("request.fold")}
        </Button>
      )}
    </div>
  );
}

function Gap({ bytes }: { bytes: number }) {
  return <p class="gap">{t("request.notShown", { n: bytes })}</p>;
}

function Stretch({
  message,
  span,
  view,
  marks,
  chosen,
}: {
  message: Message;
  span: Span;
  view: "text" | "hex";
  marks: Mark[];
  chosen: number | undefined;
}) {
  const width = rowBytes();
  const pieces = useMemo(
    () => (view === "text" ? textView(message.bytes, span, marks) : hexView(message.bytes, span, width, marks)),
    [message, span.from, span.to, view, marks, width],
  );
  return (
    <pre class={`bytes ${view}`} dir="ltr">
      {pieces.map((piece) => (
        <Piece piece={piece} chosen={chosen} />
      ))}
    </pre>
  );
}

/** A piece of text: marked, an escape, or plain. */
export function Piece({ piece, chosen }: { piece: Marked; chosen: number | undefined }) {
  const text = piece.escape ? <span class="escape">{piece.text}</span> : piece.text;
  if (piece.marks.length === 0) return <>{text}</>;
  const isChosen = chosen !== undefined && piece.marks.includes(chosen);
  return (
    <mark class={isChosen ? "match chosen" : "match"} data-matches={piece.marks.join(" ")}>
      {text}
    </mark>
  );
}
