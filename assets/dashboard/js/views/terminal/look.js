// How terminals look: colours for the page's theme, the size of letters, and whether a screen reader reads along. Kept by the browser.

import { isDark, subscribe as onTheme } from "../../lib/theme.js";
import { useSource } from "../../lib/store.js";

const KEY = "loopsy.terminal";
const SMALLEST = 8;
const LARGEST = 32;
const USUAL = { fontSize: 13, screenReader: false };
const FONT = 'ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace';
const listeners = new Set();
let look = { ...USUAL, ...stored() };

const DARK = {
  background: "#0a0d11", foreground: "#e4e8ed", cursor: "#6cb0ff", cursorAccent: "#0a0d11", selectionBackground: "#2c4a72",
  black: "#3b434d", red: "#ff7b72", green: "#56c96f", yellow: "#e2b04a", blue: "#6cb0ff", magenta: "#d2a8ff", cyan: "#5fd0d8", white: "#c9d1d9",
  brightBlack: "#8b95a1", brightRed: "#ffa198", brightGreen: "#7ee787", brightYellow: "#f2cc60", brightBlue: "#9cc9ff", brightMagenta: "#e2c5ff",
  brightCyan: "#8be3ea", brightWhite: "#ffffff",
};
const LIGHT = {
  background: "#ffffff", foreground: "#1a1f25", cursor: "#0a5bc8", cursorAccent: "#ffffff", selectionBackground: "#bcd8fb",
  black: "#1a1f25", red: "#b81d28", green: "#14712f", yellow: "#8a5200", blue: "#0a5bc8", magenta: "#8250df", cyan: "#0b6f7a", white: "#57616c",
  brightBlack: "#57616c", brightRed: "#cf222e", brightGreen: "#1a7f37", brightYellow: "#9a6700", brightBlue: "#2f7de1", brightMagenta: "#a371f7",
  brightCyan: "#1b8a96", brightWhite: "#30363d",
};

function stored() {
  try {
    const { fontSize, screenReader } = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    return { fontSize: within(Number(fontSize) || USUAL.fontSize), screenReader: screenReader === true };
  } catch {
    return {};
  }
}

function within(size) {
  return Math.min(LARGEST, Math.max(SMALLEST, size));
}

/** Changes the look of all terminals: `{fontSize}` in px, `{screenReader}`. */
export function setLook(changes) {
  look = { ...look, ...changes };
  look.fontSize = within(look.fontSize);
  localStorage.setItem(KEY, JSON.stringify(look));
  for (const listener of [...listeners]) listener();
}

/** The look in a component: `{fontSize, screenReader}`. */
export function useLook() {
  return useSource(subscribe, () => look);
}

/** Options of xterm.js for the present look. */
export function lookOptions() {
  return { fontFamily: FONT, fontSize: look.fontSize, screenReaderMode: look.screenReader, theme: isDark() ? DARK : LIGHT };
}

/** Calls `listener` when the look changes, with the theme or by choice. Returns how to stop. */
export function onLook(listener) {
  const stop = onTheme(listener);
  const end = subscribe(listener);
  return () => {
    stop();
    end();
  };
}

function subscribe(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
