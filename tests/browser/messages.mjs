// Messages: to a peer and from it, acknowledged on either side, answered, sent to everybody, kept while a machine is away.

import { ask, assert, look, open, play, until } from "./stage.mjs";

await play(async ({ page }) => {
  const thread = (name) => page.getByTestId("messages").getByRole("link", { name, exact: true });
  const letter = (text) => page.getByTestId("letter").filter({ hasText: text });
  const state = (text) => letter(text).getByTestId("message-state").getAttribute("data-state");

  await open(page, "messages");
  await thread("kai").click();
  await look(page, "empty");

  await page.getByLabel("Subject").fill("Release");
  await page.getByTestId("compose-text").fill("Shall we?");
  await page.getByTestId("compose-send").click();
  await until("it is delivered", async () => (await state("Shall we?")) === "delivered");

  // Kai reads it and acknowledges; that is seen without asking.
  const inbox = await ask("kai", "GET", "/messages/inbox");
  assert.equal(inbox.messages[0].body, "Shall we?");
  await ask("kai", "POST", `/messages/${inbox.messages[0].id}/ack`);
  await until("it is acknowledged", async () => (await state("Shall we?")) === "acked");

  await ask("kai", "POST", "/messages", { to: "leo", body: "Yes, **now**.", type: "response", replyTo: inbox.messages[0].id });
  await letter("Yes, **now**.").waitFor();
  await page.getByRole("strong").getByText("1 unread").waitFor();
  await look(page, "thread");
  await letter("Yes, **now**.").getByTestId("message-ack").click();
  await until("kai knows", async () => (await ask("kai", "GET", "/messages/outbox")).messages[0].to[0].state === "acked");
  await page.getByText("Nothing unread").waitFor();

  await letter("Yes, **now**.").getByTestId("message-reply").click();
  await page.getByTestId("compose-text").fill("Done.");
  await page.keyboard.press("Control+Enter");
  await until("the answer is there", async () => (await ask("kai", "GET", "/messages/inbox")).messages.length === 1);
  assert.ok((await ask("kai", "GET", "/messages/inbox")).messages[0].replyTo);

  // To everybody: each recipient has a state.
  await page.getByTestId("messages").getByRole("link", { name: /^(Everybody|Everyone|All)/ }).click();
  await page.getByTestId("compose-text").fill("To all of you");
  await page.getByTestId("compose-send").click();
  await page.getByRole("dialog").getByRole("button", { name: "Send to all" }).click();
  await letter("To all of you").waitFor();
  await until("kai has it", async () => (await ask("kai", "GET", "/messages/inbox")).messages.length === 2);
  await look(page, "everybody");
});
