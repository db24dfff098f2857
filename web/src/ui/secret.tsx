// Something that is shown once: a link, a token.
import { useState } from "preact/hooks";
import { t } from "../i18n";
import { Button } from "./controls";

export function Secret({ text, label }: { text: string; label: string }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    // only over HTTPS and on localhost; elsewhere one selects it by a click
    await navigator.clipboard.writeText(text);
    setCopied(true);
  };
  return (
    <div class="secret">
      <code aria-label={label}>{text}</code>
      {"clipboard" in navigator && (
        <Button onClick={() => void copy().catch(() => setCopied(false))}>{copied ? t("ui.copied") : t("ui.copy")}</Button>
      )}
    </div>
  );
}
