// The panel of the identity: a token, who it names, and when it runs out.

import { element } from './dom.js';
import { forgetStale, sendOnKeys, showAnswer, showOffline, showResult } from './results.js';
import { moment, onLanguage, t } from './text.js';

export function mountIdentity(client, channels) {
  const [token, result, state] = ['token', 'token-result', 'token-state'].map(element);
  const remember = () => { client.token = element('token-in-handshake').checked ? token.value.trim() : ''; };
  const send = () => {
    if (!client.isOpen) showOffline(result);
    else showAnswer(result, client.authenticate(token.value.trim()), ({ data }) => data.user);
  };
  const render = () => {
    const { hello, expiry } = client;
    state.dataset.status = expiry?.soon ? 'expiring' : '';
    state.dataset.expires = expiry?.at ?? '';
    const until = expiry && t(expiry.soon ? 'tokenExpiring' : 'tokenUntil', { time: moment(expiry.at) });
    state.textContent = hello?.user ? [hello.user, until].filter(Boolean).join(' · ') : hello ? t('anonymous') : '';
  };
  remember();
  token.addEventListener('input', remember);
  element('token-in-handshake').addEventListener('change', remember);
  element('token-form').addEventListener('submit', (event) => {
    event.preventDefault();
    send();
  });
  client.on('refused', (error) => showResult(result, 'error', () => `${error.code}: ${error.message}`));
  client.on('change', render);
  onLanguage(render);
  sendOnKeys(token, send);
  forgetStale(client, channels, result, [token]);
}
