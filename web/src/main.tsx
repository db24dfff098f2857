// The console's program: everything starts here.
import "./style/main.css";
import { render } from "preact";
import { App } from "./app";
import { startLanguage } from "./i18n";
import { startRouter } from "./router";
import { loadSession } from "./session";
import { startTheme } from "./theme";
import { startKeys } from "./ui/keys";

startTheme();
startLanguage();
startRouter();
startKeys();
render(<App />, document.body);
void loadSession();
