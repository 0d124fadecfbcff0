// Boxes that stay at their end while things come, until their user scrolls up.

import { useLayoutEffect, useRef } from "./ui.js";

/** So near to its end, in px, a box counts as being there. */
const NEAR = 40;

/**
 * Keeps a box at its end while its content grows there, unless its user has scrolled up; and in place when content comes before
 * that which is in sight.
 * @param {{current: HTMLElement}} box
 * @param {unknown} last changes when something comes at the end
 * @param {unknown} first changes when something comes at the beginning
 */
export function useStickToEnd(box, last, first) {
  const before = useRef({ height: 0, top: 0, isAtEnd: true, first });
  useLayoutEffect(() => {
    const element = box.current;
    const note = () => {
      const isAtEnd = element.scrollTop + element.clientHeight >= element.scrollHeight - NEAR;
      Object.assign(before.current, { height: element.scrollHeight, top: element.scrollTop, isAtEnd });
    };
    const grown = () => {
      if (before.current.isAtEnd) element.scrollTop = element.scrollHeight;
    };
    const observer = new ResizeObserver(grown);
    observer.observe(element);
    element.addEventListener("scroll", note, { passive: true });
    return () => {
      observer.disconnect();
      element.removeEventListener("scroll", note);
    };
  }, []);
  useLayoutEffect(() => {
    const element = box.current;
    const was = before.current;
    if (was.isAtEnd) element.scrollTop = element.scrollHeight;
    else if (was.first !== first) element.scrollTop = was.top + element.scrollHeight - was.height;
    Object.assign(was, { height: element.scrollHeight, top: element.scrollTop, first });
  }, [last, first]);
}
