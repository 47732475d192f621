// What the shell around the machine does by itself: ids, providers of channels, pages of a history, payloads, URLs.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { memoryStore } from '../../../static/client/memory.js';
import { connect } from '../../../static/client/ws-client.js';
import { FakeServer, fakeTime } from './fake.mjs';

let time, server, client;
beforeEach(() => {
  time = fakeTime();
  server = new FakeServer();
  client = connect('ws://server/ws', { WebSocket: server.WebSocket });
});
afterEach(() => {
  client.close();
  time.end();
});
const ignore = () => {};

test('an id that is under way is another publication in another channel, or with other data', async () => {
  const first = client.channel('a').publish(1, { id: 'x' });
  assert.equal(client.channel('a').publish(1, { id: 'x' }), first);
  const conflict = { kind: 'rejected', code: 'conflict', retryable: false };
  const others = [client.channel('b').publish(1, { id: 'x' }), client.channel('a').publish(2, { id: 'x' })];
  for (const other of others) await assert.rejects(other, conflict);
  await time.pass(100);
  assert.equal((await first).position.offset, 1);
  assert.equal((await client.channel('b').publish(1, { id: 'x' })).position.offset, 1, 'ids are of one channel');
});

test('a provider of a channel is asked until its last reader leaves', async () => {
  let asked = 0;
  const channel = client.channel('a');
  const leave = channel.subscribe(ignore, { token: async () => `t${asked += 1}` });
  channel.subscribe(ignore);
  await time.pass(100);
  leave();
  server.refuse = ({ payload }) => (payload.token === 't1' ? { code: 'token_expired' } : undefined);
  server.live[0].end(4000);
  await time.pass(21_000);
  assert.equal(channel.status.get().state, 'live');
  assert.equal(asked, 2);
});

test('a provider of a channel that gives nobody denies it', async () => {
  let asked = 0;
  const channel = client.channel('a');
  channel.subscribe(ignore, { token: async () => { asked += 1; return null; } });
  await time.pass(60_000);
  assert.deepEqual([channel.status.get().state, channel.status.get().error.kind, asked], ['refused', 'denied', 1]);
});

/** What a history says of these pages, each of them offsets; it has ended with the last. */
async function history(options, top, ...pages) {
  const asked = [];
  server.get_history = (payload) => {
    asked.push(payload);
    const publications = pages.shift().map((offset) => ({ offset, data: offset, time: 1 }));
    return { channel: 'a', epoch: 'e', offset: top, publications, more: pages.length > 0 };
  };
  const seen = [];
  try {
    for await (const { offset } of client.channel('a').history(options)) seen.push(offset);
  } catch (error) {
    seen.push(error.kind);
  }
  return [seen, asked.length];
}

test('a history ends, or says that publications are gone', async () => {
  const since = { epoch: 'e', offset: 5 };
  assert.deepEqual(await history({ reverse: true, before: 1_000 }, 9, [9, 8], [7]), [[9, 8, 7], 2]);
  assert.deepEqual(await history({ reverse: true }, 9, [9, 8], [6]), [[9, 8, 'gap'], 2]);
  assert.deepEqual(await history({ since }, 8, []), [['gap'], 1], 'all of it is gone');
  assert.deepEqual(await history({ since }, 5, []), [[], 1]);
  assert.deepEqual(await history({ since, before: 7 }, 20, [6]), [[6], 1]);
  assert.deepEqual(await history({}, 9, [4, 5], []), [[4, 5, 'gap'], 2]);
  assert.deepEqual(await history({}, 9, []), [[], 1], 'nothing is kept');
  assert.deepEqual(await history({ limit: 2 }, 9, [4, 5], [6]), [[4, 5], 1]);
  assert.deepEqual(await history({ limit: 0 }, 9, [4]), [[], 0]);
});

test('a payload that is no JSON is not sent, and is nobody’s', async () => {
  const circle = {};
  circle.circle = circle;
  for (const payload of ['{"message":', circle, { message: 1n }]) await assert.rejects(client.request('echo', payload), TypeError);
  assert.deepEqual(await client.request('echo', '{"message": 1}'), { echo: 1 });
  assert.equal(server.sent('echo').length, 1);
});

test('a request that no frame can hold is not sent', async () => {
  const message = 'é'.repeat(40_000);
  await assert.rejects(client.request('echo', { message }), { kind: 'too_large' });
  assert.deepEqual(await client.request('echo', { message: 1 }), { echo: 1 });
  assert.deepEqual(server.frames.map(({ id }) => id), ['1']);
});

test('a channel that was forgotten tells its state all the same', async () => {
  const one = client.channel('a');
  const states = [];
  client.channel('b').status.subscribe(({ state }) => states.push(state));
  client.channel('c').subscribe(ignore);
  assert.notEqual(client.channel('a'), one, 'it was off, and nobody looked at it');
  one.subscribe(ignore);
  const watched = client.channel('b');
  watched.subscribe(ignore);
  await time.pass(100);
  assert.deepEqual([one.status.get().state, client.channel('a').status.get().state], ['live', 'live']);
  assert.deepEqual(states, ['off', 'subscribing', 'live']);
});

test('a token in the URL goes to the server and not into the store', async () => {
  const opened = [];
  const store = { ...memoryStore(), open: async (url) => { opened.push(url); return []; } };
  const other = connect('ws://server/ws?token=secret&x=1', { WebSocket: server.WebSocket, store });
  other.wake();
  await time.pass(100);
  assert.deepEqual(opened, ['ws://server/ws?x=1']);
  const { searchParams } = new URL(server.sockets.at(-1).url);
  assert.deepEqual([searchParams.get('token'), searchParams.get('x'), searchParams.get('heartbeat')], ['secret', '1', 'app']);
  other.close();
});
