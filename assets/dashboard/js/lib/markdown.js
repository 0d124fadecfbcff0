// Markdown as nodes: marked's lexer, then an allow list of elements. Raw HTML is shown as the text that it is.
import { html } from "./ui.js";
import { lexer } from "../../vendor/marked.js";

/** Longer texts, in characters, are shown as they are. */
const LONGEST = 200_000;
/** What is nested deeper is shown as its source. */
const DEEPEST = 24;
const PROTOCOLS = ["http:", "https:", "mailto:"];
const ENTITIES = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0", hellip: "…", ndash: "–", mdash: "—", copy: "©" };

/**
 * A text of Markdown as nodes that are safe to show, whoever wrote it.
 * @param {string} text
 */
export function markdown(text) {
  return tokensOf(text)?.map((token) => block(token, 0)) ?? html`<p class="md-plain">${text}</p>`;
}

/**
 * An address if it may be a link: http, https or mailto.
 * @param {string} address
 * @returns {string|null}
 */
function safeAddress(address) {
  try {
    const url = new URL(address);
    return PROTOCOLS.includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

/** The tokens of a text; nothing where it is too long, or so odd that the lexer gives up. */
function tokensOf(text) {
  if (text.length > LONGEST) return null;
  try {
    return lexer(text, { gfm: true });
  } catch {
    return null;
  }
}

function block(token, depth) {
  if (depth > DEEPEST) return token.raw;
  switch (token.type) {
    case "space":
    case "def":
      return null;
    case "hr":
      return html`<hr />`;
    case "heading":
      return html`<p class=${`md-heading md-heading-${token.depth}`} dir="auto">${inlines(token, depth)}</p>`;
    case "paragraph":
      return html`<p dir="auto">${inlines(token, depth)}</p>`;
    case "blockquote":
      return html`<blockquote>${blocks(token.tokens, depth)}</blockquote>`;
    case "list":
      return list(token, depth);
    case "code":
      return html`<pre class="md-code"><code>${token.text}</code></pre>`;
    case "table":
      return table(token, depth);
    case "html":
      return html`<p class="md-plain">${token.raw}</p>`;
    default:
      return inline(token, depth);
  }
}

function blocks(tokens, depth) {
  return tokens.map((token) => block(token, depth + 1));
}

function list(token, depth) {
  const items = token.items.map((item) => html`<li dir="auto">${blocks(item.tokens, depth)}</li>`);
  return token.ordered ? html`<ol start=${token.start || 1}>${items}</ol>` : html`<ul>${items}</ul>`;
}

function table(token, depth) {
  const cells = (row, tag) => row.map((cell) => html`<${tag} class=${cell.align ? `md-${cell.align}` : null} dir="auto">${inlines(cell, depth)}<//>`);
  return html`<table class="md-table">
    <thead><tr>${cells(token.header, "th")}</tr></thead>
    <tbody>${token.rows.map((row) => html`<tr>${cells(row, "td")}</tr>`)}</tbody>
  </table>`;
}

function inlines(token, depth) {
  return token.tokens ? token.tokens.map((inner) => inline(inner, depth + 1)) : unescaped(token.text ?? token.raw);
}

function inline(token, depth) {
  if (depth > DEEPEST) return token.raw;
  switch (token.type) {
    case "text":
      return inlines(token, depth);
    case "escape":
      return token.text;
    case "strong":
      return html`<strong>${inlines(token, depth)}</strong>`;
    case "em":
      return html`<em>${inlines(token, depth)}</em>`;
    case "del":
      return html`<del>${inlines(token, depth)}</del>`;
    case "codespan":
      return html`<code>${token.text}</code>`;
    case "br":
      return html`<br />`;
    case "checkbox":
      return token.checked ? "☑ " : "☐ ";
    case "link":
      return link(token, inlines(token, depth));
    case "image":
      return link(token, `Image: ${token.text || token.href}`);
    default:
      return token.raw;
  }
}

/** A link that says where it goes; one that goes nowhere good is its source. An image is a link: the page loads nothing from afar. */
function link(token, shown) {
  const address = safeAddress(token.href);
  if (!address) return token.raw;
  return html`<a href=${address} title=${address} target="_blank" rel="noopener noreferrer">${shown}</a>`;
}

/** A text with the few entities that people write; others stay as they are written. */
function unescaped(text) {
  return text.replace(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|(\w{2,6}));/gi, (whole, decimal, hexadecimal, name) => {
    if (name) return ENTITIES[name] ?? whole;
    const point = decimal ? Number(decimal) : Number.parseInt(hexadecimal, 16);
    return point > 0 && point <= 0x10ffff ? String.fromCodePoint(point) : whole;
  });
}
