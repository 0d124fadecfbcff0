// Lets xterm.js work under `style-src 'self'`, which blocks its <style> elements and its style attributes.
//
// While a terminal is opened, `createElement('style')` answers a stand-in whose text goes to a constructable style sheet of the
// document. The cells' colours, which xterm.js writes with `setAttribute('style', …)` on spans, go through `style.cssText`. Neither
// is subject to the policy: it blocks markup that could have been injected, not the style sheet objects of scripts that run anyway.

/** An element for xterm.js to take for a <style>: it is never rendered, and its text is the text of an adopted style sheet. */
function sheetElement(create) {
  const sheet = new CSSStyleSheet();
  const element = create.call(document, "template");
  document.adoptedStyleSheets.push(sheet);
  Object.defineProperty(element, "textContent", { set: (css) => sheet.replaceSync(css) });
  element.remove = () => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((other) => other !== sheet);
    Element.prototype.remove.call(element);
  };
  return element;
}

/** Has spans take a style attribute by way of their style object, once for the page. */
function divertSpanStyles() {
  if (Object.hasOwn(HTMLSpanElement.prototype, "setAttribute")) return;
  HTMLSpanElement.prototype.setAttribute = function setAttribute(name, value) {
    if (name === "style") this.style.cssText = value;
    else Element.prototype.setAttribute.call(this, name, value);
  };
}

/**
 * Opens a terminal of xterm.js in an element, so that its styles hold under the page's policy.
 * @param {import('../../../vendor/xterm.js').Terminal} terminal
 * @param {HTMLElement} parent
 */
export function openTerminal(terminal, parent) {
  const create = document.createElement;
  divertSpanStyles();
  document.createElement = (name, ...rest) => (name === "style" ? sheetElement(create) : create.call(document, name, ...rest));
  try {
    terminal.open(parent);
  } finally {
    delete document.createElement;
  }
}
