// Channels with subscribers, in pages.

import { create, element, setText } from '../page/dom.js';
import { number, t } from '../page/text.js';

const LIMIT = 50;

/** Calls `choose` with the name of a channel that is chosen. */
export function mountChannels(api, poll, choose) {
  let after = null;
  let next = null;
  const rows = element('channels-rows');
  const query = () => {
    const prefix = element('channels-prefix').value.trim();
    return new URLSearchParams({ limit: LIMIT, ...(prefix && { prefix }), ...(after && { after }) });
  };
  poll.add('channels', async () => {
    const asked = query().toString();
    const page = await api.ask('GET', `/channels?${asked}`);
    if (asked !== query().toString()) return;
    next = page.next ?? null;
    element('channels-next').disabled = next === null;
    element('channels-first').disabled = after === null;
    const old = new Map([...rows.children].map((row) => [row.dataset.channel, row]));
    const wanted = page.channels.map((one) => fill(old.get(one.channel) ?? make(one.channel, choose), one));
    for (const row of old.values()) if (!wanted.includes(row)) row.remove();
    for (const [n, row] of wanted.entries()) if (rows.children[n] !== row) rows.insertBefore(row, rows.children[n] ?? null);
    setText(element('channels-result'), page.channels.length === 0 ? t('i-none') : '');
  }, 2);
  const turn = (to) => { after = to; poll.run('channels'); };
  element('channels-form').addEventListener('submit', (event) => { event.preventDefault(); turn(null); });
  element('channels-prefix').addEventListener('input', () => turn(null));
  element('channels-first').addEventListener('click', () => turn(null));
  element('channels-next').addEventListener('click', () => turn(next));
}

function make(channel, choose) {
  const row = create('tr');
  row.dataset.channel = channel;
  row.append(create('td'), create('td', 'n'), create('td', 'n'));
  const button = row.children[0].appendChild(create('button', '', channel));
  button.type = 'button';
  button.title = channel;
  button.addEventListener('click', () => choose(channel));
  return row;
}

function fill(row, { subscribers, offset }) {
  setText(row.children[1], number(subscribers));
  setText(row.children[2], offset === undefined ? '–' : number(offset));
  return row;
}
