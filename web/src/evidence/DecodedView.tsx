// What the bytes of a message mean: names and values without their escapes.
import { useMemo, useState } from "preact/hooks";
import { t } from "../i18n";
import { Button, Untrusted } from "../ui";
import { byteAt, Mapped, textOf } from "./bytes";
import { type BodyKind, decoded, type Field } from "./fields";
import type { Location } from "./locate";
import { headerText, type Message, part } from "./message";
import { Piece } from "./MessageView";
import { base64Decode } from "./transformations";
import { type Marked, marksOf, type Mark } from "./view";
import { pieces } from "./visible";

/** Bytes of a value that are shown before "show all". */
const FOLDED = 2000;

export function DecodedView({
  message,
  side,
  locations,
  chosen,
}: {
  message: Message;
  side: Location["side"];
  locations: Location[];
  chosen: number | undefined;
}) {
  const found = useMemo(() => decoded(message), [message]);
  const marks = useMemo(() => marksOf(locations, side), [locations, side]);
  const headers = useMemo(
    () => message.headers.map(({ name, value }) => ({ name: Mapped.of(message.bytes, name), value: Mapped.of(message.bytes, value) })),
    [message],
  );
  const body = message.body && part(message, message.body);
  const bodyFields = side === "request" ? (found.kind === "multipart" ? found.parts : found.body) : [];
  const groups: [BodyKind | "query" | "cookies" | "headers", Field[]][] = [
    ["query", side === "request" ? found.query : []],
    ["cookies", side === "request" ? found.cookies : []],
    [found.kind, bodyFields],
    ["headers", headers],
  ];
  const pretty = useMemo(() => prettyJson(message), [message]);
  const shownGroups = groups.filter(([, fields]) => fields.length > 0);
  return (
    <>
      {shownGroups.map(([name, fields]) => (
        <section key={name} class="decoded-group">
          <h3>{t(`event.decoded.${name}`)}</h3>
          <dl class="fields">
            {fields.map((field, at) => (
              <div key={at} class="pair">
                <dt>
                  <Value value={field.name} marks={marks} chosen={chosen} />
                </dt>
                <dd>
                  <Value value={field.value} marks={marks} chosen={chosen} />
                </dd>
              </div>
            ))}
          </dl>
        </section>
      ))}
      {pretty && (
        <section class="decoded-group">
          <h3>{t("event.decoded.pretty")}</h3>
          <Long text={pretty} />
        </section>
      )}
      {!pretty && body && bodyFields.length === 0 && (
        <section class="decoded-group">
          <h3>{t("event.decoded.other")}</h3>
          <Long text={textOf(body)} />
        </section>
      )}
      {shownGroups.length === 0 && !pretty && !body && <p class="empty">{t("event.decoded.nothing")}</p>}
    </>
  );
}

function Long({ text }: { text: string }) {
  const [all, setAll] = useState(false);
  const characters = [...text.slice(0, all ? undefined : FOLDED)].length;
  return (
    <>
      <pre class="bytes text" dir="ltr">
        {text
          .slice(0, all ? undefined : FOLDED)
          .split("\n")
          .map((line, at) => (
            <>
              {at > 0 && "\n"}
              <Untrusted text={line} limit={characters} />
            </>
          ))}
      </pre>
      {!all && text.length > FOLDED && (
        <Button kind="quiet" onClick={() => setAll(true)}>
          {t("event.showAll", { n: text.length })}
        </Button>
      )}
    </>
  );
}

/** A decoded value with its marks, and what it may be in base64. */
function Value({ value, marks, chosen }: { value: Mapped; marks: Mark[]; chosen: number | undefined }) {
  const [all, setAll] = useState(false);
  const shown = all ? value : value.slice(0, FOLDED);
  const more = useMemo(() => plausibleBase64(value), [value]);
  if (value.length === 0) return <span class="nothing">{t("event.decoded.empty")}</span>;
  return (
    <>
      <code class="value">
        {markedValue(shown, marks).map((piece) => (
          <Piece piece={piece} chosen={chosen} />
        ))}
      </code>
      {value.length > FOLDED && !all && (
        <Button kind="quiet" onClick={() => setAll(true)}>
          {t("event.showAll", { n: value.length })}
        </Button>
      )}
      {more && (
        <p class="base64">
          <span class="label">base64</span> <Untrusted text={more} />
        </p>
      )}
    </>
  );
}

/** The value in pieces, marked where its bytes stem from marked ones. */
export function markedValue(value: Mapped, marks: Mark[]): Marked[] {
  const whole = value.span();
  const near = whole ? marks.filter((mark) => mark.span.from < whole.to && mark.span.to > whole.from) : [];
  const of = (at: number): number[] => {
    const from = value.starts[at] ?? 0;
    const to = value.ends[at] ?? 0;
    return [...new Set(near.filter(({ span }) => span.from < to && span.to > from).map(({ match }) => match))];
  };
  const cuts: number[] = [];
  if (near.length > 0) {
    let before = "";
    for (let at = 0; at < value.length; at += 1) {
      const now = of(at).join();
      // A character's later bytes do not begin a piece.
      if (now !== before && (byteAt(value.bytes, at) & 0xc0) !== 0x80) {
        cuts.push(at);
        before = now;
      }
    }
  }
  return pieces(value.bytes, { from: 0, to: value.length }, cuts, true).map(({ text, escape, from }) => ({
    text,
    escape,
    marks: near.length > 0 ? of(from) : [],
  }));
}

/** The text that a value is in base64; undefined where that is not likely. */
export function plausibleBase64(value: Mapped): string | undefined {
  const text = textOf(value.bytes.subarray(0, FOLDED));
  if (value.length < 8 || value.length > FOLDED || !/^[A-Za-z0-9+/_-]+={0,2}$/.test(text)) return undefined;
  const bytes = base64Decode(value).bytes;
  const printable = bytes.filter((byte) => (byte >= 0x20 && byte < 0x7f) || byte === 10 || byte === 13 || byte === 9);
  return bytes.length > 4 && printable.length === bytes.length ? textOf(bytes) : undefined;
}

/** Characters of a body that is laid out. */
const MOST_LAID_OUT = 1_000_000;

/** A JSON body laid out; undefined where it is none, or is cut off. */
function prettyJson(message: Message): string | undefined {
  if (!message.body || !/json/i.test(headerText(message, "content-type"))) return undefined;
  const text = textOf(part(message, message.body));
  if (text.length > 200_000) return undefined;
  try {
    return layOut(text);
  } catch {
    return undefined;
  }
}

/** Only white space changes: numbers, escapes and doubled keys stay as they were sent. Throws for what is no JSON. */
export function layOut(json: string): string {
  JSON.parse(json);
  let out = "";
  let depth = 0;
  const line = (): string => `\n${"  ".repeat(Math.min(depth, 40))}`;
  for (const [token] of json.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/gsu)) {
    if (out.length > MOST_LAID_OUT) throw new RangeError("too deep to be laid out");
    if (token === "{" || token === "[") {
      depth += 1;
      out += token + line();
    } else if (token === "}" || token === "]") {
      depth -= 1;
      out = out.endsWith(`${line()}  `) ? out.slice(0, -(line().length + 2)) + token : out + line() + token;
    } else if (token === ",") {
      out += token + line();
    } else {
      out += token === ":" ? ": " : token;
    }
  }
  return out;
}
