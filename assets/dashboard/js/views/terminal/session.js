// A terminal in the page: xterm.js on a line to a machine.

import { ask } from "../../components/dialog.js";
import { visible } from "../../lib/format.js";
import { FitAddon } from "../../../vendor/xterm-addon-fit.js";
import { Terminal } from "../../../vendor/xterm.js";
import { keepLine } from "./line.js";
import { lookOptions, onLook } from "./look.js";
import { openTerminal } from "./strict.js";

const SCROLLBACK = 5000;
const USUAL = { cols: 80, rows: 24 };

/** The size that a terminal gets where so much fits: no more than a daemon gives. */
function fitting({ cols, rows }) {
  const most = Math.min(cols, 500);
  return { cols: most, rows: Math.min(rows, 300, Math.floor(65_000 / most)) };
}

/**
 * Shows a terminal in an element until `close`. `onChange` is called after `shown()` has become another.
 * @param {{scope: object, id: string, element: HTMLElement, onChange: () => void, onLeave: () => void}} options `onLeave`: its
 *   user wants the focus elsewhere
 */
export function openSession({ scope, id, element, onChange, onLeave }) {
  const terminal = new Terminal({ ...lookOptions(), scrollback: SCROLLBACK, minimumContrastRatio: 4.5, cursorBlink: true, linkHandler: { activate: (event, address) => follow(address) } });
  const fitter = new FitAddon();
  let shown = { state: "connecting", title: "", isForeign: false, isControl: false, cols: USUAL.cols, rows: USUAL.rows };
  let frame = 0;

  function show(changes) {
    shown = { ...shown, ...changes };
    onChange();
  }
  function measured() {
    const size = element.clientWidth > 0 ? fitter.proposeDimensions() : undefined;
    return size?.cols > 1 && size.rows > 0 ? fitting(size) : undefined;
  }
  function take({ cols, rows }) {
    terminal.resize(cols, rows);
    const own = measured();
    show({ cols, rows, isForeign: Boolean(own) && (own.cols !== cols || own.rows !== rows) });
  }
  function fit() {
    const size = measured();
    if (!size || shown.state === "exited") return;
    if (size.cols !== terminal.cols || size.rows !== terminal.rows || shown.isForeign) {
      take(size);
      line.resize(size);
    }
  }
  function typed(text) {
    if (!shown.isControl) return line.type(text);
    show({ isControl: false });
    return line.type(controlOf(text));
  }

  terminal.loadAddon(fitter);
  openTerminal(terminal, element);
  terminal.attachCustomKeyEventHandler((event) => keyed(event, terminal, onLeave));
  const line = keepLine({
    scope,
    id,
    size: () => measured() ?? { cols: terminal.cols, rows: terminal.rows },
    onBytes: (bytes, done) => terminal.write(bytes, done),
    onMessage: (message) => {
      if (message.type === "attached") terminal.reset();
      if (message.type === "attached" || message.type === "resize") take(message);
      if (message.type === "error") show({ complaint: message.error });
    },
    onState: (state) => {
      terminal.options.disableStdin = state.state !== "attached";
      show({ error: undefined, retryAt: undefined, ...state });
    },
  });
  terminal.onData(typed);
  terminal.onBinary((text) => line.type(Uint8Array.from(text, (char) => char.charCodeAt(0))));
  terminal.onTitleChange((title) => show({ title: visible(title).slice(0, 200) }));
  const resized = () => {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      fit();
    });
  };
  const observer = new ResizeObserver(resized);
  observer.observe(element);
  const stopLook = onLook(() => {
    Object.assign(terminal.options, lookOptions());
    resized();
  });
  return {
    shown: () => shown,
    focus: () => terminal.focus(),
    fit,
    retry: line.retry,
    /** Types what a key on the page stands for; arrows as the program wants them. */
    press: (key) => {
      typed(KEYS[key] ?? `\u001b${terminal.modes.applicationCursorKeysMode ? "O" : "["}${ARROWS[key]}`);
      terminal.focus();
    },
    /** Makes a control character of the next key, or no longer. */
    toggleControl: () => {
      show({ isControl: !shown.isControl });
      terminal.focus();
    },
    selection: () => terminal.getSelection(),
    paste: (text) => terminal.paste(text),
    close: () => {
      stopLook();
      observer.disconnect();
      cancelAnimationFrame(frame);
      line.close();
      terminal.dispose();
    },
  };
}

/** What the keys on the page type. */
const KEYS = { Esc: "\u001b", Tab: "\t", "Ctrl+C": "\u0003", "|": "|", "/": "/", "-": "-", "~": "~" };
const ARROWS = { Up: "A", Down: "B", Right: "C", Left: "D" };

function controlOf(text) {
  const code = text.toUpperCase().charCodeAt(0);
  return text.length === 1 && code >= 0x3f && code <= 0x5f ? String.fromCharCode(code === 0x3f ? 0x7f : code & 0x1f) : text;
}

/** Keys that are the page's, not the program's: Ctrl+F6 leaves the terminal, Ctrl+Shift+C and +V are the clipboard's. */
function keyed(event, terminal, onLeave) {
  if (event.ctrlKey && event.key === "F6") {
    event.preventDefault();
    if (event.type === "keydown") onLeave();
    return false;
  }
  if (!event.ctrlKey || !event.shiftKey || event.altKey) return true;
  if (event.code === "KeyC" && terminal.hasSelection()) {
    event.preventDefault();
    if (event.type === "keydown") navigator.clipboard.writeText(terminal.getSelection()).catch(() => undefined);
    return false;
  }
  return event.code !== "KeyV";
}

/** A link that a program shows may say one thing and lead elsewhere: where it leads is asked about first. */
async function follow(address) {
  if (await ask({ title: "Open this address?", text: `A program in the terminal links to ${visible(address)}`, action: "Open" })) {
    window.open(address, "_blank", "noopener,noreferrer");
  }
}
