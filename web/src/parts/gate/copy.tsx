// Copies a request as a command for curl.
import { useMemo } from "preact/hooks";
import { Button, toast, useKeys } from "../../ui";
import type { EventProps } from "../part";
import { curl } from "./evidence/curl";
import { t } from "./texts";

export default function CopyAsCurl({ event }: EventProps) {
  const command = useMemo(() => curl(event), [event]);
  const copy = async (): Promise<void> => {
    if (!command) return;
    try {
      await navigator.clipboard.writeText(command.command);
      toast(t("ui.copied"));
    } catch {
      toast(t("ui.notCopied"), "failed");
    }
  };
  useKeys({ c: { label: t("request.copyCurl"), run: () => void copy() } });
  if (!command) return null;
  return (
    <Button kind="quiet" onClick={() => void copy()}>
      {t("request.copyCurl")}
    </Button>
  );
}
