// Whether what is shown is still so: a line above the view while the connection is gone.

import { retry } from "../lib/live.js";
import { visible } from "../lib/format.js";
import { useRoute } from "../lib/router.js";
import { daemonNamed, useStore } from "../lib/store.js";
import { html, useEffect, useState } from "../lib/ui.js";
import { Countdown, Dot } from "./basics.js";
import { Icon } from "./icons.js";

/** Short breaks heal unseen; the line appears after this. */
const PATIENCE = 700;

/** The line; nothing while all is well. */
export function Connection() {
  const live = useStore((state) => state.live);
  const isLost = useLost();
  return html`<div role="status" aria-live="polite" class="connection-place">
    ${isLost && html`<div class="connection" data-testid="connection-lost">
      <${Icon} name="warn" />
      <p><strong>Connection lost.</strong> What you see may be old.${live.state === "waiting" && html`<span aria-hidden="true"> Next try in <${Countdown} until=${live.retryAt} />.</span>`}</p>
      <button type="button" class="btn small" onClick=${retry}>Try now</button>
    </div>`}
  </div>`;
}

/** The same in a word, for the navigation. */
export function ConnectionDot() {
  const state = useStore((all) => all.live.state);
  const isLost = useLost();
  const { query } = useRoute();
  const stopped = useStore(() => stoppedName(query.daemon || "main"));
  const [kind, word] = isLost ? ["bad", "Connection lost"] : state === "open" && stopped ? ["warn", `${visible(stopped)} is stopped`] : WORDS[state] ?? ["warn", "Connecting"];
  return html`<span class="status connection-word" data-testid="connection" data-state=${isLost ? "lost" : state}><${Dot} kind=${kind} /><bdi class="ellipsis" title=${word}>${word}</bdi></span>`;
}

const WORDS = { paused: ["", "Paused"], open: ["ok", "Live"] };

/** What the daemon that is looked at is called, where it does not run. */
function stoppedName(name) {
  const daemon = daemonNamed(name);
  return daemon?.status === "stopped" ? daemon.label : undefined;
}

function useLost() {
  const state = useStore((all) => all.live.state);
  const isBroken = state === "waiting" || state === "failed";
  const isWhole = state === "open" || state === "paused";
  const [isLost, setLost] = useState(false);
  useEffect(() => {
    if (isWhole) setLost(false);
    if (!isBroken || isLost) return undefined;
    const timer = setTimeout(() => setLost(true), PATIENCE);
    return () => clearTimeout(timer);
  }, [isBroken, isWhole]);
  return isLost;
}
