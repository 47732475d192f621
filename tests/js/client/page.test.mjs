// The connection and the channels of the test page (static/page): what they tell when the client does not wait, and when
// no frame will come.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { Channels } from '../../../static/page/channels.js';
import { Client } from '../../../static/page/client.js';
import { FakeServer, fakeTime } from './fake.mjs';

let time, server, client, channels;
beforeEach(async () => {
  time = fakeTime();
  server = new FakeServer();
  globalThis.WebSocket = server.WebSocket;
  client = new Client();
  channels = new Channels(client);
  client.connect('ws://server/ws');
  await time.pass(100);
});
afterEach(() => {
  client.disconnect();
  delete globalThis.WebSocket;
  time.end();
});

/** What a promise has come to, so far. */
function outcome(promise) {
  const told = { value: undefined };
  promise.then((value) => { told.value = value; });
  return told;
}

/** The connection is found dead, and made anew without a wait. */
async function failProbe() {
  server.live[0].isDead = true;
  time.sleep(60_000);
  await time.pass(5_000);
}

test('a request over a connection that was made anew at once is lost, and the end is told', async () => {
  const notices = [];
  client.on('change', () => notices.push(client.notice));
  server.live[0].isDead = true;
  const answer = outcome(client.send('{"id":"raw-1","type":"request","action":"echo","payload":{"message":1}}'));
  await failProbe();
  assert.deepEqual(answer.value, { lost: true });
  assert.equal(server.sockets.length, 2);
  assert.equal(client.state, 'connected');
  assert.equal(notices.find(Boolean).error.cause, 'probe');
  assert.equal(client.notice, null);
});

test('an expired token is an end too', async () => {
  const states = [];
  client.disconnect();
  client.token = 'ann';
  server.user = (token) => token;
  client.connect('ws://server/ws');
  await time.pass(100);
  const answer = outcome(client.send('{"id":"raw-1","type":"request","action":"echo","payload":{"message":1}}'));
  client.on('change', () => states.push(`${client.state} ${client.notice?.code ?? ''} ${client.hello?.user ?? ''}`));
  server.live[0].end(4002);
  await time.pass(100);
  assert.deepEqual(states.filter((state, i) => state !== states[i - 1]), ['connecting 4002 ', 'connected  ann']);
  assert.notEqual(answer.value, undefined);
});

test('a login that makes the connection anew ends what was under way', async () => {
  server.user = (token) => token;
  client.token = 'ann';
  server.live[0].say({ event: 'draining', reconnect_after_ms: [30_000, 30_000] });
  await time.pass(100);
  server.live[0].isDead = true;
  const lost = outcome(client.send('{"id":"raw-1","type":"request","action":"echo","payload":{"message":1}}'));
  server.live[0].isDead = false;
  const ends = [];
  client.on('change', () => { if (client.notice?.code) ends.push([client.state, client.notice.code, client.notice.byPage]); });
  const named = outcome(client.authenticate('ann'));
  await time.pass(1_000);
  assert.equal(named.value.data.user, 'ann');
  assert.deepEqual([client.hello.user, server.sockets.length], ['ann', 2]);
  assert.deepEqual(lost.value, { lost: true });
  assert.deepEqual(ends[0], ['connecting', 1000, true]);
  await time.pass(60_000);
  assert.equal(server.sockets.length, 2);
});

test('after a drain and a failed probe there is one connection', async () => {
  server.live[0].say({ event: 'draining', reconnect_after_ms: [30_000, 30_000] });
  await time.pass(100);
  assert.equal(client.state, 'draining');
  server.live[0].isDead = true;
  time.sleep(5_000);
  await time.pass(100_000);
  assert.equal(client.state, 'connected');
  assert.deepEqual([server.sockets.length, server.live.length], [2, 1]);
});

test('who does not want to reconnect stays away after a failed probe', async () => {
  client.setAutoReconnect(false);
  await failProbe();
  const dialed = server.sockets.length;
  await time.pass(60_000);
  assert.deepEqual([client.state, client.notice.error.cause], ['disconnected', 'probe']);
  assert.equal(server.sockets.length, dialed);
});

test('a rate limit is not the end of unsubscribing', async () => {
  await channels.subscribe('news', {});
  let refusals = 0;
  server.refuse = ({ action }) => (action === 'unsubscribe' && (refusals += 1) === 1
    ? { code: 'rate_limited', retryable: true, retry_after_ms: 500 } : undefined);
  const answer = outcome(channels.unsubscribe('news'));
  await time.pass(200);
  assert.equal(answer.value, undefined);
  await time.pass(1_000);
  assert.equal(answer.value.data.channel, 'news');
  assert.deepEqual([refusals, channels.subscriptions.size], [2, 0]);
  client.connect('ws://server/ws');
  await time.pass(100);
  assert.equal(server.sent('subscribe').length, 1);
});

test('a channel that waits to be subscribed is forgotten at once', async () => {
  await channels.subscribe('news', {});
  server.refuse = ({ action }) => (action === 'subscribe' ? { code: 'overloaded', retryable: true, retry_after_ms: 60_000 } : undefined);
  server.live[0].end();
  await time.pass(30_000);
  assert.equal(client.state, 'connected');
  const forgotten = outcome(channels.unsubscribe('news'));
  await time.pass(100);
  assert.deepEqual(forgotten.value, { data: { channel: 'news' } });
  // One that was never answered, but held back by a rate limit.
  server.refuse = ({ action }) => (action === 'subscribe' ? { code: 'rate_limited', retryable: true, retry_after_ms: 60_000 } : undefined);
  const asked = outcome(channels.subscribe('music', {}));
  await time.pass(100);
  const alike = outcome(channels.unsubscribe('music'));
  await time.pass(100);
  assert.deepEqual([asked.value, alike.value], [{ lost: true }, { data: { channel: 'music' } }]);
  server.refuse = () => undefined;
  const before = server.sent('subscribe').length;
  await time.pass(120_000);
  assert.equal(server.sent('subscribe').length, before);
  assert.equal(channels.subscriptions.size, 0);
});
