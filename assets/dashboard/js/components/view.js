// The view that the address names, fetched when it is first wanted.

import { useRoute } from "../lib/router.js";
import { useStore } from "../lib/store.js";
import { html, useEffect, useRef, useState } from "../lib/ui.js";
import { Empty, ErrorLine, Loading } from "./basics.js";
import { titleOf, VIEWS } from "./views.js";

const loaded = new Map();

/** The view, or what stands for it while it is fetched or can't be. */
export function View() {
  const { view } = useRoute();
  const host = useStore((state) => state.me?.hostname);
  const [, redraw] = useState(0);
  const [error, setError] = useState();
  const isFirst = useRef(true);
  const known = VIEWS.find((entry) => entry.id === view);

  const load = () => {
    setError(undefined);
    known.load().then((module) => {
      loaded.set(view, module.default);
      redraw((number) => number + 1);
    }, () => setError({ message: "this part of the page could not be loaded", hint: "Does `loopsy dashboard` still run?" }));
  };
  useEffect(() => {
    document.title = [titleOf(view), host, "Loopsy"].filter(Boolean).join(" · ");
    if (known && !loaded.has(view)) load();
    if (!isFirst.current) document.getElementById("main")?.focus({ preventScroll: true });
    isFirst.current = false;
  }, [view, host]);

  const Loaded = loaded.get(view);
  if (Loaded) return html`<${Loaded} key=${view} />`;
  if (!known) return frame("Not here", html`<${Empty} title="There is no such page"><a href="#/overview">To the overview</a><//>`);
  return frame(known.title, error ? html`<${ErrorLine} error=${error} onRetry=${load} />` : html`<${Loading} />`);
}

/** What stands in the place of a view, with its head. */
function frame(title, content) {
  return html`<div class="view"><header class="view-head"><h1>${title}</h1></header>${content}</div>`;
}
