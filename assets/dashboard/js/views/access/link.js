// A one-time link for another device, as text and as a picture for its camera.

import { Countdown, ErrorLine } from "../../components/basics.js";
import { toast } from "../../components/toast.js";
import { own } from "../../lib/api.js";
import { html, useState } from "../../lib/ui.js";
import { QrCode } from "./qr.js";

/** Makes links. `isLan`: whether other devices can reach this dashboard. */
export function NewLink({ isLan }) {
  const [link, setLink] = useState();
  const [error, setError] = useState();
  const [isOver, setOver] = useState(false);
  const make = async () => {
    try {
      setLink(await own("POST", "/links", { body: {} }));
      setError(undefined);
      setOver(false);
    } catch (failure) {
      setError(failure);
    }
  };
  const copy = () => navigator.clipboard.writeText(link.url).then(() => toast("Copied"), () => toast("The browser did not let it be copied", "bad"));
  return html`<div class="stack">
    <p>${isLan ? "A link logs one browser in, for ten minutes and once. Point the phone's camera at its picture." : html`Only browsers on this machine reach this dashboard. For a phone: <code class="nowrap">loopsy dashboard --lan</code>`}</p>
    ${link && !isOver && html`<div class="stack" data-testid="link">
      ${link.qr && html`<${QrCode} qr=${link.qr} />`}
      <code class="command break" data-testid="link-url">${link.url}</code>
      <p class="row wrap"><button type="button" class="btn" onClick=${copy}>Copy</button><span class="dim">Good for <${Countdown} until=${link.expiresAt} onEnd=${() => setOver(true)} /></span></p>
    </div>`}
    ${isOver && html`<p class="dim" role="status">The link is too old now.</p>`}
    <${ErrorLine} error=${error} />
    <p><button type="button" class="btn primary" onClick=${make}>New link</button></p>
  </div>`;
}
