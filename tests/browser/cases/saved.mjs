// A saved query with a period: another user can choose it, but not remove it.
export default async (bench) => {
  for (const path of ["/one", "/two"]) await bench.attack(`${path}?q=%3Cscript%3E1`);
  const visitor = await bench.owner();
  const { page } = visitor;
  await visitor.events(2);
  await visitor.open("/events");
  await page.getByText("2 events", { exact: true }).waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type("since=2h /two");
  await page.keyboard.press("Enter");
  await page.getByText("1 event", { exact: true }).waitFor();
  bench.equal(new URL(page.url()).search, "?since=2h&text=%2Ftwo");
  await page.getByRole("button", { name: "Saved queries" }).click();
  await page.getByLabel("Query name").fill("two");
  await page.getByLabel("Share with everyone").check();
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.locator(".saved-choice", { hasText: "two" }).waitFor();

  // a viewer finds it, but can't remove it
  const { body } = await visitor.api("POST", "/api/users", { user: "jun", role: "viewer" });
  const other = await bench.visitor();
  await other.setUp(body.link, { user: "jun", password: "another long sentence" });
  await other.open("/events");
  await other.page.getByRole("button", { name: "Saved queries" }).click();
  await other.page.locator(".saved-choice", { hasText: "two" }).waitFor();
  bench.equal(await other.page.getByRole("button", { name: "Remove saved query" }).count(), 0);
  await other.page.locator(".saved-choice", { hasText: "two" }).click();
  await other.page.getByText("1 event", { exact: true }).waitFor();
  bench.equal(new URL(other.page.url()).search, "?since=2h&text=%2Ftwo");
  bench.equal(await other.page.locator(".event-row").count(), 1);
};
