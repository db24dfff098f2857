// Exclusions: what rules do not look at, why, and until when.
import { useEffect, useState } from "preact/hooks";
import type { ExclusionPreview, Exclusions, NewReplay, ShownExclusion } from "../api";
import { send, useLoad } from "../api/client";
import { bytesOf, textOf } from "../evidence/bytes";
import type { ByteText } from "../evidence/event";
import { date, t } from "../i18n";
import { may, mayTune } from "../session";
import { Badge, Button, Confirm, Dialog, Empty, Field, Input, Loading, Page, Problem, Select, Time, toast, Untrusted, useKeys } from "../ui";
import { EXPIRIES, type Expiry, refusal, ScopeText } from "./exclude";
import type { Scope } from "./proposals";
import { ReplayResult, useReplay } from "./replay";
import { Lines, RuleText } from "./rule";

/** Milliseconds before its end in which an exclusion is marked. */
const SOON = 7 * 86_400_000;

export default function Tuning() {
  const { data, error, loading, reload } = useLoad<Exclusions>("/api/exclusions");
  const [editing, setEditing] = useState<ShownExclusion | "new">();
  const [removing, setRemoving] = useState<ShownExclusion>();
  const [selected, setSelected] = useState(-1);
  const list = data?.exclusions ?? [];
  const move = (by: number): void => setSelected(Math.max(0, Math.min(list.length - 1, selected + by)));
  const chosen = list[selected];
  useEffect(() => {
    document.querySelector(".exclusion.selected")?.scrollIntoView({ block: "nearest" });
  }, [selected]);
  const tune = mayTune.value;
  useKeys({
    j: { label: "ui.select", run: () => move(1) },
    k: { label: "ui.selectBefore", run: () => move(-1) },
    Enter: { label: "tuning.keyEdit", run: () => tune && chosen && setEditing(chosen) },
    n: { label: "tuning.new", run: () => tune && setEditing("new") },
    d: { label: "tuning.keyRemove", run: () => tune && chosen && setRemoving(chosen) },
  });
  return (
    <Page
      title={t("tuning.title")}
      actions={
        <>
          <a class="button quiet" href="/history">
            {t("history.title")}
          </a>
          <a class="button quiet" href="/learning">
            {t("learning.title")}
          </a>
          {tune && (
            <Button kind="primary" disabled={!data} onClick={() => setEditing("new")}>
              {t("tuning.new")}
            </Button>
          )}
        </>
      }
    >
      <p class="note">{t("tuning.note")}</p>
      {error && <Problem error={error} retry={reload} />}
      {loading && !data && <Loading />}
      {data?.problems.map(({ line, message }) => (
        <p key={line} class="problem" role="alert">
          <Untrusted text={t("tuning.problem", { line: String(line), message })} limit={500} />
        </p>
      ))}
      {data && list.length === 0 && <Empty>{t("tuning.none")}</Empty>}
      <ul class="exclusions">
        {list.map((one, at) => (
          <Row
            key={one.id}
            exclusion={one}
            selected={at === selected}
            onEdit={() => setEditing(one)}
            onRemove={() => setRemoving(one)}
          />
        ))}
      </ul>
      {may("owner") && <TryRules />}
      {editing && data && (
        <Edit
          version={data.version}
          exclusion={editing === "new" ? undefined : editing}
          onClose={() => setEditing(undefined)}
          onDone={reload}
        />
      )}
      {removing && data && (
        <Confirm
          title={t("tuning.remove")}
          action={t("ui.remove")}
          onClose={() => setRemoving(undefined)}
          onConfirm={async () => {
            try {
              await send("DELETE", `/api/exclusions/${encodeURIComponent(removing.id)}?version=${encodeURIComponent(data.version)}`);
              toast(t("tuning.removed"));
            } catch (failure) {
              throw new Error(refusal(failure));
            } finally {
              reload();
            }
          }}
        >
          <p>
            <code>{removing.rule}</code> <ScopeText scope={removing} />
          </p>
          <p class="note">{t("tuning.removeNote")}</p>
        </Confirm>
      )}
    </Page>
  );
}

function Row({
  exclusion,
  selected,
  onEdit,
  onRemove,
}: {
  exclusion: ShownExclusion;
  selected: boolean;
  onEdit: () => void;
  onRemove: () => void;
}) {
  const [open, setOpen] = useState(false);
  const ends = exclusion.expires ? Date.parse(exclusion.expires) : undefined;
  const left = ends === undefined ? undefined : ends - Date.now();
  return (
    <li class={selected ? "exclusion panel selected" : "exclusion panel"} aria-current={selected ? "true" : undefined}>
      <div class="exclusion-head">
        <code class="match-rule">{exclusion.rule}</code>
        <ScopeText scope={exclusion} />
        {left !== undefined && ends !== undefined && (
          <Badge kind={left < 0 ? "bad" : left < SOON ? "warn" : "plain"}>
            {t(left < 0 ? "tuning.expired" : "tuning.expires", { date: date(ends) })}
          </Badge>
        )}
      </div>
      <p>
        <Untrusted text={exclusion.reason} limit={500} />
      </p>
      <p class="note">
        <Untrusted text={exclusion.author} limit={80} />
        {exclusion.created && (
          <>
            {" · "}
            <Time time={exclusion.created} />
          </>
        )}
        {" · "}
        <Untrusted text={`${exclusion.file}:${exclusion.line}`} limit={300} />
        {exclusion.event && (
          <>
            {" · "}
            <a href={`/events/${exclusion.event}`}>{t("tuning.fromEvent")}</a>
          </>
        )}
      </p>
      <div class="actions">
        <Button kind="quiet" aria-expanded={open} onClick={() => setOpen(!open)}>
          {t("tuning.text")}
        </Button>
        {mayTune.value && (
          <>
            <Button kind="quiet" onClick={onEdit}>
              {t("tuning.edit")}
            </Button>
            <Button kind="quiet" onClick={onRemove}>
              {t("ui.remove")}
            </Button>
          </>
        )}
      </div>
      {open && (
        <>
          <Lines className="bytes rule-code" text={exclusion.seclang} />
          <RuleText id={exclusion.rule} />
        </>
      )}
    </li>
  );
}

/** What another rule set, such as a new release of the Core Rule Set, would change. */
function TryRules() {
  const [paths, setPaths] = useState("");
  const [request, setRequest] = useState<NewReplay>();
  const { replay, error } = useReplay(request);
  const rules = paths.split("\n").map((path) => path.trim()).filter((path) => path !== "");
  return (
    <details class="panel">
      <summary>{t("tuning.try")}</summary>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (rules.length > 0) setRequest({ rules });
        }}
      >
        <Field label={t("tuning.tryPaths")} help={t("tuning.tryHelp")}>
          {(attributes) => (
            <textarea
              {...attributes}
              class="code"
              rows={3}
              value={paths}
              placeholder={"/etc/modsecurity/crs/crs-setup.conf\n/srv/coreruleset-4/rules/*.conf"}
              onInput={(event) => {
                setPaths(event.currentTarget.value);
                setRequest(undefined);
              }}
            />
          )}
        </Field>
        <div class="actions">
          <Button type="submit" disabled={rules.length === 0}>
            {t("tuning.replay")}
          </Button>
        </div>
      </form>
      {request && <ReplayResult replay={replay} error={error} />}
    </details>
  );
}

/** The form's text of bytes, and back: text that is no UTF-8 stays as it was unless it is changed. */
function shown(bytes: ByteText | null | undefined): string {
  return bytes ? (typeof bytes === "string" ? bytes : textOf(bytesOf(bytes))) : "";
}

function Edit({
  version,
  exclusion,
  onClose,
  onDone,
}: {
  version: string;
  exclusion: ShownExclusion | undefined;
  onClose: () => void;
  onDone: () => void;
}) {
  const [rule, setRule] = useState(exclusion ? String(exclusion.rule) : "");
  const [site, setSite] = useState(exclusion?.site ?? "");
  const [path, setPath] = useState(shown(exclusion?.path));
  const [pathMatch, setPathMatch] = useState<Scope["path_match"]>(exclusion?.path_match ?? "exact");
  const [parameter, setParameter] = useState(shown(exclusion?.parameter));
  const [reason, setReason] = useState(exclusion?.reason ?? "");
  const [expiry, setExpiry] = useState<Expiry | "keep">(exclusion?.expires ? "keep" : "never");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string>();
  const [replaying, setReplaying] = useState<NewReplay>();
  const kept = (text: string, before: ByteText | null | undefined): ByteText =>
    before && shown(before) === text ? before : text;
  const scope: Scope | undefined = /^[0-9]{1,18}$/.test(rule.trim())
    ? {
        rule: Number(rule),
        path_match: pathMatch,
        ...(site.trim() ? { site: site.trim() } : {}),
        ...(path ? { path: kept(path, exclusion?.path) } : {}),
        ...(parameter.trim() ? { parameter: kept(parameter.trim(), exclusion?.parameter) } : {}),
      }
    : undefined;
  const preview = usePreview(scope);
  const { replay, error: replayError } = useReplay(replaying);
  const remove = exclusion ? [exclusion.id] : [];
  const days = (): number | undefined => {
    if (expiry === "keep" && exclusion?.expires) {
      return Math.max(1, Math.ceil((Date.parse(exclusion.expires) - Date.now()) / 86_400_000));
    }
    return expiry === "never" || expiry === "keep" ? undefined : Number(expiry);
  };
  const save = async (): Promise<void> => {
    if (!scope) return;
    setBusy(true);
    setError(undefined);
    try {
      const expires = days();
      const made = await send<{ version: string }>("POST", "/api/exclusions", {
        version,
        ...scope,
        reason: reason.trim(),
        ...(expires === undefined ? {} : { expires_days: expires }),
        ...(exclusion?.event ? { event: exclusion.event } : {}),
      });
      // The new one stands before the old one goes, so that no request is blocked in between.
      if (exclusion) {
        await send("DELETE", `/api/exclusions/${encodeURIComponent(exclusion.id)}?version=${encodeURIComponent(made.version)}`);
      }
      toast(t("tuning.saved"));
      onDone();
      onClose();
    } catch (failure) {
      setError(refusal(failure));
      setBusy(false);
      onDone();
    }
  };
  const changed = <V,>(set: (value: V) => void) => (value: V) => {
    set(value);
    setReplaying(undefined);
  };
  return (
    <Dialog title={t(exclusion ? "tuning.edit" : "tuning.new")} onClose={onClose} wide>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (!busy) void save();
        }}
      >
        <div class="scope-form">
          <Input label={t("tuning.rule")} value={rule} onValue={changed(setRule)} inputMode="numeric" required autofocus />
          <Input label={t("tuning.site")} value={site} onValue={changed(setSite)} placeholder={t("exclude.allSites")} />
          <Input label={t("tuning.path")} value={path} onValue={changed(setPath)} placeholder={t("exclude.allPaths")} />
          <Select
            label={t("tuning.pathMatch")}
            value={pathMatch}
            onValue={changed(setPathMatch)}
            options={[
              { value: "exact", label: t("tuning.exact") },
              { value: "prefix", label: t("tuning.prefix") },
            ]}
          />
          <Input
            label={t("tuning.parameter")}
            value={parameter}
            onValue={changed(setParameter)}
            placeholder={t("exclude.wholeRule")}
            help={t("tuning.parameterHelp")}
          />
          <Input label={t("exclude.reason")} value={reason} onValue={setReason} required maxLength={500} />
          <Select<Expiry | "keep">
            label={t("exclude.expires")}
            value={expiry}
            onValue={setExpiry}
            options={[
              ...(exclusion?.expires ? [{ value: "keep" as const, label: date(exclusion.expires) }] : []),
              ...EXPIRIES.map((value) => ({
                value,
                label: value === "never" ? t("exclude.never") : t("exclude.days", { n: Number(value) }),
              })),
            ]}
          />
        </div>
        {preview.refused && (
          <p class="form-error" role="alert">
            <Untrusted text={preview.refused} limit={500} />
          </p>
        )}
        {preview.seclang && <Lines className="bytes rule-code" text={preview.seclang} />}
        {replaying && (
          <section class="replay-part">
            <h3>{t("replay.title")}</h3>
            <ReplayResult replay={replay} error={replayError} />
          </section>
        )}
        {error && (
          <p class="form-error" role="alert">
            {error}
          </p>
        )}
        <div class="actions">
          <Button onClick={onClose}>{t("ui.cancel")}</Button>
          <Button
            disabled={!scope || preview.refused !== undefined}
            onClick={() => scope && setReplaying({ add: [scope], remove })}
          >
            {t("tuning.replay")}
          </Button>
          <Button
            type="submit"
            kind="primary"
            busy={busy}
            disabled={!scope || preview.refused !== undefined || reason.trim() === ""}
          >
            {t("ui.save")}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

/** Milliseconds of rest before what was typed is asked about. */
const REST = 300;

/** The rule text of what the form says. */
function usePreview(scope: Scope | undefined): { seclang?: string; refused?: string } {
  const [state, setState] = useState<{ seclang?: string; refused?: string }>({});
  const key = scope && JSON.stringify(scope);
  useEffect(() => {
    if (!key) {
      setState({});
      return;
    }
    let over = false;
    const timer = setTimeout(() => {
      send<ExclusionPreview>("POST", "/api/exclusions/preview", JSON.parse(key)).then(
        ({ seclang, refused }) => {
          if (!over) setState({ ...(seclang ? { seclang } : {}), ...(refused ? { refused } : {}) });
        },
        (failure: unknown) => {
          if (!over) setState({ refused: refusal(failure) });
        },
      );
    }, REST);
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [key]);
  return state;
}
