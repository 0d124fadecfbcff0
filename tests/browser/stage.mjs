// What every scene needs: the machines as the test started them, a browser that is logged in, and judges of what it shows.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { promisify } from "node:util";

const told = JSON.parse(process.env.LOOPSY_STAGE);
const require = createRequire(join(told.packages, "package.json"));
const { chromium } = require("playwright-core");
const axe = require("axe-core").source;

/** The sizes in which views are looked at: a small phone, a phone, a desk, a wall. */
export const SIZES = {
  small: { width: 360, height: 740 },
  phone: { width: 390, height: 844 },
  desk: { width: 1440, height: 900 },
  wall: { width: 2560, height: 1440 },
};

/** How long a scene waits for what has to happen, milliseconds. */
export const PATIENCE = 15_000;

/** How long a whole scene may take, milliseconds: less than what ends its test. What a page is asked to do has no limit of its own. */
const SCENE = 150_000;
setTimeout(() => {
  console.error(`the scene did not end within ${SCENE} ms`);
  process.exit(1);
}, SCENE).unref();

/** What the test says of the machines: `{ leo, kai, folder, … }`. */
export const stage = told;

/** Runs the program on a machine of the stage; answers what it printed. */
export async function loopsy(machine, ...args) {
  const { stdout } = await promisify(execFile)(told.binary, args, { env: told[machine].env, maxBuffer: 64 << 20 });
  return stdout;
}

/** Starts the program on a machine of the stage; the scene ends it. */
export function start(machine, ...args) {
  return spawn(told.binary, args, { env: told[machine].env, stdio: ["pipe", "pipe", "inherit"] });
}

/** Asks a machine's daemon, as its owner; or a peer of it, through it. */
export async function ask(machine, method, path, body, { peer } = {}) {
  const { address, key } = told[machine];
  const answer = await fetch(`http://${address}/api/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${key}`, ...(body && { "content-type": "application/json" }), ...(peer && { "x-loopsy-peer": peer }) },
    body: body && JSON.stringify(body),
  });
  const json = await answer.json();
  assert.ok(answer.ok, `${method} ${path}: ${JSON.stringify(json)}`);
  return json;
}

/** Makes a further machine, which knows nobody, and starts its daemon; what ends it is answered. */
export async function settle(name) {
  const folder = join(told.folder, name);
  mkdirSync(folder, { recursive: true });
  told[name] = { env: { ...told.kai.env, HOME: folder, LOOPSY_DATA_DIR: join(folder, ".loopsy") }, folder };
  await loopsy(name, "init", "--no-mcp");
  for (const [setting, value] of [["server.host", "127.0.0.1"], ["server.port", "0"], ["server.hostname", name]]) {
    await loopsy(name, "config", "set", setting, value);
  }
  await loopsy(name, "start");
  const { port } = JSON.parse(await loopsy(name, "api", "node.identity", "{}"));
  told[name].address = `127.0.0.1:${port}`;
  told[name].key = (await loopsy(name, "key", "show")).trim();
  told.secrets.push(told[name].key);
  return () => loopsy(name, "stop");
}

/** A new one-time link of the dashboard. */
export async function link() {
  return JSON.parse(await loopsy("leo", "dashboard", "--json")).url;
}

/** Where the dashboard is. */
export const origin = new URL(told.url).origin;

/** Starts a browser. `hosts` maps names, or names with ports, to where they lead, as a resolver would that an attacker controls. */
export async function browser(hosts = []) {
  return chromium.launch({
    executablePath: told.chromium,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      `--host-resolver-rules=${hosts.map(([name, to]) => `MAP ${name} ${to}`).join(", ")}`,
    ],
  });
}

/**
 * Plays a scene: `act({ page, context })` with a page that is logged in. Fails where a script throws, the policy of the page is
 * violated, a dialog opens by itself, or a key of a daemon comes over the wire.
 */
export async function play(act, { size = SIZES.desk, theme = "light", url, hosts } = {}) {
  const running = await browser(hosts);
  try {
    const context = await running.newContext({ viewport: size, colorScheme: theme, reducedMotion: "reduce" });
    context.setDefaultTimeout(PATIENCE);
    const page = await context.newPage();
    const faults = await watch(page);
    await enter(page, url);
    try {
      await act({ page, context, faults });
    } catch (error) {
      await page.screenshot({ path: shotPath("failed") });
      throw error;
    }
    assert.deepEqual(await faults.all(), []);
  } finally {
    await running.close();
  }
}

/** Logs a page in, and waits for what it shows then. */
export async function enter(page, url) {
  await page.goto(url ?? (await link()));
  await arrived(page);
}

/** Waits until a page shows a view; not the screen for those who are not logged in. */
export function arrived(page) {
  return page.locator("main:not(.screen)").waitFor();
}

/** Notes what must not happen on a page. */
export async function watch(page) {
  const found = [];
  const bodies = [];
  await page.exposeFunction("__violated", (what) => found.push(`policy: ${what}`));
  await page.addInitScript(() =>
    addEventListener("securitypolicyviolation", (event) => globalThis.__violated(`${event.violatedDirective} ${event.sample || event.blockedURI}`)),
  );
  page.on("pageerror", (error) => found.push(`error: ${error.message}`));
  page.on("console", (message) => {
    // A request that is refused on purpose is no fault of the page.
    if (["error", "warning"].includes(message.type()) && !message.text().startsWith("Failed to load resource")) {
      found.push(`console: ${message.text()}`);
    }
  });
  page.on("dialog", (dialog) => {
    found.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on("response", (response) => {
    if (response.headers()["content-type"] !== "text/event-stream") {
      bodies.push(response.text().catch(() => ""));
    }
  });
  return {
    found,
    async all() {
      const seen = (await Promise.all(bodies)).concat(await page.content());
      const leaked = told.secrets.filter((secret) => seen.some((text) => text.includes(secret)));
      return [...found, ...leaked.map((secret) => `a key reached the page: ${secret.slice(0, 6)}…`)];
    },
  };
}

/** Judges the page as it is now by axe-core: no violations. */
export async function accessible(page, what) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  const told = violations.map((found) => `${found.id}: ${found.nodes.map((node) => node.target.join(" ")).slice(0, 3).join(" | ")}`);
  assert.deepEqual(told, [], `axe-core on ${what}`);
}

/** Nothing is wider than the window: neither the page nor a dialog in front of it. */
export async function fits(page, what) {
  const wide = await page.evaluate(() =>
    [document.documentElement, ...document.querySelectorAll("dialog[open], dialog[open] *")]
      .filter((element) => element.getBoundingClientRect().right > innerWidth + 1 || (element.tagName === "HTML" && element.scrollWidth > innerWidth))
      .map((element) => `${element.tagName.toLowerCase()}.${element.className}`),
  );
  assert.deepEqual(wide.slice(0, 5), [], `${what} is too wide`);
}

/** Looks at the page as it is now in every size and both themes: keeps pictures, judges each. */
export async function look(page, name) {
  const before = page.viewportSize();
  for (const theme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme: theme });
    for (const [size, viewport] of Object.entries(SIZES)) {
      await page.setViewportSize(viewport);
      await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
      await fits(page, `${name} (${size})`);
      await page.screenshot({ path: shotPath(`${name}-${size}-${theme}`) });
    }
    await page.setViewportSize(SIZES.phone);
    await accessible(page, `${name} (phone, ${theme})`);
    await page.setViewportSize(SIZES.desk);
    await accessible(page, `${name} (desk, ${theme})`);
  }
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize(before);
}

function shotPath(name) {
  mkdirSync(told.screenshots, { recursive: true });
  return join(told.screenshots, `${told.scene}-${name}.png`);
}

/** Waits until this holds, as long as a scene waits. */
export async function until(what, holds) {
  for (const end = Date.now() + PATIENCE; Date.now() < end; await new Promise((done) => setTimeout(done, 20))) {
    if (await holds()) {
      return;
    }
  }
  assert.fail(`not within ${PATIENCE} ms: ${what}`);
}

/** Opens a view by its address within the page. */
export async function open(page, view) {
  await page.evaluate((hash) => {
    location.hash = hash;
  }, `#/${view}`);
  await arrived(page);
}

export { assert };
