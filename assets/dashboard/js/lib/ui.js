// What components are written with: preact, its hooks and htm, from one place.

import { h, render, Fragment } from "../../vendor/preact.js";
import htm from "../../vendor/htm.js";

export { render, Fragment };
export {
  useState, useEffect, useLayoutEffect, useRef, useMemo, useCallback, useReducer, useId,
} from "../../vendor/preact-hooks.js";

/** Template tag: markup to preact nodes. Values become text nodes or properties, never markup. */
export const html = htm.bind(h);

/** Joins the class names that hold: `cx("row", isOpen && "open")`. */
export function cx(...names) {
  return names.filter(Boolean).join(" ");
}
