// A passkey, on Chromium's virtual authenticator: created, used instead of the password, removed.
export default async (bench) => {
  const visitor = await bench.owner();
  const { page } = visitor;
  const devtools = await visitor.context.newCDPSession(page);
  await devtools.send("WebAuthn.enable");
  const { authenticatorId } = await devtools.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      protocol: "ctap2",
      transport: "internal",
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });

  await visitor.open("/account");
  await page.fill("[name=passkey]", "laptop");
  await page.keyboard.press("Enter");
  const panel = page.locator(".panel", { hasText: "Passkeys" });
  await panel.locator("td", { hasText: "laptop" }).waitFor();
  const { credentials } = await devtools.send("WebAuthn.getCredentials", { authenticatorId });
  bench.equal(credentials.length, 1);
  bench.equal(credentials[0].rpId, "localhost");

  await page.click("nav >> text=Sign out");
  await page.waitForURL("**/signin");
  await visitor.settled();
  await page.click("text=Sign in with a passkey");
  await page.waitForSelector(".shell");
  bench.equal(new URL(page.url()).pathname, "/");
  bench.ok((await visitor.text("nav")).includes("mika"), "signed in as the passkey's owner");

  await visitor.open("/account");
  await panel.locator("button", { hasText: "Remove" }).click();
  await page.locator("dialog .button.danger").click();
  await panel.locator("td", { hasText: "laptop" }).waitFor({ state: "detached" });

  // a removed passkey does not sign in
  await page.click("nav >> text=Sign out");
  await page.waitForURL("**/signin");
  await visitor.settled();
  visitor.expect("/api/session/passkey/finish");
  await page.click("text=Sign in with a passkey");
  await page.waitForSelector(".form-error:not(:empty)");
  bench.equal(await page.isVisible(".shell"), false);
};
