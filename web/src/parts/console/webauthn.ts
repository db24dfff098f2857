// Passkeys: conversion between the API's JSON and the browser's objects.

/** Asks for a passkey to sign in with; null if the visitor used none. */
export async function getCredential(options: PublicKeyCredentialRequestOptionsJSON): Promise<unknown> {
  return asked(() =>
    navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) }),
  );
}

/** Creates a passkey; null if the visitor declined. */
export async function createCredential(options: PublicKeyCredentialCreationOptionsJSON): Promise<unknown> {
  return asked(() =>
    navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) }),
  );
}

/** Returns whether the browser supports passkeys here: only over HTTPS and on localhost. */
export function hasPasskeys(): boolean {
  return typeof PublicKeyCredential === "function" && "parseRequestOptionsFromJSON" in PublicKeyCredential;
}

async function asked(ask: () => Promise<Credential | null>): Promise<unknown> {
  if (!hasPasskeys()) return null;
  try {
    const credential = await ask();
    return credential instanceof PublicKeyCredential ? credential.toJSON() : null;
  } catch (error) {
    // declined, timed out, or already registered
    if (error instanceof DOMException) return null;
    throw error;
  }
}
