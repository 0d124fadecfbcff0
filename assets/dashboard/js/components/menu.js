// A button that opens a list of actions.

import { cx, html, useEffect, useId, useRef, useState } from "../lib/ui.js";
import { Icon } from "./icons.js";

/**
 * @param {object} props
 * @param {string} props.label name of the button; shown unless `icon` is given
 * @param {string} [props.icon]
 * @param {{label: string, onSelect: () => void, danger?: boolean, disabled?: boolean}[]} props.items
 */
export function Menu({ label, icon, items, class: extra }) {
  const [isOpen, setOpen] = useState(false);
  const box = useRef();
  const id = useId();
  useEffect(() => {
    if (!isOpen) return undefined;
    box.current.querySelector("[role=menuitem]:not(:disabled)")?.focus();
    const outside = (event) => {
      if (!box.current.contains(event.target)) setOpen(false);
    };
    addEventListener("pointerdown", outside);
    return () => removeEventListener("pointerdown", outside);
  }, [isOpen]);
  const close = () => {
    setOpen(false);
    box.current.querySelector("button").focus();
  };
  const select = (item) => {
    close();
    item.onSelect();
  };
  const move = (event) => {
    if (event.key === "Escape" && isOpen) {
      event.stopPropagation();
      return close();
    }
    if (event.key === "Tab") return setOpen(false);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return undefined;
    event.preventDefault();
    if (!isOpen) return setOpen(true);
    const all = [...box.current.querySelectorAll("[role=menuitem]:not(:disabled)")];
    const next = (all.indexOf(document.activeElement) + step + all.length) % all.length;
    return all[next]?.focus();
  };
  return html`<div class=${cx("menu", extra)} ref=${box} onKeyDown=${move}>
    <button type="button" class=${cx("btn", icon && "quiet icon-only")} aria-haspopup="menu" aria-expanded=${isOpen ? "true" : "false"}
      aria-controls=${isOpen ? id : undefined} aria-label=${icon ? label : undefined} title=${icon ? label : undefined} onClick=${() => setOpen(!isOpen)}>
      ${icon ? html`<${Icon} name=${icon} />` : html`${label}<${Icon} name="down" />`}
    </button>
    ${isOpen && html`<div role="menu" id=${id} class="menu-list" aria-label=${label}>
      ${items.map((item) => html`<button type="button" role="menuitem" key=${item.label} tabIndex="-1" class=${cx("menu-item", item.danger && "bad-text")}
        disabled=${item.disabled} onClick=${() => select(item)}>${item.label}</button>`)}
    </div>`}
  </div>`;
}
