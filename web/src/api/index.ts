// Names for the API's objects. `types.ts` is generated from its description; types written in full here are not described there
// yet.
import type { components } from "./types";

type Schemas = components["schemas"];

/** `GET /healthz` */
export type Health = Schemas["Health"];
export type Finding = Schemas["Finding"];
/** `GET /api/properties/{name}/values` */
export type PropertyValues = Schemas["PropertyValues"];
/** `GET /api/parts` */
export type PartInfo = Schemas["Part"];
/** `GET /api/notices` */
export type Notices = Schemas["NoticesStatus"];
export type Channel = Schemas["ChannelStatus"];

/** A role: a viewer reads, an analyst also tunes, an owner may do everything. */
export type Role = Schemas["Role"];
export type Scope = Schemas["Scope"];
/** `GET /api/session` */
export type Session = Schemas["SignedIn"];
/** `POST /api/setup/check` */
export type LinkPurpose = Schemas["LinkPurpose"];
/** `GET /api/account` */
export type Account = Schemas["Own"];
/** `POST /api/account/totp` */
export type TotpBegun = Schemas["TotpBegun"];
/** `GET /api/account/sessions` */
export type Sessions = Schemas["Sessions"];
/** `GET /api/account/tokens` */
export type Tokens = Schemas["Tokens"];
/** `GET /api/users` */
export type Users = Schemas["Users"];
/** `GET /api/audit` */
export type AuditPage = Schemas["Entries"];

/** `GET /api/overview` */
export interface Overview {
  series: {
    time: string;
    requests?: number | null;
    events: number;
    blocked: number;
    detected: number;
    attacks_answered_below_400: number;
  }[];
  totals: {
    requests?: number | null;
    events: number;
    blocked: number;
    detected: number;
    attacks_answered_below_400: number;
  };
  top: {
    rules: { id: number; message: string; count: number }[];
    clients: { name: string; count: number }[];
    paths: { name: string; count: number }[];
    sites: { name: string; count: number }[];
    kinds: { gate: string; kind: string; count: number }[];
    facts: { name: string; count: number }[];
    countries?: { code: string; count: number }[] | null;
  };
  complete: boolean;
  counted_to?: string | null;
}

/** `POST /api/exclusions` */
export type NewExclusions = Schemas["NewExclusions"];
export type NewExclusion = Schemas["NewExclusion"];
export type AddedExclusions = Schemas["AddedExclusions"];
/** A warning about an exclusion. */
export type ExclusionWarning = Schemas["ExclusionWarning"];
/** A sign that a request is an attack. */
export type AttackSign = Schemas["AttackSign"];
/** `GET /api/rules/{id}` */
export type RuleText = Schemas["RuleText"];
/** `GET /api/events/{id}/exclusions` */
export type ExclusionProposals = Schemas["ExclusionProposals"];
export type ExclusionProposal = Schemas["ExclusionProposal"];
/** The scope of an exclusion. */
export type Exclusion = Schemas["Exclusion"];
/** `GET /api/replays/{id}` */
export type Replay = Schemas["ReplayShown"];
/** A request with a different outcome under the new rules. */
export type ChangedRequest = Schemas["Changed"];
/** `POST /api/replays` */
export type NewReplay = Partial<Schemas["NewReplay"]>;
/** `GET /api/exclusions` */
export type Exclusions = Schemas["Exclusions"];
export type ShownExclusion = Schemas["ShownExclusion"];
/** `GET /api/history` */
export type Changes = Schemas["Changes"];
export type Change = Schemas["Change"];
export type ChangedExclusion = Schemas["ChangedExclusion"];
/** `GET /api/learning` */
export type LearningSites = Schemas["LearningSites"];
export type SiteState = Schemas["SiteState"];
/** `GET /api/learning/{site}/proposals` */
export type LearnedProposals = Schemas["LearnedProposals"];
export type LearnedProposal = Schemas["LearnedProposal"];
/** `POST /api/exclusions/preview` */
export type ExclusionPreview = Schemas["Preview"];
