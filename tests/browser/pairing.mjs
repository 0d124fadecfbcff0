// A machine that nobody knew is paired from the page, on either side of the code; looked at, renamed, revoked, removed.

import { ask, assert, look, loopsy, open, play, settle, stage, start, until } from "./stage.mjs";

const end = await settle("mia");
try {
  await play(async ({ page }) => {
    const dialog = page.getByTestId("pair-dialog");
    const peer = (name) => page.getByTestId("peers").getByRole("link", { name, exact: true });
    const digits = async (locator) => (await locator.textContent()).replace(/\D/g, "");

    await open(page, "peers");
    await peer("kai").waitFor();
    await look(page, "list");

    // This page shows the code; mia types it.
    await page.getByRole("button", { name: "Pair", exact: true }).first().click();
    await look(page, "choose");
    await dialog.getByRole("button", { name: "Show a code" }).last().click();
    const code = await digits(dialog.getByTestId("pair-code"));
    assert.match(code, /^\d{6}$/);
    const typed = start("mia", "pair", stage.leo.address, "--code", code);
    const typedAll = new Promise((done) => typed.on("close", done));
    let shown = "";
    typed.stdout.on("data", (text) => (shown += text));
    await dialog.getByTestId("pair-sas").waitFor();
    await look(page, "digits");
    const sas = await digits(dialog.getByTestId("pair-sas"));
    typed.stdin.end("y\n");
    await dialog.getByRole("button", { name: "Yes, the same" }).click();
    await dialog.getByTestId("pair-done").waitFor();
    await typedAll;
    assert.equal(typed.exitCode, 0, shown);
    assert.match(sas, /^\d{6}$/);
    await dialog.getByRole("button", { name: "Done" }).click();
    await peer("mia").waitFor();
    assert.equal((await loopsy("leo", "exec", "mia", "echo", "hello")).trim(), "hello");

    // Its details; asked now; another name; its trust withdrawn; gone.
    await peer("mia").click();
    const details = page.getByTestId("peer-details");
    await details.getByTestId("fingerprint").waitFor();
    await look(page, "details");
    await details.getByRole("button", { name: /Rename/ }).click();
    await page.getByRole("dialog").getByRole("textbox").fill("mia-two");
    await page.getByRole("dialog").getByRole("button", { name: /Rename/ }).click();
    await peer("mia-two").waitFor();
    await details.getByRole("button", { name: /Revoke/ }).click();
    await page.getByRole("dialog").getByRole("button", { name: /Revoke|Withdraw/ }).click();
    await until("mia is not trusted any more", async () => {
      const { peers } = await ask("leo", "GET", "/peers");
      return peers.every((found) => found.hostname !== "mia" || !found.trusted);
    });
    await details.getByRole("button", { name: /Remove/ }).click();
    await page.getByRole("dialog").getByRole("button", { name: /Remove/ }).click();
    await peer("mia-two").waitFor({ state: "detached" });

    // Mia shows the code; a wrong one is refused in words; the right one is typed here; the digits are said to differ.
    await loopsy("mia", "peers", "remove", "leo");
    const waiting = start("mia", "pair", "--json");
    const told = await new Promise((done) => waiting.stdout.once("data", (text) => done(JSON.parse(text.toString().split("\n")[0]))));
    await page.getByRole("button", { name: "Pair", exact: true }).first().click();
    await dialog.getByText("Type a code").click();
    await dialog.getByLabel("Address or name of the other machine").fill(stage.mia.address);
    await dialog.getByLabel("Code that it shows").fill(told.inviteCode === "000000" ? "111111" : "000000");
    await dialog.getByRole("button", { name: "Connect" }).click();
    await dialog.getByRole("alert").waitFor();
    await look(page, "wrong-code");
    await dialog.getByRole("button", { name: "Begin again" }).click().catch(() => {});
    await dialog.getByText("Type a code").click();
    await dialog.getByLabel("Address or name of the other machine").fill(stage.mia.address);
    await dialog.getByLabel("Code that it shows").fill(told.inviteCode);
    await dialog.getByRole("button", { name: "Connect" }).click();
    await dialog.getByTestId("pair-sas").waitFor();
    await dialog.getByRole("button", { name: "No, they differ" }).click();
    await dialog.getByRole("alert").waitFor();
    await dialog.getByRole("button", { name: "Close", exact: true }).last().click();
    assert.ok((await ask("leo", "GET", "/peers")).peers.every((found) => found.hostname !== "mia" || !found.trusted));
    waiting.kill("SIGINT");
  });
} finally {
  await end();
}
