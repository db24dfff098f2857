// The expiry of an exclusion.
export const DAYS = ["7", "30", "90", "365"] as const;
/** A number of days, never, a chosen day, or unchanged. */
export type Choice = (typeof DAYS)[number] | "never" | "day" | "keep";

export interface Ends {
  choice: Choice;
  /** The day of the choice `day`, such as 2027-01-31. */
  day: string;
}

/** The default of a new exclusion: long enough for most false positives, but not forever. */
export const USUAL: Ends = { choice: "365", day: "" };

/** Most days from now that the API accepts. */
export const MOST_DAYS = 3_660;

/** Returns the expiry for the API; undefined while it is incomplete. A day counts until its end in the browser's time zone. */
export function endOf({ choice, day }: Ends, kept?: string | null): { expires_days?: number; expires?: string } | undefined {
  if (choice === "never") return {};
  if (choice === "keep") return kept ? { expires: kept } : {};
  if (choice !== "day") return { expires_days: Number(choice) };
  const end = new Date(`${day}T23:59:59`);
  return Number.isNaN(end.getTime()) || end.getTime() < Date.now() ? undefined : { expires: end.toISOString() };
}

/** Returns the day in `days` days, in the format of a date field. */
export function dayFrom(days: number, now = new Date()): string {
  const then = new Date(now.getFullYear(), now.getMonth(), now.getDate() + days);
  const two = (part: number): string => String(part).padStart(2, "0");
  return `${then.getFullYear()}-${two(then.getMonth() + 1)}-${two(then.getDate())}`;
}
