// Connections in pages, of all or of one user.

import { create, element, setText } from '../page/dom.js';
import { number, t } from '../page/text.js';
import { bytes } from './rates.js';

const LIMIT = 50;

/** Calls `choose` with the id of a connection that is opened. */
export function mountConnections(api, poll, choose) {
  let after = null;
  let next = null;
  const rows = element('connections-rows');
  const query = () => {
    const user = element('connections-user').value.trim();
    return new URLSearchParams({ limit: LIMIT, ...(user && { user }), ...(after && { after }) });
  };
  const load = async () => {
    const asked = query().toString();
    const page = await api.ask('GET', `/connections?${asked}`);
    if (asked !== query().toString()) return; // another one was asked for meanwhile
    next = page.next ?? null;
    element('connections-next').disabled = next === null;
    element('connections-first').disabled = after === null;
    update(rows, page.connections, choose);
    setText(element('connections-result'), page.connections.length === 0 ? t('i-none') : '');
  };
  poll.add('connections', load, 2);
  const turn = (to) => { after = to; poll.run('connections'); };
  element('connections-form').addEventListener('submit', (event) => { event.preventDefault(); turn(null); });
  element('connections-user').addEventListener('input', () => turn(null));
  element('connections-first').addEventListener('click', () => turn(null));
  element('connections-next').addEventListener('click', () => turn(next));
}

/** Rows stay with their connection, and so does the focus. */
function update(rows, connections, choose) {
  const old = new Map([...rows.children].map((row) => [row.dataset.connection, row]));
  const wanted = connections.map((one) => fill(old.get(one.connection_id) ?? make(one.connection_id, choose), one));
  for (const row of old.values()) if (!wanted.includes(row)) row.remove();
  for (const [n, row] of wanted.entries()) if (rows.children[n] !== row) rows.insertBefore(row, rows.children[n] ?? null);
}

function make(id, choose) {
  const row = create('tr');
  row.dataset.connection = id;
  for (const name of ['', '', 'mono wide', 'n', 'n', 'n']) row.append(create('td', name));
  const button = row.children[0].appendChild(create('button', '', id.slice(0, 8)));
  button.type = 'button';
  button.title = id;
  button.addEventListener('click', () => choose(id));
  return row;
}

function fill(row, { user, remote_addr: address, connected_at: at, channels, outbox_bytes: outbox, blocked_ms: blocked }) {
  const [, who, from, age, subscriptions, out] = row.children;
  setText(who, user ?? t('i-anonymous'));
  who.title = user ?? '';
  setText(from, address);
  setText(age, duration(Date.now() - at));
  setText(subscriptions, number(channels));
  setText(out, blocked === undefined ? bytes(outbox) : t('i-blockedFor', { bytes: bytes(outbox), time: duration(blocked) }));
  out.dataset.alarm = blocked !== undefined;
  return row;
}

/** A time span in its largest unit. */
export function duration(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}
