// The API's objects by name.

/** Who may do what: a viewer reads, an analyst tunes as well, an owner does all. */
export type Role = "viewer" | "analyst" | "owner";

/** `GET /api/session` */
export interface Session {
  user: string;
  role: Role;
  csrf: string;
  second_factor: boolean;
  passkeys: number;
}
