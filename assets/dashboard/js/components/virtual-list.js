// A list of rows of one height, of which only those in sight are in the page: 100 000 are as quick as ten.

import { cx, html, useEffect, useLayoutEffect, useReducer, useRef } from "../lib/ui.js";

/** Rows kept above and below those in sight, so that the focus can move on by Tab. */
const MARGIN = 8;
/** How far the first row is looked for after others came before it. */
const LOOK = 2000;

/**
 * @param {object} props
 * @param {number} props.count of rows
 * @param {number} props.rowHeight px
 * @param {(index: number) => any} props.row what is in a row
 * @param {(index: number) => string|number} [props.rowKey] what tells a row from others; its index unless given
 * @param {string} props.label what screen readers call the list
 * @param {"list"|"rowgroup"} [props.role] `rowgroup` inside of a table
 * @param {boolean} [props.follow] whether it stays at its end while rows come, until its user scrolls up
 * @param {(first: number, last: number) => void} [props.onRange] which rows are in sight
 * @param {number} [props.scrollTo] index of a row to bring into sight when this changes
 *
 * Rows that come before the first in sight don't move those in sight. Arrow keys move between the elements that are marked
 * `data-primary`, one in each row.
 */
export function VirtualList({ count, rowHeight, row, rowKey = (index) => index, label, role = "list", follow, onRange, scrollTo, class: extra }) {
  const box = useRef();
  const at = useRef({ top: 0, height: 600, firstKey: undefined, isAtEnd: true, focused: null });
  const [, redraw] = useReducer((number) => number + 1, 0);

  useLayoutEffect(() => {
    const element = box.current;
    const measure = () => {
      if (Math.abs(at.current.height - element.clientHeight) < 1) return;
      at.current.height = element.clientHeight;
      redraw();
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  useLayoutEffect(() => {
    keepInPlace(box.current, at.current, { count, rowHeight, rowKey, follow });
  });
  useLayoutEffect(() => {
    if (scrollTo >= 0) bringInSight(box.current, scrollTo, rowHeight);
  }, [scrollTo]);

  const first = Math.max(0, Math.floor(at.current.top / rowHeight) - MARGIN);
  const last = Math.min(count, Math.ceil((at.current.top + at.current.height) / rowHeight) + MARGIN);
  useEffect(() => onRange?.(first, last), [first, last]);

  const shown = [];
  for (let index = first; index < last; index += 1) shown.push(index);
  const kept = at.current.focused === null ? -1 : indexOfKey(at.current.focused, first, count, rowKey);
  if (kept >= 0 && (kept < first || kept >= last)) shown.push(kept);

  const scrolled = (event) => {
    const { scrollTop, scrollHeight, clientHeight } = event.currentTarget;
    at.current.top = scrollTop;
    at.current.isAtEnd = scrollTop + clientHeight >= scrollHeight - rowHeight / 2;
    redraw();
  };
  const focusIn = (event) => {
    at.current.focused = event.target.closest("[data-row]")?.dataset.row ?? null;
  };
  const focusOut = () => {
    at.current.focused = null;
  };
  const itemRole = role === "list" ? "listitem" : undefined;
  return html`<div ref=${box} class=${cx("virtual", extra)} onScroll=${scrolled} onFocusIn=${focusIn} onFocusOut=${focusOut}
      onKeyDown=${(event) => moveFocus(event, box.current, rowHeight)} tabIndex="0" role=${role === "list" ? "group" : role} aria-label=${label}>
    <div class="virtual-inner" role=${role === "list" ? "list" : "presentation"} style=${{ height: `${count * rowHeight}px` }}>
      ${shown.map((index) => html`<div key=${rowKey(index)} data-row=${rowKey(index)} data-index=${index} class="virtual-row" role=${itemRole ?? "presentation"}
        style=${{ top: `${index * rowHeight}px`, height: `${rowHeight}px` }} aria-posinset=${itemRole && index + 1} aria-setsize=${itemRole && count}>${row(index)}</div>`)}
    </div>
  </div>`;
}

function keepInPlace(element, at, { count, rowHeight, rowKey, follow }) {
  const firstKey = count > 0 ? rowKey(0) : undefined;
  if (follow && at.isAtEnd) {
    element.scrollTop = element.scrollHeight;
  } else if (!follow && element.scrollTop > 0 && at.firstKey !== undefined && firstKey !== at.firstKey) {
    const moved = indexOfKey(at.firstKey, 0, Math.min(count, LOOK), rowKey);
    if (moved > 0) element.scrollTop += moved * rowHeight;
  }
  at.firstKey = firstKey;
}

function indexOfKey(key, near, count, rowKey) {
  const wanted = String(key);
  const from = Math.max(0, near - LOOK);
  const to = Math.min(count, near + LOOK);
  for (let index = from; index < to; index += 1) {
    if (String(rowKey(index)) === wanted) return index;
  }
  return -1;
}

function bringInSight(element, index, rowHeight) {
  const top = index * rowHeight;
  if (top < element.scrollTop) element.scrollTop = top;
  else if (top + rowHeight > element.scrollTop + element.clientHeight) element.scrollTop = top + rowHeight - element.clientHeight;
}

function moveFocus(event, element, rowHeight) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step || event.target.closest("input, textarea, select")) return;
  const from = event.target.closest("[data-row]");
  const wanted = from ? Number(from.dataset.index) + step : firstInSight(element, rowHeight);
  const next = element.querySelector(`[data-index="${wanted}"] [data-primary]`);
  if (!next) return;
  event.preventDefault();
  bringInSight(element, wanted, rowHeight);
  next.focus({ preventScroll: true });
}

function firstInSight(element, rowHeight) {
  return Math.ceil(element.scrollTop / rowHeight);
}
