// One terminal that is looked at: its bar, its screen, and keys that a phone lacks. It attaches when it is first shown.

import { Countdown, ErrorLine, Status, sentence } from "../../components/basics.js";
import { Icon } from "../../components/icons.js";
import { Menu } from "../../components/menu.js";
import { toast } from "../../components/toast.js";
import { cx, html, useEffect, useReducer, useRef, useState } from "../../lib/ui.js";
import { setLook, useLook } from "./look.js";
import { openSession } from "./session.js";

/** Keys of the row below the screen, where fingers type. */
const EXTRA = ["Esc", "Tab", "Left", "Up", "Down", "Right", "Ctrl+C", "|", "/", "-", "~"];
const ARROWS = { Left: "←", Up: "↑", Down: "↓", Right: "→" };

/**
 * @param {{scope: object, terminal?: object, id: string, isShown: boolean, onDetach: () => void, onEnd: () => void, onNew: () => void, onTitle: (title: string) => void}} props
 */
export function Screen({ scope, terminal, id, isShown, onDetach, onEnd, onNew, onTitle }) {
  const [, redraw] = useReducer((number) => number + 1, 0);
  const box = useRef();
  const bar = useRef();
  const session = useRef(null);
  const [hasBegun, setBegun] = useState(false);
  useEffect(() => {
    if (!hasBegun) return undefined;
    const opened = openSession({ scope, id, element: box.current, onChange: redraw, onLeave: () => bar.current.querySelector("button")?.focus() });
    session.current = opened;
    redraw();
    return opened.close;
  }, [scope, id, hasBegun]);
  useEffect(() => {
    if (!isShown) return;
    setBegun(true);
    session.current?.fit();
    if (matchMedia("(pointer: fine)").matches) session.current?.focus();
  }, [isShown, hasBegun]);
  const shown = session.current?.shown() ?? { state: "connecting" };
  const hasEnded = ["exited", "failed"].includes(shown.state);
  useEffect(() => onTitle(shown.title ?? ""), [shown.title]);
  return html`<section class="term-pane" hidden=${!isShown} aria-label=${`Terminal ${shown.title || terminal?.name || ""}`} data-testid="terminal-screen" data-state=${shown.state}>
    <div class="terminal-bar" ref=${bar} role="toolbar" aria-label="Terminal">
      <${State} shown=${shown} />
      ${shown.isForeign && shown.state === "attached" && html`<button type="button" class="btn small" onClick=${() => session.current.fit()} title="Another window gave it this size">${shown.cols}×${shown.rows} · fit here</button>`}
      <span class="dim small end hide-phone">${!hasEnded && "Ctrl+F6 leaves the terminal"}</span>
      <button type="button" class="btn small" onClick=${() => copy(session.current)} data-testid="terminal-copy">Copy</button>
      ${hasEnded ? html`<button type="button" class="btn small" onClick=${onNew}>New terminal</button>
        <button type="button" class="btn small" onClick=${onEnd} data-testid="terminal-remove">Remove</button>`
      : html`<button type="button" class="btn small" onClick=${() => paste(session.current)} data-testid="terminal-paste">Paste</button>
        <button type="button" class="btn small" onClick=${onDetach} data-testid="terminal-detach">Detach</button>`}
      <${Looks} onEnd=${hasEnded ? undefined : onEnd} />
    </div>
    <${Trouble} shown=${shown} onRetry=${() => session.current.retry()} />
    <div class=${cx("terminal-box", shown.isForeign && "foreign")} ref=${box} data-testid="terminal-box"></div>
    ${!hasEnded && html`<${ExtraKeys} session=${session} isControl=${shown.isControl} />`}
  </section>`;
}

function State({ shown }) {
  const [kind, word] = STATES[shown.state];
  return html`<span role="status" data-testid="terminal-state"><${Status} kind=${kind}>${shown.state === "exited" ? endOf(shown.end) : word}<//></span>`;
}

const STATES = { connecting: ["warn", "Connecting…"], attached: ["ok", "Attached"], lost: ["bad", "Connection lost"], exited: ["", "Ended"], failed: ["bad", "Gone"] };

/** How a program ended. */
export function endOf({ exitCode, signal } = {}) {
  if (signal) return `Ended by ${signal}`;
  return exitCode === undefined || exitCode === null ? "Ended" : `Ended with ${exitCode}`;
}

function Trouble({ shown, onRetry }) {
  if (shown.state === "failed") return html`<${ErrorLine} error=${shown.error} />`;
  if (shown.complaint) return html`<${ErrorLine} error=${shown.complaint} />`;
  if (shown.state !== "lost") return null;
  return html`<div class="terminal-lost" role="alert"><${Icon} name="warn" />
    <p>${shown.error ? sentence(shown.error.message) : "The connection is lost."} The program goes on there.<span aria-hidden="true"> Next try in <${Countdown} until=${shown.retryAt} />.</span></p>
    <button type="button" class="btn small" onClick=${onRetry}>Try now</button></div>`;
}

function Looks({ onEnd }) {
  const look = useLook();
  const items = [
    { label: "Larger letters", onSelect: () => setLook({ fontSize: look.fontSize + 1 }) },
    { label: "Smaller letters", onSelect: () => setLook({ fontSize: look.fontSize - 1 }) },
    { label: look.screenReader ? "Screen reader mode off" : "Screen reader mode on", onSelect: () => setLook({ screenReader: !look.screenReader }) },
    ...(onEnd ? [{ label: "End…", danger: true, onSelect: onEnd }] : []),
  ];
  return html`<${Menu} icon="more" label="More" items=${items} />`;
}

function ExtraKeys({ session, isControl }) {
  const keep = (event) => event.preventDefault();
  return html`<div class="terminal-keys" role="toolbar" aria-label="Keys" onPointerDown=${keep} data-testid="terminal-keys">
    <button type="button" class=${cx("btn", isControl && "primary")} aria-pressed=${isControl ? "true" : "false"} onClick=${() => session.current.toggleControl()}>Ctrl</button>
    ${EXTRA.map((key) => html`<button type="button" key=${key} class="btn" aria-label=${key in ARROWS ? key : undefined} onClick=${() => session.current.press(key)}>${ARROWS[key] ?? key}</button>`)}
  </div>`;
}

async function copy(session) {
  const text = session.selection();
  if (!text) return toast("Select something in the terminal first", "warn");
  try {
    await navigator.clipboard.writeText(text);
    toast("Copied");
  } catch {
    toast("The browser does not let the page copy. Ctrl+Shift+C may do.", "bad");
  }
  return session.focus();
}

async function paste(session) {
  try {
    session.paste(await navigator.clipboard.readText());
  } catch {
    toast("The browser does not let the page paste. Ctrl+Shift+V does.", "bad");
  }
  session.focus();
}
