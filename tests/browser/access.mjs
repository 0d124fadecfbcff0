// Who is logged in: another device by a new link, and its end, which cuts what it has open; the theme; leaving.

import { arrived, assert, browser, enter, link, look, open, origin, play, until } from "./stage.mjs";

await play(async ({ page }) => {
  await open(page, "access");
  const rows = page.getByTestId("logins").locator("tbody tr");
  await until("one login", async () => (await rows.count()) === 1);

  // Another browser, by a link that this page makes.
  await page.getByRole("button", { name: /link/i }).first().click();
  const url = await page.getByTestId("link-url").textContent();
  assert.ok(url.startsWith(`${origin}/#link=`), url);
  await look(page, "link");
  const other = await browser();
  try {
    const second = await other.newPage();
    await second.goto(url.trim());
    await arrived(second);
    await page.getByRole("button", { name: "Refresh" }).click();
    await until("two logins", async () => (await rows.count()) === 2);
    await look(page, "logins");

    // Ended from here: its stream is cut, and it is shown the way in.
    await rows.nth(1).getByRole("button").click();
    await page.getByRole("dialog").getByRole("button", { name: "End it" }).click();
    await second.getByTestId("login").waitFor();
    await until("one login", async () => (await rows.count()) === 1);
  } finally {
    await other.close();
  }

  // A second tab comes in by a link of its own; what is open in another tab tells it nothing. The theme is kept.
  await page.getByText("Dark", { exact: true }).click();
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const dark = await background();
  const tab = await page.context().newPage();
  await tab.goto(origin);
  await tab.getByTestId("login").waitFor();
  await enter(tab);
  assert.equal(await tab.evaluate(() => getComputedStyle(document.body).backgroundColor), dark);
  await tab.close();
  await page.getByText("Light", { exact: true }).click();
  await until("it is light", async () => (await background()) !== dark);

  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByTestId("login").waitFor();
  await look(page, "login");
  await page.goto(await link());
  await arrived(page);
});
