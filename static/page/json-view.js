// JSON laid out and coloured on the page.

import { layoutJson, parseJson } from './json.js';

const COLOURED_TOKENS_MAX = 4000; // a larger frame is shown without colours: one node a token would be slow

/** Shows JSON laid out and coloured; any other text as it is. */
export function showJson(target, text) {
  if (parseJson(text).problem) {
    target.textContent = text;
    return;
  }
  const pieces = layoutJson(text);
  if (pieces.length > COLOURED_TOKENS_MAX) {
    target.textContent = pieces.map(([, piece]) => piece).join('');
    return;
  }
  target.replaceChildren(...pieces.map(([name, piece]) => {
    if (!name) return piece;
    const span = document.createElement('span');
    span.className = name;
    span.textContent = piece;
    return span;
  }));
}
