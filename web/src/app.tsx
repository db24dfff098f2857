// The shell around every page: menu, keyboard help, toasts.
import { useEffect } from "preact/hooks";
import { signal } from "@preact/signals";
import logo from "./assets/logo.svg";
import { type Role } from "./api";
import { SEVERITIES } from "./api/event";
import { useRetry } from "./api/client";
import { LANGUAGES, type Language, language, say, setLanguage, t } from "./i18n";
import { PAGES, type PartPage } from "./parts";
import { usePiece } from "./parts/piece";
import { findings, followFindings } from "./findings";
import { match, navigate, place } from "./router";
import { loadSession, may, session, sessionError, signOut } from "./session";
import { THEMES, setTheme, theme } from "./theme";
import { Toasts } from "./ui/dialog";
import { Help } from "./ui/help";
import { type Shortcuts, useKeys } from "./ui/keys";
import { Button, Loading, Page, Problem, Severity, Untrusted, toast, errorText, visible } from "./ui";

const helpShown = signal(false);
const menuShown = signal(false);

/** The page at the current address, after its code has loaded. */
function Current({ page, params }: { page: PartPage; params: Record<string, string> }) {
  const { Content, failed, again } = usePiece(page.part, page.load);
  if (failed) return <Problem error={failed === "outdated" ? t("shell.outdated") : failed} retry={again} />;
  return Content ? <Content params={params} title={say(page.title)} /> : <Loading />;
}

function Missing() {
  return (
    <Page title={t("shell.missing")}>
      <p>
        <a href="/">{t("shell.toOverview")}</a>
      </p>
    </Page>
  );
}

/** The notice that a page needs another role. */
function Forbidden({ page, role }: { page: PartPage; role: Exclude<Role, "viewer"> }) {
  const mine = session.value?.role;
  return (
    <Page title={say(page.title)}>
      <p>{mine && t(`shell.forbidden.${role}`, { mine: t(`shell.forbidden.mine.${mine}`) })}</p>
      <p>
        <a href="/">{t("shell.toOverview")}</a>
      </p>
    </Page>
  );
}

export function App() {
  const { path } = place.value;
  useRetry(sessionError.value ?? undefined, () => void loadSession());
  let found: { page: PartPage; params: Record<string, string> } | undefined;
  for (const page of PAGES) {
    const params = match(page.path, path);
    if (params) {
      found = { page, params };
      break;
    }
  }
  useEffect(() => {
    menuShown.value = false;
  }, [path]);
  const who = session.value;
  if (found?.page.open) {
    return (
      <Alone>
        <Current {...found} />
      </Alone>
    );
  }
  if (!who) {
    const error = sessionError.value;
    return <Alone>{error ? <Problem error={error} retry={() => void loadSession()} /> : <Loading />}</Alone>;
  }
  const role = found?.page.role;
  return (
    <Shell>
      {!found ? (
        <Missing />
      ) : role && role !== "viewer" && !may(role) ? (
        <Forbidden page={found.page} role={role} />
      ) : (
        <Current key={found.page.path} {...found} />
      )}
    </Shell>
  );
}

/** The frame of pages that need no session. */
function Alone({ children }: { children: preact.ComponentChildren }) {
  return (
    <div class="alone">
      <header class="alone-head">
        <img src={logo} alt="" width="40" height="40" />
        <p class="alone-name">monban</p>
      </header>
      <main id="main" class="alone-main">
        {children}
      </main>
      <footer class="alone-foot">
        <LanguageChoice />
        <ThemeChoice />
      </footer>
      <Toasts />
    </div>
  );
}

const GROUPS = ["monitor", "tune", "settings"] as const;

function Shell({ children }: { children: preact.ComponentChildren }) {
  const who = session.value;
  const seen = PAGES.filter((page) => !page.role || may(page.role));
  const shortcuts: Shortcuts = {
    "?": { label: t("shell.keyHelp"), run: () => (helpShown.value = true) },
  };
  for (const page of seen) if (page.key) shortcuts[page.key] = { label: say(page.title), run: () => navigate(page.path) };
  useKeys(shortcuts);
  const { path } = place.value;
  return (
    <div class="shell">
      <a class="skip" href="#main">
        {t("shell.skip")}
      </a>
      <header class="top">
        <a class="brand" href="/">
          <img src={logo} alt="" width="24" height="24" />
          <span>monban</span>
        </a>
        <button
          type="button"
          class="button quiet menu-button"
          aria-expanded={menuShown.value}
          aria-controls="navigation"
          onClick={() => (menuShown.value = !menuShown.value)}
        >
          {t("shell.menu")}
        </button>
      </header>
      <nav id="navigation" class={menuShown.value ? "side open" : "side"} aria-label={t("shell.navigation")}>
        {GROUPS.map((group) => {
          const pages = seen.filter((page) => page.group === group);
          return (
            pages.length > 0 && (
              <section key={group}>
                <h2>{t(`shell.${group}`)}</h2>
                <ul>
                  {pages.map((page) => (
                    <li key={page.path}>
                      <a href={page.path} aria-current={isWithin(page.path, path) ? "page" : undefined}>
                        {say(page.title)}
                        {page.key && <kbd aria-hidden="true">{page.key}</kbd>}
                      </a>
                    </li>
                  ))}
                </ul>
              </section>
            )
          );
        })}
        <section class="side-foot">
          <p class="who">
            <strong>{visible(who?.user ?? "")}</strong> <span>{who && t(`role.${who.role}`)}</span>
          </p>
          <div class="side-choices">
            <LanguageChoice />
            <ThemeChoice />
          </div>
          <div class="side-choices">
            <Button kind="quiet" small onClick={() => (helpShown.value = true)}>
              {t("shell.keys")}
            </Button>
            <Button kind="quiet" small onClick={() => void signOut().catch((error) => toast(errorText(error), "failed"))}>
              {t("shell.signOut")}
            </Button>
          </div>
        </section>
      </nav>
      <main id="main" class="main" tabIndex={-1}>
        <Banner path={path} />
        {children}
      </main>
      {helpShown.value && <Help onClose={() => (helpShown.value = false)} />}
      <Toasts />
    </div>
  );
}

/** The findings in one line, which leads to their page. */
function Banner({ path }: { path: string }) {
  useEffect(followFindings, []);
  const [worst, ...others] = findings.value ?? [];
  if (!worst || path === "/findings") return null;
  const wide = /^\/(events|live)(\/|$)/.test(path);
  const bad = SEVERITIES.indexOf(worst.severity) <= SEVERITIES.indexOf("error");
  return (
    <div role="status">
      <a class={`banner${bad ? " bad" : ""}${wide ? " wide" : ""}`} href="/findings">
        <strong>
          <Severity severity={worst.severity} /> <Untrusted text={say(worst.title)} limit={200} />
        </strong>
        {others.length > 0 && <span>{t("finding.more", { n: others.length })}</span>}
        <span>{t("finding.show")}</span>
      </a>
    </div>
  );
}

function isWithin(page: string, path: string): boolean {
  return page === "/" ? path === "/" : path === page || path.startsWith(`${page}/`);
}

function LanguageChoice() {
  return (
    <select
      class="small-choice"
      aria-label={t("shell.language")}
      value={language.value}
      onChange={(event) => {
        setLanguage(event.currentTarget.value as Language).catch(() => toast(t("ui.unreachable"), "failed"));
      }}
    >
      {Object.entries(LANGUAGES).map(([code, name]) => (
        <option key={code} value={code} lang={code}>
          {name}
        </option>
      ))}
    </select>
  );
}

function ThemeChoice() {
  return (
    <select
      class="small-choice"
      aria-label={t("shell.theme")}
      value={theme.value}
      onChange={(event) => setTheme(THEMES.find((one) => one === event.currentTarget.value) ?? "system")}
    >
      {THEMES.map((one) => (
        <option key={one} value={one}>
          {t(`theme.${one}`)}
        </option>
      ))}
    </select>
  );
}
