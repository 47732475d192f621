// The bar at the top: the connection's state and the theme. (The language button is in text.js.)

import { element, setText, settings } from './dom.js';
import { number, onLanguage, t } from './text.js';

const TICK_MS = 250; // the seconds that are left are shown rounded up

/** The state, and what the page is about to do by itself, with a button that does it now. */
export function mountState(client) {
  let ticking = 0;
  const countDown = () => {
    const seconds = Math.max(0, Math.ceil((client.actsAt - Date.now()) / 1000));
    setText(element('acts-in'), client.actsAt === null ? '' : t('inSeconds', { s: number(seconds) }));
  };
  const render = () => {
    const acts = client.actsAt === null ? '' : client.retry ? 'reconnect' : 'move';
    Object.assign(element('state').dataset, { state: client.state, acts });
    setText(element('state-words'), t(acts === 'reconnect' ? 'reconnecting' : client.state));
    element('act-now').hidden = acts === '';
    clearInterval(ticking);
    if (acts) ticking = setInterval(countDown, TICK_MS);
    countDown();
  };
  client.on('change', render);
  onLanguage(render);
  element('act-now').addEventListener('click', () => client.actNow());
}

/** The system's theme, until the button chooses one. */
export function mountTheme() {
  const button = element('theme');
  const system = matchMedia('(prefers-color-scheme: dark)');
  const isDark = () => (document.documentElement.dataset.theme ?? (system.matches ? 'dark' : 'light')) === 'dark';
  const render = () => {
    const words = t(isDark() ? 'switchLight' : 'switchDark');
    button.title = words;
    button.setAttribute('aria-label', words);
  };
  const chosen = settings.get('theme');
  if (chosen === 'dark' || chosen === 'light') document.documentElement.dataset.theme = chosen;
  button.addEventListener('click', () => {
    const next = isDark() ? 'light' : 'dark';
    document.documentElement.dataset.theme = next;
    settings.set('theme', next);
    render();
  });
  system.addEventListener('change', render);
  onLanguage(render);
}
