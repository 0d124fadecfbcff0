// What a paired machine may write anywhere is shown as text, whatever it is: nothing of it runs, opens or loads.

import { ask, assert, loopsy, open, play, stage, until } from "./stage.mjs";

const run = "fetch('/ran')";
/** Texts that become code where they are not taken for text: in HTML, in attributes, in links, in markdown, in terminals. */
const TEXTS = [
  `<img src=x onerror=${run}>`,
  `"><script>${run}</script>`,
  `'-${run}-'`,
  `<svg/onload=${run}>`,
  `<iframe srcdoc="<script>parent.${run}</script>">`,
  `</textarea></title></style><script>${run}</script>`,
  `<math><mtext></form><form><mglyph><style></math><img src onerror=${run}>`,
  `<a href="javascript:${run}">a</a>`,
  `[a](javascript:${run}) [b](JaVaScRiPt:${run}) [c](data:text/html,<script>${run}</script>) ![d](/ran) [e]: javascript:${run}`,
  `<javascript:${run}> [x][y]\n\n[y]: javascript:${run}`,
  `\`\`\`html\n<img src=x onerror=${run}>\n\`\`\`\n\n> <img src=x onerror=${run}>\n\n| <b onmouseover=${run}>a |\n|---|\n| [t](vbscript:${run}) |`,
  `{{constructor.constructor("${run}")()}} \${${run}}`,
  `\u001b]0;<img src=x onerror=${run}>\u0007\u001b]8;;javascript:${run}\u0007link\u001b]8;;\u0007\u001b]52;c;cmFu\u0007\u001b[31m`,
  `\u202e<gnp.x>\u2066 \u0000 \ud7ff &lt;img src=x onerror=${run}&gt; &#x3c;script&#x3e;`,
  `javascript:${run}//${"x".repeat(300)}`,
];
const whole = TEXTS.join(" ");
const tell = (machine, body) => ask("kai", "POST", "/messages", body, {}).then(() => machine);
const settled = (work) => work.catch((error) => error);

// Everything that kai may write on leo.
const id = encodeURIComponent;
for (const [number, text] of TEXTS.entries()) {
  await settled(ask("kai", "PUT", `/context/${id(`${number} ${text}`.slice(0, 250))}`, { value: text }, { peer: "leo" }));
  await settled(tell("leo", { to: "leo", body: text, subject: text.slice(0, 200), type: "chat" }));
  await settled(ask("kai", "GET", `/context/${id(text).slice(0, 400)}`, undefined, { peer: "leo" }));
  await settled(ask("kai", "POST", "/transfer/pull", { sourcePath: text }, { peer: "leo" }));
  await settled(ask("kai", "POST", "/execute", { command: text.replaceAll("\0", ""), args: [text] }, { peer: "leo" }));
}
await ask("kai", "PUT", `/context/${id("json")}`, { value: JSON.stringify({ [TEXTS[0]]: TEXTS }) }, { peer: "leo" });
const steps = [
  { text: whole },
  { think: whole },
  { tool: "Bash", input: { command: `echo ${JSON.stringify(TEXTS[0])}`, description: TEXTS[1] } },
  { tool: TEXTS[0].slice(0, 60), input: { [TEXTS[1]]: TEXTS[2] } },
];
const task = await ask(
  "kai",
  "POST",
  "/ai-tasks",
  { prompt: `${TEXTS[0]} <fake>${JSON.stringify(steps)}</fake>`, name: TEXTS[3].slice(0, 60), permissionMode: "default" },
  { peer: "leo" },
);
const terminal = await ask(
  "kai",
  "POST",
  "/terminals",
  { command: "sh", args: ["-c", 'printf "%s" "$0"; sleep 600', whole.replaceAll("\0", "")], name: TEXTS[0] },
  { peer: "leo" },
);
// Who kai says it is.
const identity = await ask("kai", "GET", "/identity");
const { key } = JSON.parse(await loopsy("leo", "config", "get", "auth.allowedKeys", "--json").catch(() => "{}"));
const secret = key ?? stage.secrets[0];
await fetch(`http://${stage.leo.address}/api/v1/peers/handshake`, {
  method: "POST",
  headers: { authorization: `Bearer ${secret}`, "content-type": "application/json" },
  body: JSON.stringify({ ...identity, hostname: TEXTS[0], platform: TEXTS[1], version: "1.0.0", capabilities: TEXTS }),
}).then((answer) => answer.text());
// A tool's question that waits on the screen.
await until("the task asks", async () => (await ask("leo", "GET", `/ai-tasks/${task.taskId}`)).status === "waiting_approval");

await play(async ({ page }) => {
  const requests = [];
  page.on("request", (request) => requests.push(request.url()));
  const popups = [];
  page.on("popup", (popup) => popups.push(popup.url()));
  const safe = async (where) => {
    await page.waitForTimeout(150);
    const odd = await page.evaluate(() => {
      const bad = [];
      for (const element of document.querySelectorAll("*")) {
        for (const { name, value } of element.attributes) {
          const isHandler = name.startsWith("on");
          const isLink = ["href", "src", "action", "formaction", "xlink:href", "srcdoc", "data"].includes(name);
          if (isHandler || (isLink && /^\s*(javascript|vbscript|data:text)/i.test(value)) || name === "srcdoc") {
            bad.push(`${element.tagName} ${name}=${value}`);
          }
        }
        if (["SCRIPT", "IFRAME", "OBJECT", "EMBED", "MATH"].includes(element.tagName) && !element.src?.startsWith(location.origin)) {
          bad.push(element.tagName);
        }
        if (element.tagName === "IMG" && element.getAttribute("src") !== "/icon.svg") {
          bad.push(element.outerHTML);
        }
      }
      return bad;
    });
    assert.deepEqual(odd, [], where);
    assert.ok(!requests.some((url) => url.includes("/ran")), `${where}: something ran`);
    assert.deepEqual(popups, [], where);
  };
  // Each view, then all that can be opened in it.
  const clickAll = async (selector, where, least = 0) => {
    let clicked = 0;
    if (least > 0) await page.locator(selector).nth(least - 1).waitFor();
    const count = Math.min(await page.locator(selector).count(), 24);
    for (let at = 0; at < count; at += 1) {
      const target = page.locator(selector).nth(at);
      if (await target.isVisible().catch(() => false)) {
        await target.click({ timeout: 2000 });
        clicked += 1;
        await safe(`${where} ${at}`);
      }
    }
    assert.ok(clicked >= least, `${where}: ${clicked} could be opened`);
  };
  for (const view of ["overview", "peers", "activity", "context", "messages", "tasks", "terminal"]) {
    await open(page, view);
    await safe(view);
    await clickAll("main summary", `${view}: details`);
  }
  await open(page, "context");
  await page.getByTestId("context").getByRole("link", { name: "json" }).waitFor();
  await clickAll('[data-testid="context"] .list-link', "entry", TEXTS.length);
  await open(page, "messages");
  await page.getByTestId("messages").getByRole("link", { name: "kai" }).waitFor();
  await clickAll('[data-testid="messages"] .list-link', "thread", 1);
  await open(page, `tasks/${task.taskId}`);
  await page.getByTestId("task-approve").waitFor();
  await clickAll('[data-testid="task"] summary', "task", 2);
  // Links are shown, and none of them leads to code.
  assert.ok((await page.getByTestId("task").getByText("onerror").count()) > 1);
  await open(page, `terminal/${terminal.terminalId}`);
  await until("the terminal is attached", async () => (await page.getByTestId("terminal-screen").filter({ visible: true }).getAttribute("data-state")) === "attached");
  await safe("terminal");
  await open(page, "peers/kai");
  await safe("peer");
  await open(page, "activity");
  await page.getByTestId("activity").getByText("kai").filter({ visible: true }).first().waitFor();
  await clickAll('[data-testid="activity"] [data-primary]', "record", 10);
});
