// A chat: rooms, who is here, history on load, who types, and messages that go out although they were written offline
// or the page was loaded again. What comes from others is only ever shown as text.
import { indexedDb } from '/client/indexeddb.js';
import { connect } from '/client/ws-client.js';

const ROWS_MAX = 500, TYPING_MS = 3000, ROOMS = ['lobby', 'music', 'support'];
const options = { store: indexedDb('chat'), timers: { store: 10_000 } }; // a disk can be slow
const client = connect(new URL('/ws', location.href), options);
const $ = (id) => document.getElementById(id);
const make = (tag, text, className = '') => Object.assign(document.createElement(tag), { textContent: text, className });
const clock = (ms) => new Date(ms).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
let messages, live, leave = () => {}, typedAt = 0;

/** Puts a message at the end, but before what is still to be sent; one that is there already changes. */
function show(id, { name = '', text = '' }, kind, note = '') {
  const rows = $('messages'), row = make('li', '', kind);
  row.dataset.id = id;
  row.append(make('b', name), make('span', text), make('small', note));
  [...rows.children].find((other) => other.dataset.id === id)?.remove();
  rows.insertBefore(row, kind === 'waiting' ? null : rows.querySelector('.waiting'));
  if (rows.children.length > ROWS_MAX) rows.firstElementChild.remove();
  rows.scrollTop = rows.scrollHeight;
}

function enter() {
  leave();
  const room = new URLSearchParams(location.hash.slice(1)).get('room') || ROOMS[0];
  const names = new Map(), typing = new Map(); // by connection
  let here = [];
  messages = client.channel(`chat:${room}`); // kept
  const mine = live = client.channel(`live:${room}`); // not kept
  for (const list of ['messages', 'here', 'rooms']) $(list).replaceChildren();
  for (const one of new Set([...ROOMS, room])) {
    const link = $('rooms').appendChild(make('li', '')).appendChild(make('a', one));
    link.href = `#${new URLSearchParams({ room: one })}`;
    if (one === room) link.ariaCurrent = 'page';
  }
  const render = () => {
    if (mine !== live) return; // of a room that was left
    const nameOf = (id) => names.get(id) ?? `Guest ${id.slice(0, 4)}`;
    $('here').replaceChildren(...here.map((id) => make('li', nameOf(id))));
    $('typing').textContent = typing.size ? `${[...typing.keys()].map(nameOf).join(', ')} …` : '';
  };
  const stop = (id) => { clearTimeout(typing.get(id)); typing.delete(id); render(); };
  const ends = [messages.subscribe(({ type, msg_id, offset, data, from, time, error }) => {
    if (type === 'gap') show('gap', { text: 'Messages are missing here.' }, 'note');
    if (type === 'refused') show('refused', { text: error.message }, 'note');
    if (type !== 'publication') return;
    show(msg_id ?? `at ${offset}`, Object(data), 'sent', clock(time));
    stop(from?.connection_id);
  }, { rewind: 50 }), live.subscribe(async ({ type, client: other, data, from, own }) => {
    if (type === 'live' || type === 'presence') {
      here = await mine.presence().then(({ clients }) => clients.map((one) => one.connection_id), () => here);
    }
    if (type === 'join') here = [...new Set([...here, other.connection_id])];
    if (type === 'leave') here = here.filter((id) => id !== other.connection_id);
    if (type === 'live' || type === 'join') hello(); // who comes does not know the others' names
    if (type === 'publication' && from) {
      names.set(from.connection_id, `${data?.name}`);
      stop(from.connection_id);
      if (data?.types && !own) typing.set(from.connection_id, setTimeout(stop, TYPING_MS, from.connection_id));
    }
    render();
  })];
  leave = () => ends.forEach((end) => end());
}

const hello = (more) => live.publish({ name: $('name').value, ...more }, { maxAge: TYPING_MS }); // soon or not at all

function renderStatus() {
  const { state, retryAt, store } = client.status.get(), left = client.pending.get();
  const words = { connected: 'Connected', waiting: `Offline, again in ${Math.ceil((retryAt - Date.now()) / 1000)} s` };
  const parts = [words[state] ?? 'Connecting', left && `${left} to be sent`, store && 'not kept over a reload'];
  $('status').textContent = parts.filter(Boolean).join(' · ');
  $('status').dataset.state = state;
}

$('name').value = localStorage.getItem('chat.name') ?? `Guest ${Math.ceil(Math.random() * 999)}`;
$('name').addEventListener('change', () => { localStorage.setItem('chat.name', $('name').value); hello(); });
$('text').addEventListener('input', () => {
  if (Date.now() > typedAt + TYPING_MS / 2) hello({ types: true }), typedAt = Date.now();
});
$('send').addEventListener('submit', (event) => {
  event.preventDefault();
  const data = { name: $('name').value, text: $('text').value.trim() };
  if (!data.text) return;
  const id = crypto.getRandomValues(new Uint32Array(4)).join('-');
  show(id, data, 'waiting', 'to be sent');
  messages.publish(data, { id });
  $('text').value = '';
});
$('open').addEventListener('submit', (event) => {
  event.preventDefault();
  location.hash = new URLSearchParams({ room: $('room').value.trim() });
});
client.lost(({ msg_id, channel, data }, error) => {
  if (channel === messages.name) show(msg_id, data, 'failed', `not sent: ${error.message}`);
});
for (const value of [client.status, client.pending]) value.subscribe(renderStatus);
setInterval(renderStatus, 1000);
addEventListener('hashchange', enter);
enter();
