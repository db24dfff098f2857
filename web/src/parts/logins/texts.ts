// The texts of this part's pages.
import { texts } from "../../i18n";

export const TEXTS = texts({ en: () => import("./texts.en"), ja: () => import("./texts.ja") });
export const { t, has } = TEXTS;
