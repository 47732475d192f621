// What passes without anybody looking: sleep, tokens that expire, components that come and go.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { connect } from '../../../static/client/ws-client.js';
import { FakeServer, fakeTime, settle } from './fake.mjs';

let time, server, clients;
beforeEach(() => { time = fakeTime(); server = new FakeServer(); clients = []; });
afterEach(() => {
  for (const client of clients) client.close();
  time.end();
});

const open = (options = {}) => {
  const client = connect('ws://server/ws', { WebSocket: server.WebSocket, ...options });
  clients.push(client);
  return client;
};
const jwt = (sub, seconds) => {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'none' })}.${part({ sub, exp: Math.floor(Date.now() / 1000) + seconds })}.x`;
};

test('nothing happens before the first use', async () => {
  const client = open();
  client.channel('a');
  client.status.get();
  await time.pass(60_000);
  assert.equal(server.sockets.length, 0);
});

test('what is no URL throws, and http is a WebSocket too', async () => {
  assert.throws(() => connect('not a url'), TypeError);
  assert.throws(() => connect('ftp://server/ws'), TypeError);
  const client = connect('https://server/ws', { WebSocket: server.WebSocket });
  clients.push(client);
  client.wake();
  await settle();
  assert.equal(server.sockets[0].url, 'wss://server/ws?heartbeat=app');
});

test('two readers of one channel are one subscription, and leaving lingers', async () => {
  const client = open();
  const channel = client.channel('a');
  assert.equal(client.channel('a'), channel);
  const seen = [[], []];
  const ends = seen.map((list) => channel.subscribe((event) => list.push(event)));
  await settle();
  await channel.publish(1);
  await settle();
  for (const list of seen) assert.deepEqual(list.map(({ type }) => type), ['live', 'publication']);
  assert.equal(seen[0][1].own, true);
  ends[0]();
  await time.pass(3_000);
  assert.equal(server.sent('unsubscribe').length, 0, 'the other one reads on');
  ends[1]();
  const again = channel.subscribe(() => {});
  await time.pass(3_000);
  assert.equal(server.sent('subscribe').length, 1, 'a remount costs no frame');
  again();
  again();
  await time.pass(900);
  assert.equal(server.sent('unsubscribe').length, 0);
  await time.pass(200);
  assert.equal(server.sent('unsubscribe').length, 1);
});

test('the lid is closed for an hour: one probe, no second subscription, no storm of tokens', async () => {
  let asked = 0;
  server.user = () => 'ann';
  const client = open({ token: async () => { asked += 1; return jwt('ann', 300); } });
  const events = [];
  client.channel('a').subscribe((event) => events.push(event));
  await time.pass(1_000);
  assert.equal(client.status.get().user, 'ann');
  assert.equal(asked, 1);
  const socket = server.sockets[0];
  socket.isDead = true;
  time.sleep(3_600_000);
  await time.pass(100);
  // The timer that comes late notices it, at the latest 10 s after.
  await time.pass(10_000);
  assert.equal(server.sent('ping').length, 1, 'a probe');
  await time.pass(10_000);
  assert.equal(server.live.length, 1);
  assert.notEqual(server.live[0], socket);
  assert.equal(server.sockets.length, 2, 'one new connection');
  assert.equal(asked, 2, 'one question for a token that has expired');
  assert.equal(server.sent('subscribe').length, 2);
  assert.deepEqual(server.sent('subscribe')[1].payload.since, { epoch: 'e', offset: 0 });
  await time.pass(120_000);
  assert.equal(server.sockets.length, 2);
  assert.equal(asked, 2);
});

test('a wake over a live connection costs one ping', async () => {
  const client = open();
  client.channel('a').subscribe(() => {});
  await time.pass(2_000);
  for (let i = 0; i < 20; i += 1) client.wake();
  await time.pass(30_000);
  assert.equal(server.sent('ping').length, 1);
  assert.equal(server.sockets.length, 1);
});

test('a token that expires in the background is asked for once, whatever the provider does', async () => {
  const answers = [];
  server.user = () => 'ann';
  const client = open({ token: (why) => new Promise((resolve, reject) => answers.push({ why, resolve, reject })) });
  client.wake();
  await settle();
  answers[0].resolve(jwt('ann', 120));
  await time.pass(1_000);
  for (let i = 0; i < 3; i += 1) server.live[0].say({ event: 'token_expiring', expires_at: Date.now() + 30_000 });
  await time.pass(1_000);
  assert.deepEqual(answers.map(({ why }) => why), ['connect', 'expiring']);
  answers[1].reject(new Error('the network is away'));
  await time.pass(500);
  assert.equal(answers.length, 2, 'a throw waits at least a second');
  await time.pass(2_000);
  assert.equal(answers.length, 3);
  answers[2].resolve(jwt('ann', 120));
  await time.pass(500);
  assert.equal(server.sent('authenticate').length, 2);
  assert.equal(server.sockets.length, 1);
});

test('a provider that never answers is given up after 30 s, and its late answer counts no more', async () => {
  const answers = [];
  const client = open({ token: (why, signal) => new Promise((resolve) => answers.push({ resolve, signal })) });
  client.wake();
  await time.pass(31_000);
  assert.equal(answers[0].signal.aborted, true);
  assert.equal(client.status.get().error.kind, 'token');
  answers[0].resolve('late');
  await time.pass(1_000);
  assert.equal(server.sent('authenticate').length, 0);
});

test('login as another user makes the socket anew and keeps the subscription', async () => {
  let name = 'ann';
  server.user = (token) => token;
  const client = open({ token: () => name });
  const live = [];
  client.channel('a').subscribe((event) => event.type === 'live' && live.push(event));
  await time.pass(1_000);
  name = 'bob';
  await client.login();
  assert.equal(client.status.get().user, 'bob');
  await time.pass(1_000);
  assert.equal(server.sockets.length, 2);
  assert.deepEqual(live.map(({ recovered }) => recovered), [undefined, false]);
  name = null;
  await client.login();
  assert.equal(client.status.get().user, null);
});

test('published offline, sent once; a repeat says how old it is', async () => {
  server.isDown = true;
  const client = open();
  const acks = [1, 2, 3].map((n) => client.channel('a').publish({ n }));
  await time.pass(5_000);
  assert.equal(client.pending.get(), 3);
  server.isDown = false;
  await time.pass(21_000);
  assert.deepEqual((await Promise.all(acks)).map(({ position }) => position.offset), [1, 2, 3]);
  assert.ok(server.sent('publish').every(({ payload }) => !('age_ms' in payload)));
  const socket = server.live[0];
  socket.isDead = true;
  const unanswered = client.channel('a').publish({ n: 4 });
  await time.pass(1_000);
  socket.end();
  await time.pass(25_000);
  assert.equal((await unanswered).duplicate, false);
  const [first, second] = server.sent('publish').slice(-2).map(({ payload }) => payload);
  assert.equal(first.msg_id, second.msg_id);
  assert.ok(second.age_ms >= 11_000, `${second.age_ms}`);
});

test('an unanswered promise ends no process, and lost tells what ended badly', async () => {
  const client = open();
  server.refuse = ({ action }) => (action === 'publish' ? { code: 'permission_denied' } : undefined);
  const lost = [];
  client.lost((entry, error) => lost.push([entry.data, error.code]));
  client.channel('a').publish({ n: 1 });
  const request = client.request('echo', { message: 1 });
  await time.pass(1_000);
  assert.deepEqual(lost, [[{ n: 1 }, 'permission_denied']]);
  assert.deepEqual(await request, { echo: 1 });
  assert.equal(await client.close(), 0);
  await assert.rejects(client.channel('a').publish(1), { kind: 'closed' });
  await assert.rejects(client.request('echo'), { kind: 'closed' });
  assert.equal(client.status.get().state, 'closed');
});

test('an abort takes back what was not sent, and leaves its signal alone', async () => {
  server.isDown = true;
  const client = open();
  const controller = new AbortController();
  const made = client.channel('a').publish(1, { signal: controller.signal });
  const kept = client.channel('a').publish(2);
  controller.abort();
  await assert.rejects(made, { kind: 'aborted' });
  assert.equal(client.pending.get(), 1);
  assert.equal(await client.close(), 1);
  await assert.rejects(kept, { kind: 'closed' });
  await assert.rejects(client.channel('a').publish(3, { signal: AbortSignal.abort() }));
});

test('a request that is given up offline is never sent', async () => {
  server.isDown = true;
  const client = open();
  const controller = new AbortController();
  const given = client.request('broadcast', { message: 'no' }, controller.signal);
  const kept = client.request('echo', '{"message": 12}');
  await time.pass(1_000);
  controller.abort();
  await assert.rejects(given, { kind: 'aborted' });
  server.isDown = false;
  await time.pass(21_000);
  assert.deepEqual(await kept, { echo: 12 });
  assert.deepEqual(server.frames.map(({ action }) => action), ['echo']);
});

test('frames pass in both directions, and one is sent as it is', async () => {
  const frames = [];
  const client = open({ onFrame: (...frame) => frames.push(frame) });
  assert.equal(client.send('{"type":"ping"}'), false, 'there is no connection');
  client.wake();
  await time.pass(100);
  assert.equal(client.send('{"type":"ping"}'), true);
  await time.pass(100);
  assert.deepEqual(frames.map(([what, text]) => [what, text && JSON.parse(text).type]),
    [['open', ''], ['in', 'notification'], ['out', 'ping'], ['in', 'pong']]);
  server.live[0].end(4000);
  assert.deepEqual(frames.at(-1), ['close', undefined, 4000]);
  await time.pass(21_000);
  frames.length = 0;
  await client.close();
  assert.deepEqual(frames, [['close', '', 1000]]);
});

test('a handler that is slow holds its position, and one that throws does not', async (context) => {
  const reported = context.mock.method(console, 'error', () => {});
  const client = open();
  const channel = client.channel('a');
  const order = [];
  let go;
  channel.subscribe(async (event) => {
    order.push(`begin ${event.type}`);
    if (event.type === 'publication') await new Promise((resolve) => { go = resolve; });
    order.push(`end ${event.type}`);
  });
  channel.subscribe(() => { throw new Error('in a handler'); });
  await time.pass(100);
  await channel.publish(1);
  await channel.publish(2);
  await time.pass(100);
  assert.deepEqual(order, ['begin live', 'end live', 'begin publication']);
  go();
  await time.pass(100);
  assert.deepEqual(order.slice(3), ['end publication', 'begin publication']);
  assert.equal(reported.mock.callCount(), 3);
});

test('a reader that takes nothing is bounded, and misses nothing', async () => {
  const client = open();
  const seen = [];
  let go;
  const gate = new Promise((resolve) => { go = resolve; });
  client.channel('a').subscribe(async (event) => { await gate; if (event.type === 'publication') seen.push(event.data); });
  await time.pass(100);
  for (let n = 0; n < 3_000; n += 1) server.publish({ channel: 'a', data: n, msg_id: `m${n}` });
  await time.pass(1_000);
  assert.equal(server.sent('unsubscribe').length, 1, 'it leaves the channel');
  go();
  for (let i = 0; i < 100 && seen.length < 3_000; i += 1) await time.pass(100);
  assert.deepEqual(seen, [...Array(3_000).keys()]);
});

test('a WebSocket constructor that throws is a failed attempt', async () => {
  let made = 0;
  const client = open({ WebSocket: class { constructor() { made += 1; throw new Error('not here'); } } });
  client.wake();
  await time.pass(100);
  assert.equal(client.status.get().state, 'waiting');
  assert.match(client.status.get().error.message, /not here/);
  await time.pass(5_000);
  assert.ok(made > 1);
});
