// The bar at the top: the connection's state and the theme. (The language button is in text.js.)

import { element, settings } from './dom.js';
import { onLanguage, t } from './text.js';

export function mountState(client) {
  const render = () => {
    element('state').dataset.state = client.state;
    element('state').textContent = t(client.state);
  };
  client.on('change', render);
  onLanguage(render);
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
