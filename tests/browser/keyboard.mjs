// Everything by keyboard: the way to each view, the skip link, the search, a dialog that keeps the focus and gives it back.

import { arrived, assert, open, play, until } from "./stage.mjs";

const VIEWS = { o: "overview", p: "peers", c: "context", m: "messages", t: "tasks", x: "terminal", a: "activity" };

await play(async ({ page }) => {
  const focused = () => page.evaluate(() => ({ tag: document.activeElement.tagName, text: document.activeElement.textContent.trim().slice(0, 80), label: document.activeElement.getAttribute("aria-label") }));
  for (const [key, view] of Object.entries(VIEWS)) {
    await page.keyboard.press("g");
    await page.keyboard.press(key);
    await until(`g ${key} leads to ${view}`, async () => new URL(page.url()).hash.startsWith(`#/${view}`));
    await arrived(page);
  }

  // The first stop is the way past the navigation.
  await page.reload();
  await arrived(page);
  await page.keyboard.press("Tab");
  assert.match((await focused()).text, /skip/i);
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.querySelector("main").contains(document.activeElement)), true);

  // Every control of every view is reached by Tab alone, and can be seen to have the focus.
  for (const view of Object.values(VIEWS)) {
    await open(page, view);
    await page.waitForTimeout(300);
    const wanted = await page.evaluate(() => {
      const isSeen = (element) => element.checkVisibility({ checkVisibilityCSS: true }) && element.getClientRects().length > 0;
      const all = [...document.querySelectorAll("a[href], button, input, select, textarea, summary")];
      const some = all.filter((element) => isSeen(element) && !element.disabled && element.tabIndex >= 0 && !element.closest(".xterm"));
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
  }

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
