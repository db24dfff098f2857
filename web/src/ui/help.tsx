// The list of keyboard shortcuts.
import { t } from "../i18n";
import { Checkbox } from "./controls";
import { Dialog } from "./dialog";
import { activeShortcuts, keysEnabled, setKeysEnabled } from "./keys";

export function Help({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title={t("help.title")} onClose={onClose}>
      <dl class="keys">
        {activeShortcuts().map(({ keys, label }) => (
          <div key={keys}>
            <dt>
              {keys.split(" ").map((key, index) => (
                <kbd key={index}>{key}</kbd>
              ))}
            </dt>
            <dd>{label}</dd>
          </div>
        ))}
      </dl>
      <Checkbox label={t("help.enabled")} checked={keysEnabled.value} onChecked={setKeysEnabled} />
      <p class="note">{t("help.note")}</p>
    </Dialog>
  );
}
