// The inspector: what goes on in the server, for a key with the right `admin`, over the HTTP API (docs/API.md).
//
// For tests. Values that are shown formatted are also there raw, in data-value.
//   #state[data-state=disconnected|live|draining|paused|trouble]  #leave forgets the key  #lang  #theme  #keys opens #keys-menu
//   #login (hidden while a key is good)  #key  #login-send  #login-result[data-status][data-code]  #configure (details)
//   #board  #gauge-NAME  #charts .chart
//   #connections-user  #connections-first  #connections-next  #connections-rows tr[data-connection] button
//   #channels-prefix  #channels-first  #channels-next  #channels-rows tr[data-channel] button: fills the form below
//   #publish-channel  #publish-data  #publish-send  #publish-result[data-status]
//   #detail[data-connection] (hidden: none is open)  #detail-leave  #close-code-field  #close-reason  #close-send
//     #detail-result[data-status]  #cursors li[data-channel] button: unsubscribes
//     #watch[aria-pressed]  #watch-state  #seen li[data-event=frame|dropped|closed][data-direction=in|out]
//       [data-frames: how many were left out]
//
// How it is made: `Api` knows the key, `Poll` asks again and again while the page is seen; each `mount…` function and
// class owns one part of the page. What is general comes from ../page/.

import { mountTheme } from '../page/bar.js';
import { element, setText } from '../page/dom.js';
import { language, mountLanguage, onLanguage, setLanguage, t } from '../page/text.js';
import { addWords } from '../page/words.js';
import { Api } from './api.js';
import { mountChannels } from './channels.js';
import { mountConnections } from './connections.js';
import { Detail } from './detail.js';
import { Frames } from './frames.js';
import { mountKeys } from './keys.js';
import { explain, mountLogin } from './login.js';
import { Poll } from './poll.js';
import { choosePublish, mountPublish } from './publish.js';
import { mountRates } from './rates.js';
import { WORDS } from './words.js';

addWords(WORDS);

const api = new Api();
const poll = new Poll();
let isDraining = false;
const detail = new Detail(api, poll, new Frames(api, explain), explain);

function render() {
  const { trouble } = poll;
  const isOpen = !element('board').hidden;
  const running = poll.isPaused ? 'paused' : isDraining ? 'draining' : 'live';
  const state = !isOpen ? 'disconnected' : trouble ? 'trouble' : running;
  element('state').dataset.state = state;
  setText(element('state'), state === 'trouble' ? explain(trouble) : t(`i-state-${state}`));
  if (isOpen && trouble && [401, 403].includes(trouble.status)) leave(trouble);
}

const ask = mountLogin(api, () => {
  element('board').hidden = false;
  element('leave').hidden = false;
  poll.start();
  render();
});

function leave(error) {
  poll.stop();
  if (detail.isOpen) detail.leave();
  element('board').hidden = true;
  element('leave').hidden = true;
  render();
  ask(error);
}

mountLanguage();
mountTheme();
poll.add('node', async () => { ({ draining: isDraining } = await api.ask('GET', '/node')); }, 2);
mountRates(api, poll);
mountConnections(api, poll, (id) => detail.open(id));
mountChannels(api, poll, choosePublish);
mountPublish(api, explain);
mountKeys({
  '/': { words: 'i-keyUser', run: () => element('connections-user').focus() },
  c: { words: 'i-keyChannels', run: () => element('channels-prefix').focus() },
  p: { words: 'i-keyPublish', run: () => element('publish-channel').focus() },
  n: { words: 'i-keyNext', run: () => element('connections-next').click() },
  w: { words: 'i-keyWatch', run: () => detail.isOpen && element('watch').click() },
  Escape: { words: 'i-keyBack', run: () => detail.isOpen && detail.leave() },
});
element('leave').addEventListener('click', () => {
  api.use('');
  leave(null);
});
poll.onChange = render;
onLanguage(render);
setLanguage(language);
ask(null);
