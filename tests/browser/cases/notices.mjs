// Notification channels: one that works and one that fails; both are tested by their button.
export default async (bench) => {
  const visitor = await bench.owner();
  const { page } = visitor;
  await visitor.open("/notices");
  for (const [name, told] of [
    ["hook", "Test sent."],
    ["dead", "Test failed"],
  ]) {
    await page.click(`[aria-label='Send test: ${name}']`);
    const panel = page.locator(".panel", { has: page.locator("h2", { hasText: new RegExp(`^${name} `) }) });
    await panel.locator("[role=status]", { hasText: told }).waitFor();
    bench.ok((await panel.innerText()).includes(told), name);
  }
};
