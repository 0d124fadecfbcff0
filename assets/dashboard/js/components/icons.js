// The page's icons: strokes of one colour, hidden from screen readers.

import { html } from "../lib/ui.js";

const PATHS = {
  overview: "M2 2h5v6H2zM9 2h5v3.5H9zM9 8h5v6H9zM2 10.5h5V14H2z",
  peers: "M2 3h8v6H2zM4 12h4M6 9v3M12 6h2v7h-4",
  context: "M8 2c3.3 0 6 .9 6 2s-2.7 2-6 2-6-.9-6-2 2.7-2 6-2zM2 4v8c0 1.1 2.7 2 6 2s6-.9 6-2V4M2 8c0 1.1 2.7 2 6 2s6-.9 6-2",
  messages: "M2 3h12v8H7l-3 3v-3H2z",
  tasks: "M9 1.5 3 9h4.5L7 14.5 13 7H8.5z",
  terminal: "M2 3h12v10H2zM4.5 6 7 8l-2.5 2M8.5 10.5h3",
  activity: "M1.5 8H4l2-5 3.5 10 2-5h3",
  access: "M10.5 2a3.5 3.5 0 1 1-2.9 5.4L2.5 12.5V14H5v-1.5h1.5V11H8l1-1M11.5 5h.01",
  more: "M3 8h.01M8 8h.01M13 8h.01",
  close: "M3.5 3.5l9 9M12.5 3.5l-9 9",
  back: "M10 3 5 8l5 5",
  search: "M7 2a5 5 0 1 1 0 10A5 5 0 0 1 7 2zM10.5 10.5 14 14",
  plus: "M8 3v10M3 8h10",
  down: "M4 6l4 4 4-4",
  right: "M6 4l4 4-4 4",
  copy: "M5 5h8v9H5zM3 11V2h8",
  check: "M3 8.5 6.5 12 13 4.5",
  warn: "M8 2 1.5 13.5h13zM8 6.5v3.5M8 12h.01",
  up: "M8 13V3M4 7l4-4 4 4",
  in: "M8 3v10M4 9l4 4 4-4",
};

/** An icon by its name, 16 px. What it means must be said beside it. */
export function Icon({ name }) {
  return html`<svg class="icon" viewBox="0 0 16 16" width="16" height="16" fill="none" stroke="currentColor" stroke-width="1.5"
    stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><path d=${PATHS[name]} /></svg>`;
}
