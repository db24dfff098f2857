// Exclusions, with their scopes, reasons and expiries.
import { useEffect, useState } from "preact/hooks";
import type { Exclusions, NewReplay, ShownExclusion } from "../../api";
import { send, useLoad } from "../../api/client";
import { bytesOf, textOf } from "../../bytes/bytes";
import type { ByteText } from "../../bytes/bytes";
import { date, say } from "../../i18n";
import { may, mayTune } from "../../session";
import { Badge, Button, Confirm, Dialog, Empty, Field, Input, Lines, Loading, Page, Problem, Select, Time, toast, Untrusted, useKeys } from "../../ui";
import type { PageProps } from "../part";
import { Apply, refusal } from "./apply";
import type { Scope, Wanted } from "./proposals";
import { ReplayResult, useReplay } from "./replay";
import { RuleText } from "../../ui/rule";
import { ScopeText } from "./scope";
import { TITLES } from "./index";
import { t } from "./texts";

/** Time before its expiry, in milliseconds, in which an exclusion is marked. */
const SOON = 7 * 86_400_000;

export default function Tuning({ title }: PageProps) {
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
    j: { label: t("ui.select"), run: () => move(1) },
    k: { label: t("ui.selectBefore"), run: () => move(-1) },
    Enter: { label: t("tuning.keyEdit"), run: () => tune && chosen && setEditing(chosen) },
    n: { label: t("tuning.new"), run: () => tune && data && setEditing("new") },
    d: { label: t("tuning.keyRemove"), run: () => tune && chosen && setRemoving(chosen) },
  });
  return (
    <Page
      title={title}
      actions={
        <>
          <a class="button quiet small" href="/history">
            {say(TITLES.history)}
          </a>
          <a class="button quiet small" href="/learning">
            {say(TITLES.learning)}
          </a>
          {tune && (
            <Button kind="primary" small disabled={!data} onClick={() => setEditing("new")}>
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
          gone={editing !== "new" && !list.some((one) => one.id === editing.id && one.seclang === editing.seclang)}
          onClose={() => setEditing(undefined)}
          onStale={reload}
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
        <Button kind="quiet" small aria-expanded={open} onClick={() => setOpen(!open)}>
          {t("tuning.text")}
        </Button>
        {mayTune.value && (
          <>
            <Button kind="quiet" small onClick={onEdit}>
              {t("tuning.edit")}
            </Button>
            <Button kind="quiet" small onClick={onRemove}>
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

/** A replay with another rule set, such as a new release of the Core Rule Set. */
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

/** Returns bytes as text for a form. Bytes that are not UTF-8 stay unchanged unless the text is edited. */
function shown(bytes: ByteText | null | undefined): string {
  return bytes ? (typeof bytes === "string" ? bytes : textOf(bytesOf(bytes))) : "";
}

function Edit({
  version,
  exclusion,
  gone,
  onClose,
  onStale,
}: {
  version: string;
  exclusion: ShownExclusion | undefined;
  /** Whether another user has changed or removed it. */
  gone: boolean;
  onClose: () => void;
  onStale: () => void;
}) {
  const [rule, setRule] = useState(exclusion ? String(exclusion.rule) : "");
  const [site, setSite] = useState(exclusion?.site ?? "");
  const [path, setPath] = useState(shown(exclusion?.path));
  const [pathMatch, setPathMatch] = useState<Scope["path_match"]>(exclusion?.path_match ?? "exact");
  const [parameter, setParameter] = useState(shown(exclusion?.parameter));
  const kept = (text: string, before: ByteText | null | undefined): ByteText =>
    before && shown(before) === text ? before : text;
  const wanted: Wanted[] = /^[0-9]{1,15}$/.test(rule.trim())
    ? [
        {
          rule: Number(rule),
          path_match: pathMatch,
          ...(site.trim() ? { site: site.trim() } : {}),
          ...(path ? { path: kept(path, exclusion?.path) } : {}),
          ...(parameter.trim() ? { parameter: kept(parameter.trim(), exclusion?.parameter) } : {}),
          ...(exclusion?.event ? { event: exclusion.event } : {}),
        },
      ]
    : [];
  const missing = gone ? t("tuning.gone") : wanted.length === 0 ? t("tuning.ruleMissing") : undefined;
  return (
    <Dialog title={t(exclusion ? "tuning.editTitle" : "tuning.new")} onClose={onClose} wide>
      <Apply
        version={version}
        add={wanted}
        remove={exclusion ? [exclusion.id] : []}
        missing={missing}
        {...(exclusion ? { widerThan: exclusion, before: { reason: exclusion.reason, expires: exclusion.expires } } : {})}
        typed
        onStale={onStale}
        onApplied={onStale}
        onClose={onClose}
      >
        <div class="scope-form">
          <Input label={t("tuning.rule")} value={rule} onValue={setRule} inputMode="numeric" required autofocus />
          <Input label={t("tuning.site")} value={site} onValue={setSite} placeholder={t("exclude.allSites")} />
          <Input label={t("tuning.path")} value={path} onValue={setPath} placeholder={t("exclude.allPaths")} />
          <Select
            label={t("tuning.pathMatch")}
            value={pathMatch}
            onValue={setPathMatch}
            options={[
              { value: "exact", label: t("tuning.exact") },
              { value: "prefix", label: t("tuning.prefix") },
            ]}
          />
          <Input
            label={t("tuning.parameter")}
            value={parameter}
            onValue={setParameter}
            placeholder={t("exclude.wholeRule")}
            help={t("tuning.parameterHelp")}
          />
        </div>
      </Apply>
    </Dialog>
  );
}
