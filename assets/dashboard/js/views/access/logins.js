// The logins there are, each to be ended from here.

import { Badge, ErrorLine, Loading, Text, TimeAgo } from "../../components/basics.js";
import { ask } from "../../components/dialog.js";
import { Table } from "../../components/table.js";
import { attempt } from "../../components/toast.js";
import { own } from "../../lib/api.js";
import { logout } from "../../lib/login.js";
import { html, useEffect, useState } from "../../lib/ui.js";

/** The list. It is read when the view opens and after each change made here; the server tells no news of logins. */
export function Logins() {
  const [logins, setLogins] = useState();
  const [error, setError] = useState();
  const load = () => own("GET", "/logins").then((reply) => { setLogins(reply.logins.sort(byUse)); setError(undefined); }, setError);
  useEffect(() => {
    load();
    const again = () => document.hidden || load();
    document.addEventListener("visibilitychange", again);
    return () => document.removeEventListener("visibilitychange", again);
  }, []);
  const end = async (login) => {
    if (login.current) return logout();
    const text = "What it has open is cut at once. To come back it needs a new link.";
    if (!await ask({ title: `End the login of ${browserOf(login.userAgent)}?`, text, action: "End it", danger: true })) return undefined;
    await attempt(() => own("DELETE", `/logins/${encodeURIComponent(login.loginId)}`), "It is logged out");
    return load();
  };
  return html`<section class="panel" aria-labelledby="logins-title">
    <header class="panel-head"><h2 id="logins-title">Logins</h2><button type="button" class="btn small" onClick=${load}>Refresh</button></header>
    <${ErrorLine} error=${error} onRetry=${load} />
    ${logins ? html`<${Table} caption="Logins" testid="logins" columns=${columns(end)} rows=${logins} rowKey=${(login) => login.loginId} />` : !error && html`<${Loading} />`}
  </section>`;
}

function byUse(a, b) {
  return Number(b.current) - Number(a.current) || b.lastUsed - a.lastUsed;
}

function columns(end) {
  return [
    { id: "who", label: "Browser", cell: (login) => html`<span class="row"><${Text} title=${login.userAgent}>${browserOf(login.userAgent)}<//>${login.current && html`<${Badge} kind="info">this one<//>`}</span>
      <${Text} class="phone-only small dim mono">${login.from}<//>` },
    { id: "from", label: "From", hide: "phone", cell: (login) => html`<${Text} class="mono">${login.from}<//>` },
    { id: "created", label: "Logged in", hide: "phone", cell: (login) => html`<${TimeAgo} ts=${login.createdAt} />` },
    { id: "used", label: "Last used", cell: (login) => html`<${TimeAgo} ts=${login.lastUsed} />` },
    { id: "end", label: "End", unseen: true, class: "num", cell: (login) => html`<button type="button" class="btn small" aria-label=${`End the login of ${browserOf(login.userAgent)} from ${login.from}`} onClick=${() => end(login)}>End</button>` },
  ];
}

/** The browser and system in a user agent, or its beginning. */
function browserOf(agent = "") {
  const browser = [["Firefox", /Firefox\/(\d+)/], ["Edge", /Edg\/(\d+)/], ["Chrome", /Chrome\/(\d+)/], ["Safari", /Version\/(\d+).*Safari/]].find(([, pattern]) => pattern.test(agent));
  const system = ["iPhone", "iPad", "Android", "Windows", "Mac OS", "CrOS", "Linux"].find((name) => agent.includes(name));
  if (!browser) return agent.slice(0, 60) || "unknown";
  return `${browser[0]} ${browser[1].exec(agent)[1]}${system ? `, ${system}` : ""}`;
}
