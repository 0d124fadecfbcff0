// The beginning: the page, and a login for it.

import { App } from "./components/app.js";
import { boot } from "./lib/login.js";
import { html, render } from "./lib/ui.js";

const root = document.getElementById("app");
root.textContent = "";
render(html`<${App} />`, root);
boot();
