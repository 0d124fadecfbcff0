// How wide the screen is, where a style sheet can't tell.

import { useEffect, useState } from "./ui.js";

const PHONE = "(max-width: 720px)";

/** Whether a media query holds, kept right. */
export function useMedia(query) {
  const [holds, setHolds] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const media = matchMedia(query);
    const look = () => setHolds(media.matches);
    look();
    media.addEventListener("change", look);
    return () => media.removeEventListener("change", look);
  }, [query]);
  return holds;
}

/** The height of a virtual list's rows, px: higher where fingers touch them. */
export function useRowHeight(desk = 34, phone = 46) {
  return useMedia(PHONE) ? phone : desk;
}
