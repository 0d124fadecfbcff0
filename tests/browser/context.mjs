// The store: made, seen live, edited without losing what another wrote, expired, removed; here and on a peer.

import { ask, assert, look, loopsy, open, play, until } from "./stage.mjs";

await play(async ({ page }) => {
  const key = (name) => page.getByTestId("context").getByRole("link", { name, exact: true });
  const value = page.getByTestId("context-value");

  await open(page, "context");
  await page.getByText("Nothing is stored here").waitFor();
  await look(page, "empty");

  await page.getByTestId("context-new").click();
  await page.getByLabel("Key", { exact: true }).fill("build/status");
  await page.getByLabel("Value", { exact: true }).fill("green");
  await page.getByTestId("context-create").click();
  await value.waitFor();
  assert.equal(await value.textContent(), "green");
  assert.equal((await loopsy("leo", "context", "get", "build/status")).trim(), "green");

  // A second entry of the same key is refused, in words.
  await page.getByTestId("context-new").click();
  await page.getByLabel("Key", { exact: true }).fill("build/status");
  await page.getByTestId("context-create").click();
  await page.getByTestId("context-new-entry").getByRole("alert").waitFor();
  await page.getByRole("button", { name: "Cancel" }).click();

  // Live: what others write is there by itself, in the list and in what is open.
  await key("build/status").click();
  await loopsy("leo", "context", "set", "build/status", "red");
  await until("the new value is shown", async () => (await value.textContent()) === "red");
  await loopsy("leo", "context", "set", "build/log", '{"lines":[1,2,3],"ok":true}');
  await key("build/log").click();
  await until("JSON is indented", async () => (await value.textContent()).includes('  "ok": true'));
  await look(page, "entry");

  // What was written meanwhile is not written over unseen.
  await key("build/status").click();
  await page.getByTestId("context-edit").click();
  await page.getByTestId("context-form").getByLabel("Value").fill("mine");
  await loopsy("leo", "context", "set", "build/status", "theirs");
  await page.getByText("It was written meanwhile").waitFor();
  await page.getByTestId("context-save").click();
  await page.getByTestId("context-conflict").waitFor();
  await look(page, "conflict");
  assert.equal((await loopsy("leo", "context", "get", "build/status")).trim(), "theirs");
  await page.getByTestId("context-mine").click();
  await until("mine is written", async () => (await loopsy("leo", "context", "get", "build/status")).trim() === "mine");

  // Known fault 63: a search by prefix is one.
  await loopsy("leo", "context", "set", "other", "1");
  await key("other").waitFor();
  await page.getByTestId("context-search").fill("build/");
  await key("other").waitFor({ state: "detached" });
  await key("build/log").waitFor();
  await page.getByTestId("context-search").fill("");
  await key("other").waitFor();

  // What expires goes by itself.
  await loopsy("leo", "context", "set", "brief", "x", "--ttl", "2s");
  await key("brief").click();
  await page.getByText("Its time has ended.").waitFor();
  await key("brief").waitFor({ state: "detached" });

  await key("other").click();
  await page.getByTestId("context-entry").getByRole("button", { name: "More" }).click();
  await page.getByRole("menuitem", { name: "Remove…" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
  await key("other").waitFor({ state: "detached" });

  // The peer's store, through the own daemon; then the session's.
  await page.getByTestId("peer-picker").selectOption("kai");
  await page.getByText("Nothing is stored here").waitFor();
  await ask("kai", "PUT", "/context/on-kai", { value: "of kai" });
  await key("on-kai").click();
  await until("the peer's value is shown", async () => (await value.textContent()) === "of kai");
  await page.getByTestId("context-edit").click();
  await page.getByTestId("context-form").getByLabel("Value").fill("from leo");
  await page.getByTestId("context-save").click();
  await until("the peer has it", async () => (await ask("kai", "GET", "/context/on-kai")).value === "from leo");
  await loopsy("leo", "--session", "worker-1", "context", "set", "of-worker", "1");
  await page.getByTestId("daemon-picker").selectOption("worker-1");
  await key("of-worker").waitFor();
});
