// Everything by keyboard: the way to each view, the skip link, the search, a dialog that keeps the focus and gives it back, and work that is done without a mouse.

import { arrived, ask, assert, open, play, until } from "./stage.mjs";

const VIEWS = { o: "overview", p: "peers", c: "context", m: "messages", t: "tasks", x: "terminal", a: "activity", s: "access" };
/** Steps within which Tab gets to anything. */
const FAR = 80;

await play(async ({ page }) => {
  const focused = () => page.evaluate(() => ({ tag: document.activeElement.tagName, text: document.activeElement.textContent.trim().slice(0, 80), label: document.activeElement.getAttribute("aria-label") }));
  const jump = async (key) => {
    await until(`g ${key} leads to ${VIEWS[key]}`, async () => {
      if (new URL(page.url()).hash.startsWith(`#/${VIEWS[key]}`)) return true;
      // On a busy machine the second may come too late to belong to the first.
      await page.keyboard.press("g");
      await page.keyboard.press(key);
      return false;
    });
    await arrived(page);
  };
  for (const key of Object.keys(VIEWS)) {
    await jump(key);
  }

  // The first stop is the way past the navigation.
  await page.reload();
  await arrived(page);
  await page.keyboard.press("Tab");
  assert.match((await focused()).text, /skip/i);
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.querySelector("main").contains(document.activeElement)), true);

  // Every control that is there now is reached by Tab alone, and can be seen to have the focus.
  const walk = async (view) => {
    const wanted = await page.evaluate(() => {
      const isSeen = (element) => element.checkVisibility({ checkVisibilityCSS: true }) && element.getClientRects().length > 0;
      const all = [...document.querySelectorAll("a[href], button, input, select, textarea, summary")];
      // Of radio buttons that belong together Tab gets to one, and arrows to the others.
      const group = ({ name }) => all.filter((element) => element.type === "radio" && element.name === name);
      const isStop = (element) => element.type !== "radio" || element === (group(element).find((one) => one.checked) ?? group(element)[0]);
      const some = all.filter((element) => isSeen(element) && !element.disabled && element.tabIndex >= 0 && isStop(element));
      document.querySelectorAll("[data-stop]").forEach((element) => element.removeAttribute("data-stop"));
      some.forEach((element, index) => element.setAttribute("data-stop", index));
      return some.length;
    });
    await page.evaluate(() => document.activeElement.blur());
    const reached = new Set();
    for (let step = 0; step < wanted * 2 + 20 && reached.size < wanted; step += 1) {
      await page.keyboard.press("Tab");
      const stop = await page.evaluate(() => {
        const element = document.activeElement;
        const box = element.closest("[data-stop]");
        // A row may show the focus of the link in it.
        const shows = (at, part) => {
          const { outlineStyle, boxShadow, content } = getComputedStyle(at, part);
          return (outlineStyle !== "none" || boxShadow !== "none") && (!part || content !== "none");
        };
        const around = [element, element.parentElement, element.parentElement?.parentElement, element.closest("[data-row], [data-index]")];
        const isSeen = around.some((at) => at && (shows(at) || shows(at, "::after")));
        return box && { stop: box.dataset.stop, isSeen };
      });
      if (stop) {
        assert.ok(stop.isSeen, `${view}: a stop without a visible focus: ${JSON.stringify(await focused())}`);
        reached.add(stop.stop);
      }
    }
    const missed = await page.evaluate(
      (reached) => [...document.querySelectorAll("[data-stop]")].filter((element) => !reached.includes(element.dataset.stop)).map((element) => element.outerHTML.slice(0, 120)),
      [...reached],
    );
    assert.ok(missed.length === 0 || reached.size >= wanted, `${view}: not reached: ${missed.join("\n")}`);
  };
  for (const view of Object.values(VIEWS)) {
    await open(page, view);
    await page.waitForTimeout(300);
    await walk(view);
  }

  // From here on with something in the views, and no mouse.
  const tabTo = async (target, key = "Tab") => {
    for (let step = 0; step < FAR; step += 1) {
      if (await target.evaluate((element) => element === document.activeElement)) {
        return;
      }
      await page.keyboard.press(key);
    }
    assert.fail(`not reached by ${key}: ${target}; the focus is on ${JSON.stringify(await focused())}`);
  };
  const choose = async (target) => {
    await target.waitFor();
    await tabTo(target);
    await page.keyboard.press("Enter");
  };

  // A question of an agent's: one of its answers by the arrows, one in words.
  const questions = [
    { question: "Which store?", header: "Store", options: [{ label: "sqlite", description: "small" }, { label: "postgres", description: "large" }], multiSelect: false },
    { question: "What name?", header: "Name", options: [], multiSelect: false },
  ];
  const steps = [{ tool: "AskUserQuestion", input: { questions } }, { text: "It said: {{last}}" }];
  const { taskId } = await ask("leo", "POST", "/ai-tasks", { prompt: `<fake>${JSON.stringify(steps)}</fake>`, name: "asker" });
  await jump("t");
  await choose(page.getByTestId("tasks").getByRole("link", { name: "asker", exact: true }));
  const question = page.getByTestId("task-ask");
  await question.waitFor();
  await walk("a task that asks");
  await tabTo(question.getByRole("radio").first());
  await page.keyboard.press("ArrowDown");
  assert.ok(await question.getByRole("radio", { name: "postgres" }).isChecked());
  await tabTo(question.getByLabel("Another answer").last());
  await page.keyboard.type("shop");
  await choose(page.getByTestId("task-answer"));
  await until("the task is done", async () => (await ask("leo", "GET", `/ai-tasks/${taskId}`)).status === "completed");
  const { result } = await ask("leo", "GET", `/ai-tasks/${taskId}`);
  assert.match(result, /"Which store\?":"postgres"/);
  assert.match(result, /"What name\?":"shop"/);
  await page.getByTestId("task").getByText("It said:").first().waitFor();
  await page.getByTestId("task-prompt").waitFor();
  await until("the focus is still with the task", () => page.evaluate(() => document.activeElement.closest('[data-testid="task"]') !== null));
  await walk("a task that is done");

  // A peer's details: opened from the list, done something with, closed; the focus is where it was.
  await jump("p");
  const kai = page.getByTestId("peers").getByRole("link", { name: "kai", exact: true });
  await choose(kai);
  const details = page.getByTestId("peer-details");
  await details.waitFor();
  await walk("a peer's details");
  await choose(details.getByRole("button", { name: "Ping" }));
  await page.getByText(/kai answered in/).first().waitFor();
  await page.keyboard.press("Escape");
  await details.waitFor({ state: "detached" });
  await until("the focus is on the peer again", () => kai.evaluate((element) => element === document.activeElement));

  // A terminal takes every key but one, which leads out of it.
  await ask("leo", "POST", "/terminals", { command: "sh", name: "typed" });
  await jump("x");
  await choose(page.getByTestId("terminal-attach"));
  const screen = page.getByTestId("terminal-screen");
  await until("it is attached", async () => (await screen.getAttribute("data-state")) === "attached");
  const isTyping = () => page.evaluate(() => document.activeElement.closest(".xterm") !== null);
  await until("the terminal has the focus", isTyping);
  // None of these keys is the page's.
  await page.keyboard.type("echo typed-$((1 + 1)) # / ? g o");
  await page.keyboard.press("Enter");
  await until("what was typed is there", async () => (await screen.locator(".xterm-rows").innerText()).includes("typed-2"));
  for (const key of ["Tab", "Shift+Tab", "Escape", "F6"]) {
    await page.keyboard.press(key);
    assert.ok(await isTyping(), `${key} is the program's`);
  }
  await page.keyboard.press("Control+F6");
  assert.equal(await isTyping(), false);
  assert.ok(await screen.evaluate((element) => element.contains(document.activeElement)), JSON.stringify(await focused()));
  await tabTo(page.getByRole("link", { name: "All", exact: true }), "Shift+Tab");
  await choose(page.getByTestId("terminal-detach"));
  await page.getByTestId("terminal-attach").waitFor();

  // The search, the help, and where the focus is after it.
  await open(page, "peers");
  await page.keyboard.press("/");
  await until("the search has the focus", async () => (await focused()).tag === "INPUT");
  await page.keyboard.press("Escape");
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.press("?");
  await page.getByTestId("keys").waitFor();
  for (let step = 0; step < 5; step += 1) {
    await page.keyboard.press("Tab");
    assert.ok(await page.evaluate(() => document.activeElement === document.body || document.querySelector("dialog").contains(document.activeElement)));
  }
  await page.keyboard.press("Escape");
  await page.getByTestId("keys").waitFor({ state: "detached" });
});
