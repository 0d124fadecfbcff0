// Style sheets that one view alone needs, fetched with it.

const loaded = new Map();

/** Adds a style sheet once; resolves when it holds: `await loadStyle("/css/tasks.css")` at the head of a view's module. */
export function loadStyle(href) {
  if (!loaded.has(href)) loaded.set(href, add(href));
  return loaded.get(href);
}

function add(href) {
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = href;
  return new Promise((resolve, reject) => {
    link.addEventListener("load", resolve);
    link.addEventListener("error", () => {
      loaded.delete(href);
      link.remove();
      reject(new Error("a style sheet could not be loaded"));
    });
    document.head.append(link);
  });
}
