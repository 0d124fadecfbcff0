// The fleet as it is now: machines and sessions come and go, work and files move, questions wait; a lost connection heals.

import { ask, assert, look, loopsy, open, play, start, until } from "./stage.mjs";

await play(async ({ page }) => {
  const machines = page.getByTestId("machines");
  const row = (name) => machines.locator("tr, [role=row]").filter({ has: page.getByText(name, { exact: true }) });

  await open(page, "overview");
  await row("kai").getByText("Online", { exact: false }).waitFor();
  await row("leo/worker-1").waitFor();
  await look(page, "quiet");

  // A file on its way, with its rate.
  const sending = start("leo", "send", "kai", "-", "big.bin");
  const piece = Buffer.alloc(1 << 20, 7);
  let isOpen = true;
  const feed = () => isOpen && sending.stdin.write(piece, () => setTimeout(feed, 20));
  feed();
  await page.getByTestId("transfers").getByText("big.bin").waitFor();
  await page.getByTestId("transfers").getByText(/[kM]i?B\/s/).first().waitFor();

  // An agent that asks, and a command that runs.
  const prompt = `Ask me <fake>${JSON.stringify([{ tool: "Bash", input: { command: "echo x", description: "d" } }])}</fake>`;
  const { taskId } = await ask("leo", "POST", "/ai-tasks", { prompt });
  await page.getByTestId("waiting").getByText("Bash").first().waitFor();
  const running = start("kai", "exec", "leo", "sleep", "600");
  await until("the command is counted", async () => /[1-9]/.test(await page.getByTestId("number-jobs").textContent()));
  await look(page, "busy");
  running.kill("SIGINT");
  await ask("leo", "DELETE", `/ai-tasks/${taskId}`);
  await page.getByTestId("waiting").waitFor({ state: "detached" });
  isOpen = false;
  sending.stdin.end();
  await page.getByTestId("transfers").getByText("big.bin").waitFor({ state: "detached" });

  // Sessions come and go.
  await loopsy("leo", "session", "start", "worker-2");
  await row("leo/worker-2").waitFor();
  await loopsy("leo", "session", "stop", "worker-2");
  await until("it is shown as stopped", async () => /stopped|offline/i.test(await row("leo/worker-2").textContent().catch(() => "stopped")));

  // The daemon goes and comes back: told, and healed, without a reload.
  await page.evaluate(() => (globalThis.stillTheSamePage = true));
  await loopsy("leo", "stop");
  await row("leo").getByText("stopped").waitFor();
  assert.equal(await row("leo/main").count(), 0);
  await look(page, "down");
  await loopsy("leo", "start");
  await row("leo").getByText("online").waitFor();
  assert.equal(await page.evaluate(() => globalThis.stillTheSamePage), true);
});
