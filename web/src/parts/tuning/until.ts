// Until when an exclusion holds.
export const DAYS = ["7", "30", "90", "365"] as const;
/** Days from now, never, a day of one's own, or as it is. */
export type Choice = (typeof DAYS)[number] | "never" | "day" | "keep";

export interface Ends {
  choice: Choice;
  /** Of the choice `day`: 2027-01-31. */
  day: string;
}

/** Of a new exclusion: what it mends does not come back soon, and it is not there for ever. */
export const USUAL: Ends = { choice: "365", day: "" };

/** Days from now that the API takes at most. */
export const MOST_DAYS = 3_660;

/** The end as the API takes it; undefined where there is none yet. A day holds until it is over, where the browser is. */
export function endOf({ choice, day }: Ends, kept?: string | null): { expires_days?: number; expires?: string } | undefined {
  if (choice === "never") return {};
  if (choice === "keep") return kept ? { expires: kept } : {};
  if (choice !== "day") return { expires_days: Number(choice) };
  const end = new Date(`${day}T23:59:59`);
  return Number.isNaN(end.getTime()) || end.getTime() < Date.now() ? undefined : { expires: end.toISOString() };
}

/** The day so many days from now, as a field for days has it. */
export function dayFrom(days: number, now = new Date()): string {
  const then = new Date(now.getFullYear(), now.getMonth(), now.getDate() + days);
  const two = (part: number): string => String(part).padStart(2, "0");
  return `${then.getFullYear()}-${two(then.getMonth() + 1)}-${two(then.getDate())}`;
}
