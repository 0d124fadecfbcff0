// Tables: a plain one for a few rows, and one that draws only the rows in sight.

import { cx, html } from "../lib/ui.js";
import { VirtualList } from "./virtual-list.js";

/**
 * A column: `{id, label, cell(row), width?, class?, hide?}`. `width` is a track of a CSS grid (`minmax(0, 2fr)` unless given);
 * `class` goes to head and cells (`num` for numbers); `hide` is `phone` or `tablet`: not shown there or on anything smaller.
 */

/**
 * A table of a few rows. `rows` are values, `rowKey(row)` tells them apart, `caption` is what screen readers call it.
 */
export function Table({ columns, rows, rowKey, caption, rowClass, testid }) {
  return html`<table class="table" data-testid=${testid}>
    <caption class="visually-hidden">${caption}</caption>
    <thead><tr>${columns.map((column) => html`<th key=${column.id} scope="col" class=${classOf(column)}>${head(column)}</th>`)}</tr></thead>
    <tbody>${rows.map((row) => html`<tr key=${rowKey(row)} class=${rowClass?.(row)}>
      ${columns.map((column) => html`<td key=${column.id} class=${classOf(column)}>${column.cell(row)}</td>`)}
    </tr>`)}</tbody>
  </table>`;
}

/**
 * A table of any number of rows of one height, in a box that scrolls. `grid` is the class under which the style sheet sets
 * `grid-template-columns`, so that widths can differ by the width of the screen. Further properties as of VirtualList.
 */
export function VirtualTable({ columns, rows, rowKey, rowHeight = 36, caption, grid, rowClass, testid, ...rest }) {
  const row = (index) => html`<div role="row" aria-rowindex=${index + 2} class=${cx("vt-row", grid, rowClass?.(rows[index]))}>
    ${columns.map((column) => html`<div key=${column.id} role="cell" class=${cx("vt-cell", classOf(column))}>${column.cell(rows[index])}</div>`)}
  </div>`;
  return html`<div class="vt" role="table" aria-label=${caption} aria-rowcount=${rows.length + 1} data-testid=${testid}>
    <div role="rowgroup" class="vt-headgroup"><div role="row" aria-rowindex="1" class=${cx("vt-row", "vt-head", grid)}>
      ${columns.map((column) => html`<div key=${column.id} role="columnheader" class=${cx("vt-cell", classOf(column))}>${head(column)}</div>`)}
    </div></div>
    <${VirtualList} role="rowgroup" label=${`${caption}, rows`} count=${rows.length} rowHeight=${rowHeight} rowKey=${(index) => rowKey(rows[index])} row=${row} ...${rest} />
  </div>`;
}

function head(column) {
  return column.unseen ? html`<span class="visually-hidden">${column.label}</span>` : column.label;
}

function classOf(column) {
  return cx(column.class, column.hide && `hide-${column.hide}`);
}
