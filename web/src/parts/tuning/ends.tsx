// The field for the expiry of an exclusion.
import { date } from "../../i18n";
import { Input, Select } from "../../ui";
import { type Choice, dayFrom, DAYS, type Ends, MOST_DAYS } from "./until";
import { t } from "./texts";

export function EndsField({ ends, onEnds, kept }: { ends: Ends; onEnds: (ends: Ends) => void; kept?: string | null | undefined }) {
  const label = (choice: Choice): string => {
    if (choice === "never") return t("exclude.never");
    if (choice === "day") return t("exclude.onDay");
    if (choice === "keep") return kept ? t("exclude.keep", { date: date(kept) }) : t("exclude.never");
    return choice === "365" ? t("exclude.year") : t("exclude.days", { n: Number(choice) });
  };
  const choices: Choice[] = [...(kept ? (["keep"] as const) : []), ...DAYS, "day", "never"];
  return (
    <div class="ends">
      <Select<Choice>
        label={t("exclude.expires")}
        value={ends.choice}
        onValue={(choice) => onEnds({ choice, day: ends.day || dayFrom(90) })}
        options={choices.map((value) => ({ value, label: label(value) }))}
      />
      {ends.choice === "day" && (
        <Input
          label={t("exclude.lastDay")}
          type="date"
          value={ends.day}
          onValue={(day) => onEnds({ choice: "day", day })}
          min={dayFrom(0)}
          max={dayFrom(MOST_DAYS - 1)}
          required
        />
      )}
    </div>
  );
}
