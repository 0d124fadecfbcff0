// Terminals: a shell here and on a peer, full-screen programs, a resize, a second client with the same screen, lost and found.

import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ask, assert, enter, look, open, play, stage, until } from "./stage.mjs";
import { relay } from "./relay.mjs";

const way = await relay();
writeFileSync(join(stage.leo.folder, "long.txt"), Array.from({ length: 500 }, (_, number) => `line ${number + 1}`).join("\n"));

await play(async ({ page, context }) => {
  const screen = (at = page) => at.getByTestId("terminal-screen").filter({ visible: true });
  // What is on the screen, out of xterm's own rows.
  const text = (at = page) => screen(at).locator(".xterm-rows").innerText();
  const shows = (what, at = page) => until(`the screen shows ${what}`, async () => (await text(at)).includes(what));
  const attached = (at = page) => until("it is attached", async () => (await screen(at).getAttribute("data-state")) === "attached");
  const type = async (line) => {
    await page.keyboard.type(line);
    await page.keyboard.press("Enter");
  };
  const size = async (machine = "leo") => {
    const { terminals } = await ask(machine, "GET", "/terminals");
    return `${terminals[0].rows} ${terminals[0].cols}`;
  };

  await open(page, "terminal");
  await page.getByTestId("terminals").waitFor();
  await look(page, "empty");
  await page.getByTestId("terminal-new").click();
  await look(page, "form");
  await page.getByTestId("terminal-form").getByLabel("Command").fill("sh");
  await page.getByTestId("terminal-open").click();
  await attached();
  await type("echo say-$((40 + 2))");
  await shows("say-42");

  // The window is another size: so is the terminal, and the program knows.
  const resized = async (machine) => {
    const before = await size(machine);
    await page.setViewportSize({ width: 1000, height: 600 });
    await until("the terminal has another size", async () => (await size(machine)) !== before);
    await type("stty size");
    await shows(`\n${await size(machine)}\n`);
    await page.setViewportSize({ width: 1440, height: 900 });
  };
  await resized("leo");

  // A program that has the whole screen, through a resize; the old screen is there after it.
  await type(`less ${join(stage.leo.folder, "long.txt")}`);
  await shows("line 1\n");
  await page.keyboard.press("Shift+G");
  await shows("line 500");
  await page.setViewportSize({ width: 900, height: 700 });
  // It keeps its first line, and its prompt is on the last line of the screen.
  const rows = async () => (await text()).trimEnd().split("\n");
  await until("less has drawn itself anew", async () => {
    const drawn = await rows();
    return drawn.at(-1) === ":" && drawn.length === Number((await size()).split(" ")[0]);
  });
  const [first] = await rows();
  assert.match(first, /^line 4\d\d$/);
  await look(page, "less");

  // A second window sees the same, whatever was on the screen when it came.
  const [{ terminalId }] = (await ask("leo", "GET", "/terminals")).terminals;
  const second = await context.newPage();
  await second.setViewportSize({ width: 900, height: 700 });
  await enter(second);
  await open(second, `terminal/${terminalId}`);
  await attached(second);
  await shows(first, second);
  await until("both show the same", async () => (await text(second)).trim() === (await text()).trim());
  await second.close();
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.bringToFront();
  await screen().click();
  await page.keyboard.press("q");
  await shows("say-42");

  await type("vi -u NONE -N");
  await page.keyboard.press("i");
  await page.keyboard.type("typed into vi");
  await page.keyboard.press("Escape");
  await shows("typed into vi");
  await page.setViewportSize({ width: 700, height: 500 });
  await shows("typed into vi");
  await page.keyboard.type(":q!");
  await page.keyboard.press("Enter");
  await shows("say-42");
  await page.setViewportSize({ width: 1440, height: 900 });

  // The connection breaks off while a program works: that is told, the program goes on, and all is there afterwards.
  const [go, gone] = ["go", "gone"].map((name) => join(stage.leo.folder, name));
  await type(`echo beg-$((40 + 2))un; while [ ! -e ${go} ]; do sleep 0.1; done; echo mean-$((40 + 2))while; : > ${gone}`);
  await shows("beg-42un");
  const last = await text();
  assert.ok(way.cut() > 0, "the page goes another way");
  await until("the loss is told", async () => (await screen().getAttribute("data-state")) === "lost");
  await screen().getByRole("alert").filter({ hasText: "The program goes on there." }).waitFor();
  assert.equal(await text(), last);
  writeFileSync(go, "");
  await until("the program went on", () => existsSync(gone));
  assert.equal(await text(), last);
  way.mend();
  await attached();
  await shows("mean-42while");
  assert.ok((await text()).startsWith(last.trimEnd()), await text());
  assert.equal(await screen().getByRole("alert").count(), 0);
  await type("echo after-$((1 + 1))");
  await shows("after-2");

  // It ends with its exit code, in words.
  await type("exit 3");
  await until("it has exited", async () => (await screen().getAttribute("data-state")) === "exited");
  await page.getByText(/exit(ed)?.*3|3.*exit/i).first().waitFor();

  // On the peer, over TLS.
  await page.getByTestId("peer-picker").first().selectOption("kai");
  await page.getByTestId("terminal-new").click();
  await page.getByTestId("terminal-form").getByLabel("Command").fill("sh");
  await page.getByTestId("terminal-open").click();
  await attached();
  await type("echo $LOOPSY_DATA_DIR on-kai");
  await shows("on-kai");
  await until("kai has it", async () => (await ask("kai", "GET", "/terminals")).terminals.length === 1);
  await resized("kai");
  await look(page, "peer");
}, { hosts: way.hosts });
