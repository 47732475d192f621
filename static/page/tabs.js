// Narrow screens show one group of panels at a time; `data-tab` on the body says which. Wide ones show all (index.css).

import { element, oncePerPaint, session, setText } from './dom.js';
import { onLanguage, t } from './text.js';

const TABS = ['connection', 'channels', 'claude', 'requests', 'frames']; // as in the panels' data-tab
const UNREAD_SHOWN_MAX = 99;
const UPDATE_EVERY_MS = 250;

let unread = 0; // frames since the list was left

/** Shows the group of this name. */
export function showTab(name) {
  document.body.dataset.tab = name;
  session.set('tab', name);
  for (const button of element('tabs').children) {
    button.setAttribute('aria-current', String(button.dataset.tab === name));
  }
  if (name === 'frames') unread = 0;
  renderUnread();
}

export function mountTabs(client) {
  element('tabs').append(...TABS.map(tabButton));
  const first = session.get('tab');
  showTab(TABS.includes(first) ? first : TABS[0]);
  const renderSoon = oncePerPaint(renderUnread, UPDATE_EVERY_MS);
  client.on('frame', ({ kind }) => {
    if (document.body.dataset.tab === 'frames' || kind === 'heartbeat') return;
    unread += 1;
    renderSoon();
  });
  document.querySelector('.skip').addEventListener('click', () => showTab('frames'));
  onLanguage(() => {
    for (const { firstElementChild: words, dataset } of element('tabs').children) {
      words.textContent = t(`tab-${dataset.tab}`);
    }
  });
}

function tabButton(name) {
  const button = document.createElement('button');
  button.type = 'button';
  button.dataset.tab = name;
  button.append(document.createElement('span'));
  if (name === 'frames') {
    const count = document.createElement('span');
    Object.assign(count, { id: 'unread', className: 'badge' });
    button.append(' ', count);
  }
  button.addEventListener('click', () => {
    showTab(name);
    scrollTo(0, 0);
  });
  return button;
}

function renderUnread() {
  element('unread').dataset.value = unread;
  setText(element('unread'), unread === 0 ? '' : unread > UNREAD_SHOWN_MAX ? `${UNREAD_SHOWN_MAX}+` : String(unread));
}
