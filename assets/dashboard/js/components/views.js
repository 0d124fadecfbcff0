// The views that there are: their names, keys and files.

/** In the order of the navigation. `key` follows `g`; `phone` are those with a place of their own at the foot of a phone. */
export const VIEWS = [
  { id: "overview", title: "Overview", key: "o", phone: true, load: () => import("../views/overview.js") },
  { id: "peers", title: "Peers", key: "p", phone: true, load: () => import("../views/peers.js") },
  { id: "context", title: "Context", key: "c", load: () => import("../views/context.js") },
  { id: "messages", title: "Messages", key: "m", phone: true, load: () => import("../views/messages.js") },
  { id: "tasks", title: "AI Tasks", short: "Tasks", key: "t", phone: true, load: () => import("../views/tasks.js") },
  { id: "terminal", title: "Terminal", key: "x", load: () => import("../views/terminal.js") },
  { id: "activity", title: "Activity", key: "a", load: () => import("../views/activity.js") },
  { id: "access", title: "Access", key: "s", load: () => import("../views/access.js") },
];

/** What a view is called. */
export function titleOf(id) {
  return VIEWS.find((view) => view.id === id)?.title ?? "";
}
