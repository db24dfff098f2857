// The decoded names and values of a message.
import { useMemo, useState } from "preact/hooks";
import { Button, Untrusted } from "../../../ui";
import { Mapped, textOf } from "../../../bytes/bytes";
import { type BodyKind, decoded, type Field, type Part } from "./fields";
import type { Location } from "./locate";
import { markedValue, plausibleBase64, prettyJson } from "./meaning";
import { type Message, part } from "./message";
import { Piece } from "./MessageView";
import { marksOf, type Mark } from "./view";
import { t } from "../texts";

/** Bytes of a value shown before "show all". */
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
  const groups: [BodyKind | "query" | "cookies" | "headers", (Field & Partial<Part>)[]][] = [
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
          <h3>{t(`request.decoded.${name}`)}</h3>
          <dl class="fields">
            {fields.map((field, at) => (
              <div key={at} class="pair">
                <dt>
                  <Value value={field.name} marks={marks} chosen={chosen} />
                </dt>
                <dd>
                  {field.filename && (
                    <p class="file-name">
                      <span class="label">{t("request.decoded.filename")}</span>{" "}
                      <Value value={field.filename} marks={marks} chosen={chosen} />
                    </p>
                  )}
                  <Value value={field.value} marks={marks} chosen={chosen} />
                </dd>
              </div>
            ))}
          </dl>
        </section>
      ))}
      {pretty && (
        <section class="decoded-group">
          <h3>{t("request.decoded.pretty")}</h3>
          <Long text={pretty} />
        </section>
      )}
      {!pretty && body && bodyFields.length === 0 && (
        <section class="decoded-group">
          <h3>{t("request.decoded.other")}</h3>
          <Long text={textOf(body)} />
        </section>
      )}
      {shownGroups.length === 0 && !pretty && !body && <p class="empty">{t("request.decoded.nothing")}</p>}
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
          {t("request.showAll", { n: text.length })}
        </Button>
      )}
    </>
  );
}

/** A decoded value with its marks, and its text if it looks like base64. */
function Value({ value, marks, chosen }: { value: Mapped; marks: Mark[]; chosen: number | undefined }) {
  const [all, setAll] = useState(false);
  const shown = all ? value : value.slice(0, FOLDED);
  const more = useMemo(() => plausibleBase64(value), [value]);
  if (value.length === 0) return <span class="nothing">{t("request.decoded.empty")}</span>;
  return (
    <>
      <code class="value">
        {markedValue(shown, marks).map((piece) => (
          <Piece piece={piece} chosen={chosen} />
        ))}
      </code>
      {value.length > FOLDED && !all && (
        <Button kind="quiet" onClick={() => setAll(true)}>
          {t("request.showAll", { n: value.length })}
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
