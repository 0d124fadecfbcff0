// The page as a whole: a screen of its own while there is no login, else navigation, connection and a view.

import { begin } from "../lib/login.js";
import { useStore } from "../lib/store.js";
import { html } from "../lib/ui.js";
import { Connection } from "./connection.js";
import { Questions } from "./dialog.js";
import { LoginScreen, UnreachableScreen } from "./screens.js";
import { Keys, MainNav, PhoneNav, TopBar } from "./shell.js";
import { Toasts } from "./toast.js";
import { View } from "./view.js";

/** What is drawn into the page. */
export function App() {
  const phase = useStore((state) => state.phase);
  return html`${screen(phase)}<${Questions} /><${Toasts} />`;
}

function screen(phase) {
  if (phase === "login") return html`<${LoginScreen} />`;
  if (phase === "unreachable") return html`<${UnreachableScreen} onRetry=${begin} />`;
  if (phase === "starting") return html`<${Starting} />`;
  return html`<div class="shell">
    <a class="skip" href="#main" onClick=${skip}>Skip to content</a>
    <${TopBar} />
    <${MainNav} />
    <main id="main" class="main" tabindex="-1"><${Connection} /><${View} /></main>
    <${PhoneNav} />
    <${Keys} />
  </div>`;
}

/** As index.html has it before there are scripts. */
function Starting() {
  return html`<div class="shell" aria-busy="true">
    <header class="topbar"><img src="/icon.svg" width="24" height="24" alt="" /><span class="topbar-title">Loopsy</span></header>
    <nav class="nav" aria-label="Main"><p class="brand"><img src="/icon.svg" width="24" height="24" alt="" />Loopsy</p></nav>
    <main class="main"></main>
  </div>`;
}

function skip(event) {
  event.preventDefault();
  document.getElementById("main").focus();
}
