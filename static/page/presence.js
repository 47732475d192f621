// The panel of presence: who is in a channel, a page of the list at a time. It is kept up to date by the channel's
// events where the namespace has them; where not, it says so, and the button loads it again. What only a new list can
// tell (a storm that sends counts, a new connection, a subscription that has come) is loaded without being asked.

import { create, element, oncePerPaint } from './dom.js';
import { Present } from './present.js';
import { errorWords, forgetStale, showAnswer, showOffline, showResult } from './results.js';
import { clock, number, onLanguage, say, t } from './text.js';

const UPDATE_EVERY_MS = 100; // nobody reads faster
const RELOAD_AFTER_MS = 1000; // a storm's next counts may come at any moment
const PAGE_MAX = 1000; // of `get_presence`

export function mountPresence(client, channels) {
  const [channel, limit, result] = ['presence-channel', 'presence-limit', 'presence-result'].map(element);
  let present = null;
  let timer = 0;
  const renderSoon = oncePerPaint(() => render(present), UPDATE_EVERY_MS);
  const isServed = (name) => !['waiting', 'refused', undefined].includes(channels.subscriptions.get(name)?.state);

  const request = (name, limitValue, after) => (
    client.request('get_presence', JSON.stringify({ channel: name, limit: limitValue || undefined, after }))
  );
  const take = (answer, name, after) => {
    if (after === undefined) {
      const before = present;
      present = new Present(name, isServed(name));
      present.add(answer.data);
      if (before) present.follow(before);
    } else present.add(answer.data);
    renderSoon();
  };
  const ask = async (name, after) => {
    if (!client.isOpen) return showOffline(result);
    const promise = request(name, Number(limit.value), after);
    const answer = await showAnswer(result, promise, ({ data }) => t('clientsCame', { n: data.clients.length }));
    if (answer) take(answer, name, after);
    return undefined;
  };
  const reload = async () => {
    timer = 0;
    if (!present || !client.isOpen) return;
    const { channel: name, clients } = present;
    const answer = await request(name, Math.min(PAGE_MAX, Math.max(Number(limit.value), clients.size)));
    if (present?.channel !== name || answer.lost) return;
    if (answer.data) take(answer, name);
    else showResult(result, 'error', () => errorWords(answer.error));
  };
  const reloadSoon = () => { timer ||= setTimeout(reload, RELOAD_AFTER_MS); };
  const grow = (isStale) => {
    if (present.isStale === isStale) return;
    present.isStale = isStale;
    renderSoon();
  };

  element('presence-form').addEventListener('submit', (event) => {
    event.preventDefault();
    ask(channel.value);
  });
  element('presence-more').addEventListener('click', () => ask(present.channel, present.next));
  client.on('notification', (data) => {
    if (!present?.hear(data)) return;
    if (data.event === 'presence') reloadSoon();
    renderSoon();
  });
  client.on('change', () => {
    if (!present) return;
    if (client.state === 'disconnected') grow(true);
    else if (client.hello && present.isStale && !channels.subscriptions.has(present.channel)) reloadSoon();
  });
  channels.on('change', () => {
    if (!present) return;
    const served = isServed(present.channel);
    if (served && (present.isStale || !present.isTold)) reloadSoon();
    else if (!served && present.isTold) grow(true);
  });
  channel.addEventListener('input', () => renderButton(present));
  forgetStale(client, channels, result, [element('presence-form')]);
  onLanguage(() => render(present));
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
