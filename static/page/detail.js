// What opens under a frame's row: its whole text, and what can be done with it.

import { LANGUAGES } from './code.js';
import { copyText, create, element } from './dom.js';
import { showJson } from './json-view.js';
import { MASK, withoutTokens } from './mask.js';
import { fillRaw } from './raw.js';
import { t } from './text.js';

const COPIED_SHOWN_MS = 1500;
// The same in every language.
const NAMES = { javascript: 'JavaScript', python: 'Python', curl: 'curl', websocat: 'websocat' };

/** The detail of a frame, called `name`. As a program only what was sent makes sense. */
export function frameDetail(frame, name) {
  const detail = element('detail-template').content.firstElementChild.cloneNode(true);
  const [tools, pre] = detail.children;
  const languages = Object.keys(LANGUAGES).filter((key) => LANGUAGES[key]('', frame.text) !== null);
  const does = frame.direction === 'out' ? ['copy', ...languages, 'edit'] : ['copy'];
  tools.append(...does.map(toolButton));
  if (does.length > 1) tools.firstElementChild.after(create('span', 'as'));
  translateDetail(detail);
  pre.setAttribute('aria-label', name);
  showJson(pre, frame.text);
  return detail;
}

function toolButton(does) {
  const button = create('button', does === 'copy' ? 'copy' : '');
  button.type = 'button';
  button.dataset.does = does;
  return button;
}

/** Says in the current language what the buttons do. */
export function translateDetail(detail) {
  for (const button of detail.querySelectorAll('[data-does]')) {
    const language = NAMES[button.dataset.does];
    button.textContent = language ?? t(button.dataset.does);
    const words = language ? t('copyAs', { language }) : t(`${button.dataset.does}Frame`);
    button.title = words;
    button.setAttribute('aria-label', words);
  }
  const as = detail.querySelector('.as');
  if (as) as.textContent = t('as');
}

/** Does what the buttons say; `rows` knows whose detail it is. */
export function mountDetailTools(list, rows, client) {
  list.addEventListener('click', async ({ target }) => {
    const button = target.closest('.detail [data-does]');
    if (!button) return;
    const { text } = rows.frameOf(button);
    const { does } = button.dataset;
    if (does === 'edit') fillRaw(text);
    else report(button, await copyText(LANGUAGES[does]?.(addressOf(client), text) ?? withoutTokens(text)));
  });
}

/** Where a program has to connect to, with a place for its token if this page has used one. */
function addressOf({ target: { address, hasToken } }) {
  const url = new URL(address);
  url.protocol = url.protocol.replace('http', 'ws'); // browsers take both
  if (hasToken) url.searchParams.set('token', MASK);
  return url.href;
}

function report(button, done) {
  button.textContent = t(done ? 'copied' : 'copyFailed');
  element('announced').textContent = button.textContent;
  setTimeout(() => {
    element('announced').textContent = '';
    translateDetail(button.parentElement);
  }, COPIED_SHOWN_MS);
}
