// A way to the dashboard that a scene can cut, as a network does: what goes over it breaks off, and nothing new gets through.

import { connect, createServer } from "node:net";
import { origin } from "./stage.mjs";

/** Opens the way. A browser that is started with its `hosts` takes it without knowing; `cut` and `mend` are at once. */
export async function relay() {
  const { hostname, port } = new URL(origin);
  const open = new Set();
  let isCut = false;
  const server = createServer((near) => {
    if (isCut) return near.destroy();
    const far = connect(Number(port), hostname);
    for (const [one, other] of [[near, far], [far, near]]) {
      open.add(one);
      one.pipe(other);
      one.on("error", () => other.destroy());
      one.on("close", () => open.delete(one) && other.destroy());
    }
    return undefined;
  });
  await new Promise((done) => server.listen(0, hostname, done));
  server.unref();
  return {
    hosts: [[`${hostname}:${port}`, `${hostname}:${server.address().port}`]],
    /** Ends every connection; those that are opened from now on end as well. Answers how many there were. */
    cut: () => {
      isCut = true;
      const many = open.size / 2;
      open.forEach((socket) => socket.destroy());
      return many;
    },
    mend: () => {
      isCut = false;
    },
  };
}
