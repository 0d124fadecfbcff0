// What is shown instead of the page: no login, no dashboard, no daemon.

import { login } from "../lib/login.js";
import { linkIn } from "../lib/session.js";
import { useStore } from "../lib/store.js";
import { html, useState } from "../lib/ui.js";
import { Empty, ErrorLine } from "./basics.js";
import { Field } from "./field.js";

/** Asks for a one-time link. */
export function LoginScreen() {
  const failure = useStore((state) => state.loginError);
  const [text, setText] = useState("");
  const [problem, setProblem] = useState();
  const submit = (event) => {
    event.preventDefault();
    const link = linkIn(text);
    setProblem(link ? undefined : "That is not a link of the dashboard: it has #link= in it.");
    if (link) login(link);
  };
  return html`<main class="screen" data-testid="login">
    <div class="screen-box">
      <${Brand} />
      <h1>This tab is not logged in</h1>
      <p>Run this on the machine whose dashboard it is, and open the link that it prints:</p>
      <pre class="command">loopsy dashboard</pre>
      <p class="dim">A link works once, for ten minutes, and logs one tab in. Each further tab needs a link of its own. For a phone: Access, New link.</p>
      <${ErrorLine} error=${failure} />
      <form class="stack" onSubmit=${submit}>
        <${Field} label="Or paste the link here" value=${text} onInput=${setText} error=${problem} name="link" inputmode="url" />
        <button type="submit" class="btn primary">Log in</button>
      </form>
    </div>
  </main>`;
}

/** The dashboard's server does not answer, and the page knows nothing yet. */
export function UnreachableScreen({ onRetry }) {
  const failure = useStore((state) => state.loginError);
  return html`<main class="screen" data-testid="unreachable">
    <div class="screen-box">
      <${Brand} />
      <h1>No connection</h1>
      <${ErrorLine} error=${failure} onRetry=${onRetry} />
    </div>
  </main>`;
}

/** In the place of a view whose daemon does not run. It comes back by itself. */
export function NotRunning({ daemon = "main" }) {
  const command = daemon === "main" ? "loopsy start" : `loopsy session start ${daemon}`;
  return html`<div data-testid="not-running"><${Empty} icon="warn" title=${daemon === "main" ? "The daemon is not running" : "This session is not running"}>
    <p>Start it, and this page goes on by itself:</p>
    <pre class="command">${command}</pre>
  <//></div>`;
}

function Brand() {
  return html`<p class="brand"><img src="/icon.svg" width="28" height="28" alt="" />Loopsy</p>`;
}
