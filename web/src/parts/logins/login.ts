// The evidence of a login's event, as crates/login writes it.
import { type Event } from "../../api/event";
import type { components } from "../../api/types";
import { has, t } from "./texts";

/** `GET /api/logins` */
export type LoginsNow = components["schemas"]["LoginsNow"];

export interface Login {
  service: string;
  via?: string;
  method?: string;
  key?: { algorithm: string; fingerprint: string; comment?: string };
  country?: string;
  network?: string;
  terminal?: string;
  new?: string[];
  seconds?: number;
  tries?: number;
  first?: string;
  last?: string;
  users?: { user: string; tries: number }[];
  other_users?: number;
  sources?: number;
  banned?: boolean;
  target?: string;
  command?: string;
  reason?: string;
  line?: string;
  uid?: number;
}

/** Returns the evidence of a login; an empty one for another event. */
export function loginOf(event: Event): Login {
  return (event.evidence?.login as Login | undefined) ?? { service: "" };
}

/** Returns a text of this part; the word of the API if none fits, as a later version may send it. */
const known = (key: string, word: string): string => (has(key) ? t(key) : word);

/** Returns the name of a method of authentication. */
export const methodText = (word: string): string => known(`method.${word}`, word);

/** Returns the name of something that is new for a user. */
export const newText = (word: string): string => known(`new.${word}`, word);

/** Returns the name of the origin of a report. */
export const viaText = (word: string): string => known(`via.${word}`, word);
