// What the keyboard does, besides Tab and Enter.

import { create, element } from '../page/dom.js';
import { onLanguage, t } from '../page/text.js';

/** `actions`: by key, with the words for it. */
export function mountKeys(actions) {
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const isTyping = event.target.matches?.('input, textarea, select');
    if (isTyping && event.key !== 'Escape') return;
    const action = actions[event.key];
    if (!action || element('board').hidden) return;
    event.preventDefault();
    if (isTyping) event.target.blur();
    else action.run();
  });
  onLanguage(() => {
    const rows = Object.entries(actions).flatMap(([key, { words }]) => [create('dt', 'mono', key), create('dd', '', t(words))]);
    element('keys-list').replaceChildren(...rows);
  });
}
