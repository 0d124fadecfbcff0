// Pages of other origins, with a victim who is logged in: forms, pictures, scripts, sockets, frames, a name that is rebound.

import { createServer } from "node:http";
import { arrived, assert, browser, enter, link, loopsy, origin, stage, watch } from "./stage.mjs";

const port = new URL(origin).port;
// The same address under a name of the attacker's: its pages are of another site.
const running = await browser([["evil.example", "127.0.0.1"]]);
const asked = [];
const attacker = createServer((request, response) => {
  asked.push(request.url);
  response.setHeader("content-type", "text/html");
  response.end("<!doctype html><title>evil</title><body>evil</body>");
});
await new Promise((done) => attacker.listen(0, "127.0.0.1", done));
const evil = `http://evil.example:${attacker.address().port}`;
const neighbour = `http://127.0.0.1:${attacker.address().port}`;

try {
  const context = await running.newContext();
  const victim = await context.newPage();
  const first = await link();
  await enter(victim, first);

  // A link that was stolen after its use is worth nothing.
  const thief = await (await running.newContext()).newPage();
  const refused = thief.waitForResponse((response) => response.url().endsWith("/login"));
  await thief.goto(first);
  assert.ok([401, 403].includes((await refused).status()));

  // The link is gone from the address, and so from the history.
  assert.ok(!victim.url().includes("link="), victim.url());

  // A cookie alone does nothing, and no script can read it.
  assert.equal(await victim.evaluate(() => document.cookie), "");
  const [cookie] = await context.cookies(origin);
  assert.ok(cookie.httpOnly && cookie.sameSite === "Strict", JSON.stringify(cookie));
  const bare = await victim.evaluate(async () => (await fetch("/me")).status);
  assert.equal(bare, 401);
  assert.equal(await victim.evaluate(async () => (await fetch("/me", { headers: { "x-loopsy-token": "0".repeat(64) } })).status), 401);

  // Everything that a foreign page can send without asking: of another site, and of the same address with another port, to
  // which the cookie would go.
  for (const from of [evil, neighbour]) {
    const page = await context.newPage();
    await page.goto(from);
    const target = (path) => `${origin}${path}`;
    const statuses = [];
    page.on("response", (response) => response.url().startsWith(origin) && statuses.push([response.url(), response.status()]));
    await page.evaluate(
      async ([main, run]) => {
        const settled = (work) => work.catch(() => {});
        const image = (url) =>
          new Promise((done) => {
            const picture = new Image();
            picture.onload = picture.onerror = done;
            picture.src = url;
          });
        await image(`${main}/execute?command=touch`);
        await image(`${main}/context/forged`);
        for (const type of ["text/plain", "application/x-www-form-urlencoded"]) {
          await settled(fetch(run, { method: "POST", mode: "no-cors", credentials: "include", headers: { "content-type": type }, body: '{"command":"true"}' }));
        }
        await settled(fetch(`${main}/context/forged`, { method: "PUT", credentials: "include", body: '{"value":"x"}' }));
        await settled(fetch(`${main}/context`, { credentials: "include" }));
      },
      [target("/d/main/api/v1"), target("/d/main/api/v1/execute")],
    );
    const form = await context.newPage();
    await form.goto(from);
    await form.evaluate((action) => {
      const form = document.createElement("form");
      Object.assign(form, { method: "POST", action, enctype: "text/plain" });
      const field = document.createElement("input");
      Object.assign(field, { name: '{"command":"true","x":"', value: '"}' });
      form.append(field);
      document.body.append(form);
      form.submit();
    }, target("/d/main/api/v1/execute"));
    await form.waitForURL(`${origin}/**`);
    assert.match(await form.textContent("body"), /"code":/);
    assert.ok(statuses.every(([, status]) => status >= 400), JSON.stringify(statuses));

    // A socket, even with a ticket that is good.
    const ticket = await victim.evaluate(async () => {
      const token = Object.values(sessionStorage).join(" ");
      const headers = { "x-loopsy-token": token, "content-type": "application/json" };
      const answer = await fetch("/tickets", { method: "POST", headers, body: JSON.stringify({ path: "/d/main/api/v1/execute/ws" }) });
      return (await answer.json()).ticket;
    });
    assert.equal(typeof ticket, "string");
    const opened = await page.evaluate(
      (url) =>
        new Promise((done) => {
          const socket = new WebSocket(url);
          socket.onopen = () => done(true);
          socket.onerror = () => done(false);
        }),
      `ws://127.0.0.1:${port}/socket?ticket=${ticket}`,
    );
    assert.equal(opened, false, `a socket from ${from}`);

    // A frame shows nothing that could be clicked.
    await page.evaluate((url) => {
      const frame = document.createElement("iframe");
      frame.src = url;
      document.body.append(frame);
    }, `${origin}/`);
    await page.waitForTimeout(200);
    const frames = page.frames().filter((frame) => frame !== page.mainFrame());
    for (const frame of frames) {
      assert.equal(await frame.locator("#app *").count(), 0, "the dashboard is in a frame");
    }
  }

  // A name that is rebound to this machine is not this machine's name.
  const rebound = await context.newPage();
  const answer = await rebound.goto(`http://evil.example:${port}/`);
  assert.equal(answer.status(), 403);
  const reached = await rebound.evaluate(async () => (await fetch("/me").catch(() => ({ status: 0 }))).status);
  assert.ok(reached === 403 || reached === 0, String(reached));

  // Nothing of all that moved anything, and the victim is still logged in.
  const log = await loopsy("leo", "logs", "-n", "1000", "--json");
  assert.ok(!log.includes("execute.run") && !log.includes("forged"), log);
  const faults = await watch(victim);
  await victim.reload();
  await arrived(victim);
  assert.deepEqual(await faults.all(), []);
  assert.ok(asked.length > 0 && stage.secrets.length > 2);
} finally {
  await running.close();
  attacker.close();
}
