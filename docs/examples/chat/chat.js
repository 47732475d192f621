// A chat: rooms, who is here, history on load, who types, and messages that go out although they were written offline
// or the page was loaded again. What comes from others is only ever shown as text.
import { indexedDb } from '/client/indexeddb.js';
import { connect } from '/client/ws-client.js';

const ROWS_MAX = 500, TYPING_MS = 3000, SPREAD_MS = 50, END_PX = 40, ROOMS = ['lobby', 'music', 'support'];
const options = { store: indexedDb('chat'), timers: { store: 10_000 } }; // a disk can be slow
const client = connect(new URL('/ws', location.href), options);
const $ = (id) => document.getElementById(id);
const make = (tag, text, className = '') => Object.assign(document.createElement(tag), { textContent: text, className });
const clock = (ms) => new Date(ms).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
let messages, live, leave = () => {}, typedAt = 0;

/** Puts a message at the end, but before what is still to be sent; one that is there already changes. */
function show(id, { name = '', text = '' }, kind, note = '') {
  const rows = $('messages'), row = make('li', '', kind);
  const isAtEnd = rows.scrollHeight - rows.scrollTop - rows.clientHeight < END_PX;
  row.dataset.id = id;
  row.append(make('b', name), make('span', text), make('small', note));
  [...rows.children].find((other) => other.dataset.id === id)?.remove();
  rows.insertBefore(row, kind === 'waiting' ? null : rows.querySelector('.waiting'));
  if (rows.children.length > ROWS_MAX) rows.firstElementChild.remove();
  if (isAtEnd || kind === 'waiting') rows.scrollTop = rows.scrollHeight; // who reads older ones stays there
}

function enter() {
  leave();
  const room = new URLSearchParams(location.hash.slice(1)).get('room') || ROOMS[0];
  const typing = new Map(); // connection → timer
  let here = new Map(), hasLeft, gaps = 0, meeting; // here: connection → name, once it is known
  messages = client.channel(`chat:${room}`); // kept
  live = client.channel(`live:${room}`); // not kept
  for (const list of ['messages', 'here', 'rooms']) $(list).replaceChildren();
  for (const one of new Set([...ROOMS, room])) {
    const link = $('rooms').appendChild(make('li', '')).appendChild(make('a', one));
    link.href = `#${new URLSearchParams({ room: one })}`;
    if (one === room) link.ariaCurrent = 'page';
  }
  const render = () => {
    if (hasLeft) return;
    const nameOf = (id) => here.get(id) ?? `Guest ${id.slice(0, 4)}`;
    $('here').replaceChildren(...[...here.keys()].map((id) => make('li', nameOf(id))));
    $('typing').textContent = typing.size ? `${[...typing.keys()].map(nameOf).join(', ')} …` : '';
  };
  const stop = (id) => { clearTimeout(typing.get(id)); if (typing.delete(id)) render(); };
  const meet = async (asks) => { // who comes does not know the others' names
    meeting = clearTimeout(meeting);
    const { clients } = await live.presence().catch(() => ({}));
    if (hasLeft) return;
    if (clients) here = new Map(clients.map(({ connection_id: id }) => [id, here.get(id)]));
    hello({ asks });
    render();
  };
  const ends = [messages.subscribe(({ type, msg_id, offset, data, from, time, error }) => {
    if (type === 'gap') show(`gap ${gaps += 1}`, { text: 'Messages are missing here.' }, 'note');
    if (type === 'refused') show('refused', { text: error.message }, 'note');
    if (type !== 'publication') return;
    show(msg_id ?? `at ${offset}`, Object(data), 'sent', clock(time));
    stop(from?.connection_id);
  }, { rewind: 50 }), live.subscribe(async ({ type, client: other, data, from, own }) => {
    if (type === 'live') await meet(true);
    // Once for all who ask meanwhile, and the later the more are here: no crowd speaks at once.
    if (type === 'presence' || (data?.asks && !own)) meeting ??= setTimeout(meet, Math.random() * SPREAD_MS * here.size);
    if (type === 'join') here.set(other.connection_id);
    if (type === 'leave') here.delete(other.connection_id), stop(other.connection_id);
    if (type === 'publication' && from) {
      here.set(from.connection_id, `${data?.name}`);
      stop(from.connection_id);
      if (data?.types && !own) typing.set(from.connection_id, setTimeout(stop, TYPING_MS, from.connection_id));
    }
    render();
  })];
  leave = () => { hasLeft = true; clearTimeout(meeting); ends.forEach((end) => end()); };
}

const isUp = () => client.status.get().state === 'connected';
const hello = (more) => isUp() && live.publish({ name: $('name').value, ...more }, { maxAge: TYPING_MS }); // now or never

function renderStatus() {
  const { state, retryAt, store } = client.status.get(), left = !isUp() && client.pending.get();
  const words = { connected: 'Connected', waiting: 'Offline' }[state] ?? 'Connecting';
  const parts = [words, left && `${left} to be sent`, store && 'not kept over a reload'].filter(Boolean).join(' · ');
  if ($('status').textContent !== parts) $('status').textContent = parts; // each time it would be read aloud
  $('again').textContent = state === 'waiting' ? `again in ${Math.ceil((retryAt - Date.now()) / 1000)} s` : '';
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
  const where = channel === messages.name ? '' : ` to ${channel.slice('chat:'.length)}`;
  if (channel.startsWith('chat:')) show(msg_id, Object(data), 'failed', `not sent${where}: ${error.message}`);
});
for (const value of [client.status, client.pending]) value.subscribe(renderStatus);
setInterval(renderStatus, 1000);
addEventListener('hashchange', enter);
enter();
