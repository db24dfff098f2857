// The entry point of the console.
import { render } from "preact";
import { App } from "./app";
import { startLanguage } from "./i18n";
import { startRouter } from "./router";
import { loadSession } from "./session";
import { startTheme } from "./theme";
import { startKeys } from "./ui/keys";

startTheme();
startRouter();
startKeys();
startLanguage().then(
  () => {
    render(<App />, document.body);
    void loadSession();
  },
  () => {
    document.body.textContent = "monban: can't load the page; refresh it. / ページを読み込めません。更新してください。";
  },
);
