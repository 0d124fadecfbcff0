// What the first paint costs, and how soon an event is on the screen. The figures are printed, as JSON in the last line; bars are
// for the benchmark.

import { ask, assert, browser, enter, open, until } from "./stage.mjs";

const running = await browser();
try {
  const context = await running.newContext();
  const page = await context.newPage();
  const wire = await context.newCDPSession(page);
  await wire.send("Network.enable");
  const sizes = new Map();
  let bytes = 0;
  wire.on("Network.responseReceived", ({ requestId, response }) => sizes.set(requestId, response.url));
  wire.on("Network.loadingFinished", ({ encodedDataLength }) => {
    bytes += encodedDataLength;
  });
  await enter(page);
  await page.waitForLoadState("load");
  const painted = () => page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime);
  await until("the first paint", painted);
  const paint = await painted();
  assert.ok(bytes > 0 && bytes < 300_000, `${bytes} bytes`);
  assert.ok(![...sizes.values()].some((url) => url.includes("xterm")), "the terminal is part of the first paint");

  // From the moment at which a value is stored until its event is drawn.
  await open(page, "overview");
  const delays = [];
  for (let round = 0; round < 40; round += 1) {
    const key = `event-${round}`;
    const seen = page.evaluate(
      (text) =>
        new Promise((done) => {
          const look = () => {
            if (document.body.textContent.includes(text)) {
              observer.disconnect();
              requestAnimationFrame(() => done(Date.now()));
            }
          };
          const observer = new MutationObserver(look);
          observer.observe(document.body, { subtree: true, childList: true, characterData: true });
          look();
        }),
      key,
    );
    const began = Date.now();
    await ask("leo", "PUT", `/context/${key}`, { value: "x" });
    delays.push((await seen) - began);
  }
  delays.sort((a, b) => a - b);
  const figures = { paintMs: paint, wireKilobytes: bytes / 1000, answers: sizes.size, eventMs: delays[20], eventP95Ms: delays[37] };
  console.log(JSON.stringify(figures));
} finally {
  await running.close();
}
