// Adding a machine by its address, without pairing.

import { ErrorLine } from "../../components/basics.js";
import { Dialog } from "../../components/dialog.js";
import { Field } from "../../components/field.js";
import { toast } from "../../components/toast.js";
import { call } from "../../lib/api.js";
import { html, useState } from "../../lib/ui.js";
import { parsePlace } from "./place.js";

/** The dialog. `onAdded` gets the new row. */
export function AddDialog({ daemon, onClose, onAdded }) {
  const [address, setAddress] = useState("");
  const [name, setName] = useState("");
  const [key, setKey] = useState("");
  const [error, setError] = useState();
  const [isBusy, setBusy] = useState(false);
  const submit = async () => {
    const where = parsePlace(address);
    if (!where) return setError({ message: "that is no address", hint: "Such as 192.168.1.50, kai.local:19532 or [fd00::2]:19532." });
    setBusy(true);
    try {
      const peer = await call("POST", "/peers", { daemon, body: { ...where, name: name.trim() || undefined, key: key.trim() || undefined } });
      toast("Added");
      onClose();
      onAdded(peer);
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
    return undefined;
  };
  const actions = html`<button type="button" class="btn" onClick=${onClose}>Cancel</button><button type="submit" class="btn primary" disabled=${isBusy}>Add</button>`;
  return html`<${Dialog} title="Add a machine by its address" onClose=${onClose} onSubmit=${submit} actions=${actions} testid="add-peer">
    <p class="dim">It is listed and watched. To work together the two need a pairing, or a key that both know.</p>
    <${Field} label="Address" name="address" value=${address} onInput=${setAddress} hint="Host name or IP address, with a port unless it is 19532" autofocus required />
    <${Field} label="Name" name="name" value=${name} onInput=${setName} hint="Its own unless given" />
    <${Field} label="Shared key" name="key" type="password" value=${key} onInput=${setKey} hint="Only where one was made by hand: loopsy key generate --print" />
    <${ErrorLine} error=${error} />
  <//>`;
}
