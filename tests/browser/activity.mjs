// The audit log as it grows: found by words, by caller, by what was denied; a record in all its detail.

import { ask, look, loopsy, open, play, until } from "./stage.mjs";

await play(async ({ page }) => {
  const log = page.getByTestId("activity");
  const line = (text) => log.getByText(text).filter({ visible: true }).first();
  await open(page, "activity");
  await loopsy("kai", "exec", "leo", "echo", "find-me");
  await line("echo").waitFor();
  await look(page, "log");

  await page.getByLabel("Filter").fill("find-me-not");
  await page.getByText("No request matches").waitFor();
  await page.getByLabel("Filter").fill("");
  await page.getByTestId("caller").selectOption("kai");
  await until("only kai's requests are shown", async () => !(await log.textContent()).includes("owner"));
  await page.getByTestId("caller").selectOption("");

  await ask("kai", "POST", "/execute", { command: "mkfs.ext4" }, { peer: "leo" }).catch(() => {});
  await page.getByLabel("Denied only").check();
  await line("mkfs.ext4").waitFor();
  await until("only what was denied is shown", async () => !(await log.textContent()).includes("echo"));
  await log.getByRole("row").filter({ hasText: "mkfs.ext4" }).first().locator("[data-primary]").click();
  await page.getByTestId("activity-details").getByText("3001").first().waitFor();
  await look(page, "details");
});
