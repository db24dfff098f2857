// The filter bar: typing with completion, chips to click, saved queries, a link to share.
import { useEffect, useId, useRef, useState } from "preact/hooks";
import type { PropertyValues } from "../../api";
import { get } from "../../api/client";
import { dateTime, t } from "../../i18n";
import { navigate } from "../../router";
import { Button } from "../controls";
import { copyText } from "../copy";
import { useKeys } from "../keys";
import { Untrusted, visible } from "../untrusted";
import { type Completion, completions, joined, type Known, valueAt } from "./completion";
import { foreignTo } from "../../query/foreign";
import { type Condition, conditionText, inLocalTime, inUniversalTime, inverted, isTime, parse, queryText, type QueryError, without } from "../../query/query";
import { isBound, properties, propertyOf } from "../../query/properties";
import { SavedFilters } from "./SavedFilters";

export function FilterBar({
  conditions,
  onConditions,
  known,
  unknown = [],
  ranged = false,
}: {
  conditions: readonly Condition[];
  onConditions: (conditions: Condition[]) => void;
  /** Values seen in events, for completion. */
  known: Known;
  /** Parameters of the address that are not conditions. */
  unknown?: readonly string[];
  /** Whether the page shows the time range elsewhere. */
  ranged?: boolean;
}) {
  const [text, setText] = useState(queryText(inLocalTime(conditions)));
  const [errors, setErrors] = useState<QueryError[]>([]);
  const [offered, setOffered] = useState<Completion[]>([]);
  const [highlighted, setHighlighted] = useState(-1);
  const input = useRef<HTMLInputElement>(null);
  const id = useId();
  const written = queryText(inLocalTime(conditions));
  // clicks change the address, too
  useEffect(() => {
    setText(written);
    setErrors([]);
  }, [written]);
  useKeys({
    "/": { label: t("filter.keyQuery"), run: () => input.current?.focus() },
  });
  const ask = useValues();
  const offering = useRef(false);
  const dismiss = (): void => {
    offering.current = false;
    setOffered([]);
  };
  const offer = (value: string, cursor: number): void => {
    offering.current = true;
    setOffered(completions(value, cursor, known));
    setHighlighted(-1);
    ask(value, cursor, (stored) => {
      // unless the visitor typed on or closed the list
      if (offering.current && input.current?.value === value) setOffered(completions(value, cursor, joined(stored, known)));
    });
  };
  const take = (completion: Completion): void => {
    const space = completion.value !== undefined && text.slice(completion.to).trim() === "" ? " " : "";
    const changed = text.slice(0, completion.from) + completion.text + space + text.slice(completion.to);
    const cursor = completion.from + completion.text.length + space.length;
    setText(changed);
    // set it immediately, before the next key arrives
    const field = input.current;
    if (field) {
      field.value = changed;
      field.focus();
      field.setSelectionRange(cursor, cursor);
    }
    offer(changed, cursor);
  };
  const apply = (): void => {
    const event = foreignTo.event(text);
    if (event !== undefined) return navigate(`/events/${event}`);
    const parsed = parse(text);
    setErrors(parsed.errors);
    dismiss();
    const [error] = parsed.errors;
    if (error) {
      input.current?.focus();
      input.current?.setSelectionRange(error.from, error.to);
      return;
    }
    const applied = parsed.conditions.map(({ property, value, inverted }) => ({ property, value, inverted }));
    // what was understood, even if the conditions are the same as before
    setText(queryText(applied));
    onConditions(inUniversalTime(applied));
  };
  const keyed = (event: KeyboardEvent): void => {
    const move = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (move && offered.length > 0) {
      event.preventDefault();
      setHighlighted((highlighted + move + offered.length + (highlighted < 0 && move < 0 ? 1 : 0)) % offered.length);
    } else if (event.key === "Enter" && !event.isComposing) {
      event.preventDefault();
      const completion = offered[highlighted];
      if (completion) take(completion);
      else apply();
    } else if (event.key === "Tab" && highlighted >= 0) {
      const completion = offered[highlighted];
      if (completion) {
        event.preventDefault();
        take(completion);
      }
    } else if (event.key === "Escape") {
      if (offered.length > 0) dismiss();
      else input.current?.blur();
    }
  };
  const shown = conditions
    .map((condition, at) => ({ condition, at }))
    .filter(({ condition }) => !ranged || !isTime(condition.property) || condition.inverted);
  return (
    <div class="query">
      <form
        class="query-form"
        role="search"
        onSubmit={(event) => {
          event.preventDefault();
          apply();
        }}
      >
        <div class="query-field">
          <input
            ref={input}
            type="text"
            class="query-input code"
            role="combobox"
            aria-label={t("filter.query")}
            aria-expanded={offered.length > 0}
            aria-controls={`${id}-list`}
            aria-autocomplete="list"
            aria-activedescendant={highlighted >= 0 ? `${id}-${highlighted}` : undefined}
            aria-describedby={errors.length > 0 ? `${id}-errors` : undefined}
            placeholder={t("filter.queryExample")}
            autocomplete="off"
            autocapitalize="off"
            spellcheck={false}
            value={text}
            onInput={(event) => {
              setText(event.currentTarget.value);
              setErrors([]);
              offer(event.currentTarget.value, event.currentTarget.selectionStart ?? 0);
            }}
            onFocus={(event) => offer(event.currentTarget.value, event.currentTarget.selectionStart ?? 0)}
            onBlur={dismiss}
            onKeyDown={keyed}
          />
          {offered.length > 0 && (
            <ul class="completions" role="listbox" id={`${id}-list`} aria-label={t("filter.completions")}>
              {offered.map((completion, at) => (
                <li
                  key={completion.text}
                  id={`${id}-${at}`}
                  role="option"
                  aria-selected={at === highlighted}
                  // keep the focus in the input until the click
                  onMouseDown={(event) => event.preventDefault()}
                  onClick={() => take(completion)}
                >
                  <code>
                    <Untrusted text={completion.text} limit={80} />
                  </code>
                  <span class="note">
                    {completion.value === undefined ? propertyOf(completion.property)?.help : completion.note && <Untrusted text={completion.note} limit={100} />}
                  </span>
                </li>
              ))}
            </ul>
          )}
        </div>
        <Button type="submit" kind="primary">
          {t("filter.search")}
        </Button>
      </form>
      <div class="query-actions">
        <Button small onClick={() => void copyText(location.href, t("filter.linkCopied"))}>
          {t("filter.copyLink")}
        </Button>
        <SavedFilters conditions={conditions} onConditions={onConditions} />
      </div>
      {errors.length > 0 && (
        <ul id={`${id}-errors`} class="query-errors" role="alert">
          {errors.map((error) => (
            <li key={error.from}>
              {error.problem !== "unknownProperty" && (
                <code>
                  <Untrusted text={error.word} limit={80} />
                </code>
              )}{" "}
              {t(`filter.problem.${error.problem}`, {
                word: visible(error.word.split(/[=:<>]/, 1)[0]?.slice(0, 40) ?? ""),
                names: properties().map(({ name }) => name).join(", "),
              })}
            </li>
          ))}
        </ul>
      )}
      {unknown.length > 0 && (
        <p class="query-errors" role="alert">
          {t("filter.unknownParameters")} <Untrusted text={unknown.join(" ")} limit={200} />
        </p>
      )}
      {shown.length > 0 && (
        <ul class="chips" aria-label={t("filter.conditions")}>
          {shown.map(({ condition, at }) => (
            <li key={`${conditionText(condition)}`} class={condition.inverted ? "chip inverted" : "chip"}>
              <button
                type="button"
                title={t("filter.invert")}
                aria-pressed={condition.inverted}
                onClick={() => onConditions(inverted(conditions, at))}
              >
                <span class="chip-property">
                  {condition.property}
                  {condition.inverted ? " ≠ " : isBound(condition.property) ? " ≥ " : " = "}
                </span>
                <Untrusted text={chipText(condition)} limit={80} />
              </button>
              <button
                type="button"
                class="chip-remove"
                aria-label={t("filter.removeCondition", { condition: condition.property })}
                onClick={() => onConditions(without(conditions, at))}
              >
                ×
              </button>
            </li>
          ))}
          <li>
            <Button kind="quiet" onClick={() => onConditions(ranged ? conditions.filter(({ property }) => isTime(property)) : [])}>
              {t("filter.clear")}
            </Button>
          </li>
        </ul>
      )}
    </div>
  );
}

/** Milliseconds of pause before stored values are asked for. */
const REST_MS = 150;

/** Asks for the stored values of the property at the cursor; the last request wins. */
function useValues(): (text: string, cursor: number, found: (known: Known) => void) => void {
  const asking = useRef<{ timer?: ReturnType<typeof setTimeout>; abort?: AbortController }>({});
  return (text, cursor, found) => {
    clearTimeout(asking.current.timer);
    asking.current.abort?.abort();
    const word = valueAt(text, cursor);
    if (!word || !propertyOf(word.property)?.seen) return;
    const abort = new AbortController();
    const path = `/api/properties/${encodeURIComponent(word.property)}/values?prefix=${encodeURIComponent(word.begun)}`;
    const timer = setTimeout(() => {
      get<PropertyValues>(path, { signal: abort.signal }).then(
        ({ values }) => found({ [word.property]: values.map(({ value, message }) => ({ value, ...(message ? { note: message } : {}) })) }),
        // the values of the list are offered without it
        () => undefined,
      );
    }, REST_MS);
    asking.current = { timer, abort };
  };
}

/** Returns the value of a condition as a chip shows it: times are those of the browser. */
function chipText({ property, value }: Condition): string {
  return isTime(property) && /[zZ]$|[+-]\d\d:\d\d$/.test(value) ? dateTime(value) : value;
}
