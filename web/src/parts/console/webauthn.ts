// Passkeys: between the API's JSON and the browser's objects.

/** Asks for a passkey with which to sign in; null where the visitor gave none. */
export async function getCredential(options: PublicKeyCredentialRequestOptionsJSON): Promise<unknown> {
  return asked(() =>
    navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) }),
  );
}

/** Has a new passkey made; null where the visitor declined. */
export async function createCredential(options: PublicKeyCredentialCreationOptionsJSON): Promise<unknown> {
  return asked(() =>
    navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) }),
  );
}

/** Whether this browser has passkeys at all: only over HTTPS and on localhost. */
export function hasPasskeys(): boolean {
  return typeof PublicKeyCredential === "function" && "parseRequestOptionsFromJSON" in PublicKeyCredential;
}

async function asked(ask: () => Promise<Credential | null>): Promise<unknown> {
  if (!hasPasskeys()) return null;
  try {
    const credential = await ask();
    return credential instanceof PublicKeyCredential ? credential.toJSON() : null;
  } catch (error) {
    // declined, timed out, or known already
    if (error instanceof DOMException) return null;
    throw error;
  }
}
