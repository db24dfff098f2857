// The frame around every page: who is signed in, navigation, help, messages.
import { type ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { signal } from "@preact/signals";
import logo from "./assets/logo.svg";
import { type Role } from "./api";
import { ApiError, get, useRetry } from "./api/client";
import { LANGUAGES, type Language, language, setLanguage, t } from "./i18n";
import { PAGES, type PageEntry, type PageProps } from "./pages";
import { match, navigate, place } from "./router";
import { loadSession, may, session, sessionError, signOut } from "./session";
import { THEMES, setTheme, theme } from "./theme";
import { Toasts } from "./ui/dialog";
import { Help } from "./ui/help";
import { type Shortcuts, useKeys } from "./ui/keys";
import { Button, Loading, Page, Problem, toast, errorText, visible } from "./ui";

const helpShown = signal(false);
const menuShown = signal(false);

const loaded = new Map<PageEntry, ComponentType<PageProps>>();
/** Whether no page was shown yet: the browser itself says where it begins then. */
let firstView = true;

/** The page at the present address, once its code is here. */
function Current({ page, params }: { page: PageEntry; params: Record<string, string> }) {
  const [, setTurn] = useState(0);
  const [failed, setFailed] = useState<ApiError | "outdated">();
  const Content = loaded.get(page);
  const path = place.value.path;
  /** Finds out why the code did not come: `there` where monban answers. */
  const find = (there: () => void): void => {
    get("/healthz").then(there, (error: unknown) => {
      setFailed(error instanceof ApiError ? error : new ApiError(0, String(error)));
    });
  };
  useEffect(() => {
    setFailed(undefined);
    if (loaded.has(page)) return;
    page.load().then(
      (module) => {
        loaded.set(page, module.default);
        setTurn((before) => before + 1);
      },
      () => find(() => setFailed("outdated")),
    );
  }, [page]);
  // browsers keep in mind that a piece of code did not come, so the whole page is loaded again
  const again = (): void => find(() => location.reload());
  useRetry(failed === "outdated" ? undefined : failed, again);
  // who reads by ear or goes by keyboard begins at the new page's heading
  useEffect(() => {
    if (!Content) return;
    if (!firstView) document.querySelector<HTMLElement>("h1")?.focus();
    firstView = false;
  }, [path, Content]);
  // a page of an older monban asks for files that are gone
  if (failed === "outdated") return <Problem error={t("shell.outdated")} retry={() => location.reload()} />;
  if (failed) return <Problem error={failed} retry={again} />;
  return Content ? <Content params={params} /> : <Loading />;
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

/** A page of another role than the visitor's. */
function Forbidden({ page, role }: { page: PageEntry; role: Role }) {
  const mine = session.value?.role;
  return (
    <Page title={t(page.title)}>
      <p>{t("shell.forbidden", { role: t(`role.${role}`), mine: mine ? t(`role.${mine}`) : "" })}</p>
      <p>
        <a href="/">{t("shell.toOverview")}</a>
      </p>
    </Page>
  );
}

export function App() {
  const { path } = place.value;
  useRetry(sessionError.value ?? undefined, () => void loadSession());
  let found: { page: PageEntry; params: Record<string, string> } | undefined;
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
      ) : role && !may(role) ? (
        <Forbidden page={found.page} role={role} />
      ) : (
        <Current key={found.page.path} {...found} />
      )}
    </Shell>
  );
}

/** The frame of pages without a session. */
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

const GROUPS = ["look", "tune", "manage"] as const;

function Shell({ children }: { children: preact.ComponentChildren }) {
  const who = session.value;
  const seen = PAGES.filter((page) => !page.role || may(page.role));
  const shortcuts: Shortcuts = {
    "?": { label: "shell.keyHelp", run: () => (helpShown.value = true) },
  };
  for (const page of seen) if (page.key) shortcuts[page.key] = { label: page.title, run: () => navigate(page.path) };
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
                        {t(page.title)}
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
            <Button kind="quiet" onClick={() => (helpShown.value = true)}>
              {t("shell.help")}
            </Button>
            <Button kind="quiet" onClick={() => void signOut().catch((error) => toast(errorText(error), "failed"))}>
              {t("shell.signOut")}
            </Button>
          </div>
        </section>
      </nav>
      <main id="main" class="main" tabIndex={-1}>
        {children}
      </main>
      {helpShown.value && <Help onClose={() => (helpShown.value = false)} />}
      <Toasts />
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
      onChange={(event) => setLanguage(event.currentTarget.value as Language)}
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
