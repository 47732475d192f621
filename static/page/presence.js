// The panel of presence: who is in a channel, a page of the list at a time, kept up to date by the channel's events.

import { create, element, oncePerPaint } from './dom.js';
import { Present } from './present.js';
import { forgetOffline, showAnswer, showOffline } from './results.js';
import { clock, number, onLanguage, say, t } from './text.js';

const UPDATE_EVERY_MS = 100; // nobody reads faster

export function mountPresence(client, channels) {
  const [channel, limit, result] = ['presence-channel', 'presence-limit', 'presence-result'].map(element);
  let present = null;
  const renderSoon = oncePerPaint(() => render(present), UPDATE_EVERY_MS);
  const ask = async (name, after) => {
    if (!client.isOpen) return showOffline(result);
    const payload = { channel: name, limit: limit.value ? Number(limit.value) : undefined, after };
    const promise = client.request('get_presence', JSON.stringify(payload));
    const answer = await showAnswer(result, promise, ({ data }) => t('clientsCame', { n: data.clients.length }));
    if (!answer) return undefined;
    if (after === undefined) present = new Present(name, channels.subscriptions.has(name));
    present.add(answer.data);
    return renderSoon();
  };
  element('presence-form').addEventListener('submit', (event) => {
    event.preventDefault();
    ask(channel.value);
  });
  element('presence-more').addEventListener('click', () => ask(present.channel, present.next));
  client.on('notification', (data) => { if (present?.hear(data)) renderSoon(); });
  client.on('change', () => {
    if (client.state !== 'disconnected' || !present) return;
    present.isStale = true;
    renderSoon();
  });
  channels.on('change', () => {
    if (!present?.isTold || channels.subscriptions.has(present.channel)) return;
    present.isStale = true;
    renderSoon();
  });
  forgetOffline(client, result);
  onLanguage(() => render(present));
}

function render(present) {
  const [list, more, counts] = [element('presence-list'), element('presence-more'), element('presence-counts')];
  more.hidden = present?.next === undefined;
  counts.hidden = !present;
  element('presence-empty').hidden = present !== null;
  if (!present) return;
  const { channel, connections, users, clients, at, joined, left, isStale } = present;
  Object.assign(counts.dataset, { channel, connections, users, joined, left, stale: isStale });
  say(counts, () => {
    const moved = joined + left > 0 ? t('presenceSince', { joined, left }) : '';
    const since = isStale ? t('presenceStale') : t('presenceAt', { time: clock(at), moved });
    return `${channel}: ${t('presenceCounts', { connections: number(connections), users: number(users) })} · ${since}`;
  });
  list.replaceChildren(...[...clients.values()].map(clientRow));
}

function clientRow({ connection_id: id, user, info, isNew }) {
  const row = create('li');
  Object.assign(row.dataset, { connection: id, user: user ?? '', joined: isNew ?? false });
  const name = create('b', user === null || user === undefined ? 'soft' : '', user ?? t('anonymous'));
  row.append(name, ' ', create('span', 'mono soft', id));
  if (info !== null && info !== undefined) row.append(' ', create('span', 'mono', JSON.stringify(info)));
  return row;
}
