// AI tasks: an agent is put to work here and on a peer; watched, asked, allowed, denied, edited, told more, interrupted, ended.

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

  // Told more: the same session goes on.
  await page.getByTestId("task-prompt").fill(`And now ${script({ text: "More was done." })}`);
  await page.getByTestId("task-tell").click();
  await task.getByText("More was done.").first().waitFor();
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
  const id = decodeURIComponent(new URL(page.url()).hash.replace(/^#\/tasks\/([^?]*).*$/, "$1"));
  const [first] = (await ask("leo", "GET", `/ai-tasks/${id}`)).pendingApprovals;
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
