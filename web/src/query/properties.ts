// The properties of events: the names that a query may have, from the API.
import { get } from "../api/client";

/** A property of events, as the API describes it. */
export interface Property {
  name: string;
  /** The type of its values. An unknown type takes any text. */
  type: string;
  /** The gates whose events have it; empty for all gates. */
  gates: readonly string[];
  /** Help in the visitor's language. */
  help: string;
  /** Values to offer. */
  words: readonly string[];
  /** Whether to offer values of events, too. */
  seen: boolean;
}

let all: readonly Property[] = [];

/** Returns all properties, once {@link loadProperties} has loaded them. */
export function properties(): readonly Property[] {
  return all;
}

/** Returns the property of this name. */
export function propertyOf(name: string): Property | undefined {
  return all.find((property) => property.name === name);
}

/** Whether a value is a lower bound: larger numbers and worse severities match, too. */
export function isBound(name: string): boolean {
  const type = propertyOf(name)?.type;
  return type === "severity" || type === "minimum";
}

export function setProperties(properties: readonly Property[]): void {
  all = properties;
}

/** Loads the properties, with help in the visitor's language. */
export async function loadProperties(): Promise<void> {
  setProperties((await get<{ properties: Property[] }>("/api/properties")).properties);
}
