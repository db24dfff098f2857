// The entry point of the console.
import { render } from "preact";
import { App } from "./app";
import { startLanguage } from "./i18n";
import { startRouter } from "./router";
import { loadSession } from "./session";
import { startTheme } from "./theme";
import { startFocus } from "./ui/focus";
import { startKeys } from "./ui/keys";

startTheme();
startRouter();
startKeys();
startFocus();
startLanguage().then(
  () => {
    render(<App />, document.body);
    void loadSession();
  },
  () => {
    document.body.textContent = "monban: can't load the page; refresh it. / ページを読み込めません。更新してください。";
  },
);
