// A button that copies a text.
import { t } from "../i18n";
import { Button } from "./controls";
import { toast } from "./dialog";

/** Copies a text and says whether the browser allowed it. */
export async function copyText(text: string, done = t("ui.copied")): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    toast(done);
  } catch {
    toast(t("ui.notCopied"), "failed");
  }
}

export function CopyButton({ text, label }: { text: string; label: string }) {
  return (
    <Button kind="quiet" small onClick={() => void copyText(text)}>
      {label}
    </Button>
  );
}
