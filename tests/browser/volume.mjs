// A thousand peers, ten thousand messages, a hundred thousand keys: each view stays small in the page, and finds what is wanted.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ask, assert, loopsy, open, play, stage, until } from "./stage.mjs";

const KEYS = 100_000;
const MESSAGES = 10_000;
const PEERS = 1_000;

const timed = async (what, work) => {
  const began = performance.now();
  await work();
  console.log(`${what}: ${Math.round(performance.now() - began)} ms`);
};

// A session that finds all that in its folder when it first starts, as the Node version left it.
await loopsy("leo", "config", "set", "context.maxEntries", "300000");
const now = Date.now();
const name = (number) => `key-${String(number).padStart(6, "0")}`;
const entry = (key, value) => [key, { key, value, fromNodeId: "n", createdAt: now, updatedAt: now }];
const letter = (number) => {
  const id = `${now + number}-kai-${String(number % 10_000).padStart(4, "0")}`;
  return entry(`inbox:leo-big:${id}`, JSON.stringify({ from: "kai", to: "leo-big", ts: now + number, id, type: "chat", body: `message ${number}` }));
};
const keys = Array.from({ length: KEYS }, (_, number) => entry(name(number), "x"));
const letters = Array.from({ length: MESSAGES }, (_, number) => letter(number));
const folder = join(stage.folder, ".loopsy", "sessions", "big");
mkdirSync(folder, { recursive: true, mode: 0o700 });
writeFileSync(join(folder, "config.yaml"), "server:\n  port: 0\n", { mode: 0o600 });
writeFileSync(join(folder, "context.json"), JSON.stringify(Object.fromEntries([...keys, ...letters])));
await timed(`${KEYS} keys and ${MESSAGES} messages are taken in`, () => loopsy("leo", "session", "start", "big"));
const peers = Array.from({ length: PEERS }, (_, number) => ({ address: "127.0.0.1", port: 20_000 + number, hostname: `machine-${number}` }));
await loopsy("leo", "config", "set", "discovery.manualPeers", JSON.stringify(peers));
await until("all peers are listed", async () => (await ask("leo", "GET", "/peers")).peers.length > PEERS);

await play(async ({ page }) => {
  const isSmall = async (what) => {
    const nodes = await page.evaluate(() => document.querySelectorAll("*").length);
    console.log(`${what}: ${nodes} elements`);
    assert.ok(nodes < 8_000, `${what}: ${nodes} elements`);
  };
  await timed("overview", async () => {
    await open(page, "overview");
    await page.getByTestId("machines").getByText("kai", { exact: true }).first().waitFor();
  });
  await isSmall("overview");

  await timed("peers", async () => {
    await open(page, "peers");
    await page.getByTestId("peers").getByRole("link", { name: "kai", exact: true }).waitFor();
  });
  await isSmall("peers");
  await timed("a peer is found", async () => {
    await page.getByLabel("Search peers").fill("machine-987");
    await page.getByTestId("peers").getByText("machine-987").first().waitFor();
  });

  await timed("context", async () => {
    await open(page, "context?daemon=big&prefix=key-");
    await page.getByTestId("context").getByRole("link", { name: name(0), exact: true }).waitFor();
  });
  await isSmall("context");
  await timed("a key is found", async () => {
    await page.getByTestId("context-search").fill("key-0987");
    await page.getByTestId("context").getByRole("link", { name: name(98_700), exact: true }).waitFor();
  });
  await isSmall("found keys");

  await timed("messages", async () => {
    await open(page, "messages/kai?daemon=big");
    await page.getByTestId("letter").filter({ hasText: `message ` }).first().waitFor();
  });
  await isSmall("messages");
});
