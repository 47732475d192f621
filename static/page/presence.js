// The panel of presence: who is in a channel, a page of the list at a time. It is kept up to date by the channel's
// events where the namespace has them; where not, it says so, and the button loads it again.

import { create, element, oncePerPaint } from './dom.js';
import { PresenceWatch } from './presence-watch.js';
import { errorWords, forgetStale, showAnswer, showOffline, showResult } from './results.js';
import { clock, number, onLanguage, say, t } from './text.js';

const UPDATE_EVERY_MS = 100; // nobody reads faster

export function mountPresence(client, channels) {
  const [channel, limit, result] = ['presence-channel', 'presence-limit', 'presence-result'].map(element);
  const watch = new PresenceWatch(client, channels);
  const ask = async (name, after) => {
    if (!client.isOpen) return showOffline(result);
    const promise = watch.request(name, Number(limit.value), after);
    const answer = await showAnswer(result, promise, ({ data }) => t('clientsCame', { n: data.clients.length }));
    if (answer) watch.take(answer.data, after);
    return undefined;
  };
  element('presence-form').addEventListener('submit', (event) => {
    event.preventDefault();
    ask(channel.value);
  });
  element('presence-more').addEventListener('click', () => ask(watch.present.channel, watch.present.next));
  watch.on('change', oncePerPaint(() => render(watch.present), UPDATE_EVERY_MS));
  watch.on('error', (error) => showResult(result, 'error', () => errorWords(error)));
  channel.addEventListener('input', () => renderButton(watch.present));
  forgetStale(client, channels, result, [element('presence-form')]);
  onLanguage(() => render(watch.present));
}

function renderButton(present) {
  const isShown = present !== null && present.channel === element('presence-channel').value;
  element('presence-load').textContent = t(isShown ? 'refresh' : 'load');
}

function render(present) {
  const [list, more, counts] = [element('presence-list'), element('presence-more'), element('presence-counts')];
  renderButton(present);
  more.hidden = present?.next === undefined;
  counts.hidden = element('presence-how').hidden = !present;
  element('presence-empty').hidden = present !== null;
  if (!present) return;
  const { channel, connections, users, clients, joined, left, isStale } = present;
  Object.assign(counts.dataset, { channel, connections, users, joined, left, stale: isStale, live: isLive(present) });
  say(counts, () => (
    `${channel}: ${t('presenceCounts', { connections: number(connections), users: number(users) })}`
  ));
  say(element('presence-how'), () => howWords(present));
  list.replaceChildren(...[...clients.values()].map(clientRow));
}

const isLive = ({ isTold, isStale, tells }) => isTold && !isStale && tells === true;

/** How far the list can be trusted, and from when it is. */
function howWords(present) {
  const { isTold, isStale, tells, at, joined, left } = present;
  const time = clock(at);
  if (isLive(present)) return t('presenceLive', { time, joined: number(joined), left: number(left) });
  const told = tells === false ? 'presenceUntold' : 'presenceMaybe';
  const why = isStale ? 'presenceStale' : isTold ? told : 'presenceApart';
  return `${t('presenceAt', { time })} · ${t(why)}`;
}

function clientRow({ connection_id: id, user, info, isNew }) {
  const row = create('li');
  Object.assign(row.dataset, { connection: id, user: user ?? '', joined: isNew ?? false });
  const name = create('b', user === null || user === undefined ? 'soft' : '', user ?? t('anonymous'));
  row.append(name, ' ', create('span', 'mono soft', id));
  if (info !== null && info !== undefined) row.append(' ', create('span', 'mono', JSON.stringify(info)));
  return row;
}
