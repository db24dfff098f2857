// A secret that is shown once: a link, a token.
import { useState } from "preact/hooks";
import { Button } from "../../ui/controls";
import { t } from "./texts";

export function Secret({ text, label }: { text: string; label: string }) {
  return (
    <div class="secret">
      <code aria-label={label}>{text}</code>
      <Copy text={text} />
    </div>
  );
}

/** A button that copies a text. Browsers allow it only over HTTPS and on localhost; elsewhere there is no button. */
export function Copy({ text }: { text: string }) {
  const [copied, setCopied] = useState(false);
  if (!("clipboard" in navigator)) return null;
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
  };
  return <Button onClick={() => void copy().catch(() => setCopied(false))}>{copied ? t("ui.copied") : t("ui.copy")}</Button>;
}
