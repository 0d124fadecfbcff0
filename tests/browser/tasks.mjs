// AI tasks: an agent is put to work here and on a peer; watched, asked, allowed, denied, edited, told more, remembered, interrupted, ended.

import { ask, assert, look, open, play, until } from "./stage.mjs";

const script = (...steps) => `<fake>${JSON.stringify(steps)}</fake>`;
const bash = (command, more = {}) => ({ tool: "Bash", input: { command, description: "d" }, ...more });

await play(async ({ page }) => {
  const status = () => page.getByTestId("task-status").getAttribute("data-status");
  const becomes = (wanted) => until(`the task is ${wanted}`, async () => (await status()) === wanted);
  const dispatch = async (prompt, choose = async () => {}) => {
    await page.getByTestId("task-new").click();
    const form = page.getByTestId("task-form");
    await form.getByLabel("Prompt").fill(prompt);
    await choose(form);
    await page.getByTestId("task-dispatch").click();
    await page.getByTestId("task").waitFor();
  };
  const task = page.getByTestId("task");
  // The task that is open, as the daemon has it.
  const told = () => ask("leo", "GET", `/ai-tasks/${decodeURIComponent(new URL(page.url()).hash.replace(/^#\/tasks\/([^?]*).*$/, "$1"))}`);
  const asksFor = (command) => task.getByTestId("task-ask").filter({ hasText: command }).waitFor();

  await open(page, "tasks");
  await page.getByText("No tasks yet").waitFor();
  await look(page, "empty");
  await page.getByTestId("task-new").click();
  await look(page, "form");
  await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();

  // One with everything: words, thoughts, a tool that asks; allowed.
  const words = "# Plan\n\n- one\n- **two**\n\n```js\nlet x = 1 < 2;\n```\n\nSee [the page](https://example.org/).";
  await dispatch(`Build it ${script({ think: "Let me see." }, { text: words }, bash("echo it-ran > made"), { text: "{{last}} Finished." })}`);
  await becomes("waiting_approval");
  await task.getByText("echo it-ran").first().waitFor();
  await look(page, "asks");
  await page.getByTestId("task-approve").click();
  await becomes("completed");
  await task.getByText("Finished.").first().waitFor();
  assert.equal(await task.getByRole("heading", { name: "Plan" }).count(), 1);
  assert.match(await task.getByRole("link", { name: "the page" }).getAttribute("rel"), /noopener/);
  await look(page, "completed");

  assert.equal((await told()).cost, 0.25);
  await task.locator(".task-head").getByText("$0.25", { exact: true }).waitFor();

  // Told more: the same session goes on.
  const tell = async (prompt) => {
    await page.getByTestId("task-prompt").fill(prompt);
    await page.getByTestId("task-tell").click();
  };
  await tell(`And now ${script({ text: "More was done." })}`);
  await task.getByText("More was done.").first().waitFor();
  await becomes("completed");

  // Allowed for the session: the same is not asked again, neither in this turn nor in the next; something else is.
  const rule = { type: "addRules", rules: [{ toolName: "Bash", ruleContent: "echo same" }], behavior: "allow", destination: "localSettings" };
  const wider = { type: "setMode", mode: "acceptEdits", destination: "session" };
  const same = bash("echo same", { suggest: [wider, rule] });
  await dispatch(`Twice ${script(same, same, bash("echo other"), { text: "Twice and other." })}`);
  await becomes("waiting_approval");
  await asksFor("echo same");
  const remember = page.getByTestId("task-remember");
  const offers = await remember.getByRole("option").allTextContents();
  assert.equal(offers.filter((offer) => offer.startsWith("For this session: ")).length, 2, offers.join("\n"));
  const [narrow] = offers.filter((offer) => offer.includes("echo same"));
  assert.ok(!narrow.endsWith("(allows more)") && offers.some((offer) => offer.endsWith("(allows more)")), offers.join("\n"));
  await remember.selectOption({ label: narrow });
  await task.getByText("From then on it may without asking").waitFor();
  await look(page, "remember");
  await page.getByTestId("task-approve").click();
  await asksFor("echo other");
  await page.getByTestId("task-approve").click();
  await becomes("completed");
  await task.getByText("Twice and other.").first().waitFor();
  await tell(`Again ${script(same, { text: "Without asking." })}`);
  await task.getByText("Without asking.").first().waitFor();
  await becomes("completed");

  // Denied, with a reason that the agent hears.
  await dispatch(`Drop it ${script(bash("echo no > no"), { text: "Heard: {{last}}" })}`);
  await becomes("waiting_approval");
  await page.getByTestId("task-deny").click();
  await page.getByTestId("task-deny-reason").fill("Not on a Friday");
  await page.getByTestId("task-deny-send").click();
  await becomes("completed");
  await task.getByText(/Heard: .*Not on a Friday/).first().waitFor();

  // Edited: another command runs than was asked for. First what is no JSON.
  await dispatch(`Change it ${script(bash("echo first"), { text: "Ran: {{last}}" })}`);
  await becomes("waiting_approval");
  await page.getByTestId("task-edit-input").click();
  await page.getByTestId("task-input").fill("{no");
  await page.getByTestId("task-input-send").click();
  await task.getByText("That is not JSON").waitFor();
  await page.getByTestId("task-input").fill('{"command":"echo second","description":"d"}');
  await page.getByTestId("task-input-send").click();
  await becomes("completed");
  await task.getByText("Ran: second").first().waitFor();

  // Two questions at once; a question that others answer goes away by itself.
  await dispatch(`Both ${script({ together: [bash("echo a"), bash("echo b")] }, { text: "Both done." })}`);
  await until("two questions", async () => (await page.getByTestId("task-approve").count()) === 2);
  await look(page, "two-questions");
  const { taskId: id, pendingApprovals: [first] } = await told();
  await ask("leo", "POST", `/ai-tasks/${id}/approve`, { requestId: first.requestId, approved: true });
  await until("one question is left", async () => (await page.getByTestId("task-approve").count()) === 1);
  await page.getByTestId("task-approve").click();
  await becomes("completed");

  // On the peer; interrupted there, then cancelled.
  await dispatch(`Wait ${script({ text: "Waiting on kai." }, { hang: true })}`, async (form) => {
    await form.getByTestId("peer-picker").selectOption("kai");
  });
  await task.getByText("Waiting on kai.").first().waitFor();
  const there = await ask("kai", "GET", "/ai-tasks");
  assert.equal(there.tasks[0].peer, "leo");
  await page.getByTestId("task-interrupt").click();
  await until("it was interrupted", async () => (await ask("kai", "GET", "/ai-tasks")).tasks[0].status !== "running");
  await until("that is shown", async () => !["running", "pending"].includes(await status()));

  // What can't be is told in a line.
  await page.getByTestId("task-new").click();
  await page.getByLabel("Prompt").fill("x");
  await page.getByLabel("Folder").fill("/nowhere/at/all");
  await page.getByTestId("task-dispatch").click();
  await page.getByTestId("task-form").getByRole("alert").waitFor();
  await look(page, "refused");
});
