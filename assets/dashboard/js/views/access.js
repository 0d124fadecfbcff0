// Who may see this page: logins, links for other devices; and how the page looks and listens to keys.

import { Choice } from "../components/field.js";
import { KeyList } from "../components/shell.js";
import { logout } from "../lib/login.js";
import { useStore } from "../lib/store.js";
import { loadStyle } from "../lib/style.js";
import { setTheme, THEMES, useTheme } from "../lib/theme.js";
import { html } from "../lib/ui.js";
import { Logins } from "./access/logins.js";
import { NewLink } from "./access/link.js";

await loadStyle("/css/access.css");

/** The view. */
export default function Access() {
  const theme = useTheme();
  const { version, hostname, port, lan } = useStore((state) => state.me);
  return html`<div class="view access">
    <header class="view-head"><h1>Access</h1><button type="button" class="btn" onClick=${logout}>Log out</button></header>
    <${Logins} />
    <div class="access-columns">
      <section class="panel" aria-labelledby="link-title"><header class="panel-head"><h2 id="link-title">Another device</h2></header><div class="panel-body"><${NewLink} isLan=${lan} /></div></section>
      <div class="stack">
      <section class="panel" aria-labelledby="look-title"><header class="panel-head"><h2 id="look-title">Look</h2></header>
        <div class="panel-body"><${Choice} label="Theme" options=${THEMES} value=${theme} onChange=${setTheme} /></div></section>
      <section class="panel" aria-labelledby="about-title"><header class="panel-head"><h2 id="about-title">This dashboard</h2></header>
        <dl class="kv panel-body"><dt>Machine</dt><dd><bdi>${hostname}</bdi></dd><dt>Version</dt><dd>${version}</dd><dt>Port</dt><dd class="num">${port}</dd>
        <dt>Reach</dt><dd>${lan ? "this network, over TLS" : "this machine alone"}</dd></dl></section>
      </div>
      <section class="panel" aria-labelledby="keys-title"><header class="panel-head"><h2 id="keys-title">Keys</h2></header><div class="panel-body"><${KeyList} /></div></section>
    </div>
  </div>`;
}
