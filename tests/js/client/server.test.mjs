// The client against the server itself: `WS_SERVER` is its binary.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import WebSocket from 'ws';
import { memoryStore } from '../../../static/client/memory.js';
import { connect } from '../../../static/client/ws-client.js';

const data = mkdtempSync(join(tmpdir(), 'ws-client-'));
let server, addr = '127.0.0.1:0';

/** Starts the server on the database, at the address that it had before, which somebody else may have for a moment. */
async function start() {
  for (let tries = 0; tries < 100; tries += 1) if (await listens()) return;
  throw new Error(`the server does not start at ${addr}`);
}

async function listens() {
  server = spawn(process.env.WS_SERVER, ['--addr', addr, '--data-dir', data, '--log-format', 'json'],
    { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, RUST_LOG: 'info', WS_SERVER__CHANNELS__HISTORY_SIZE: '5000' } });
  const lines = createInterface({ input: server.stderr });
  for await (const line of lines) {
    const found = /"addr":"(127[^"]+)"/.exec(line);
    if (!found) continue;
    addr = found[1];
    server.stderr.resume();
    return true;
  }
  return false;
}

async function kill() {
  server.kill('SIGKILL');
  await once(server, 'exit');
}

const open = (options) => connect(`ws://${addr}/ws`, { WebSocket, ...options });
const until = (readable, is) => new Promise((resolve) => {
  const end = readable.subscribe((value) => is(value) && setImmediate(() => { end(); resolve(value); }));
});
const numbers = (count, from = 0) => [...Array(count).keys()].map((n) => n + from);

await start();
after(async () => {
  await kill();
  rmSync(data, { recursive: true });
});

test('what is published while the server is killed again and again arrives once and in order', async () => {
  const reader = open(), writer = open();
  const seen = [], gaps = [], acked = [], unknown = [];
  reader.channel('a').subscribe((event) => {
    if (event.type === 'publication') seen.push(event.data);
    if (event.type === 'gap') gaps.push(event);
  });
  await until(reader.channel('a').status, ({ state }) => state === 'live');
  const ends = [];
  const publish = () => {
    const n = ends.length;
    ends.push(writer.channel('a').publish(n).then(() => acked.push(n), (error) => {
      // The channel is younger than the age that a repeat has to name.
      assert.equal(error.kind, 'unknown');
      unknown.push(n);
    }));
  };
  for (let round = 0; round < 3; round += 1) {
    for (let n = 0; n < 100; n += 1) publish();
    await ends.at(-60);
    await kill();
    for (let n = 0; n < 20; n += 1) publish();
    await start();
  }
  await Promise.all(ends);
  await writer.channel('a').publish('end');
  while (seen.at(-1) !== 'end') await new Promise(setImmediate);
  assert.deepEqual(gaps, []);
  assert.ok(unknown.length <= 3, 'only what was under way can be unknown');
  assert.deepEqual(seen.slice(0, -1), numbers(360).filter((n) => acked.includes(n) || (unknown.includes(n) && seen.includes(n))));
  assert.equal(await writer.close(1_000), 0);
  await reader.close();
});

test('history goes over pages, presence and requests answer', async () => {
  const client = open();
  const channel = client.channel('pages');
  for (const from of [0, 550]) await Promise.all(numbers(550, from).map((n) => channel.publish(n)));
  const read = async (options) => {
    const all = [];
    for await (const publication of channel.history(options)) all.push(publication.data);
    return all;
  };
  channel.subscribe(() => {});
  assert.deepEqual(await read(), numbers(1_100));
  assert.deepEqual(await read({ reverse: true, limit: 3 }), [1_099, 1_098, 1_097]);
  assert.deepEqual(await read({ limit: 2 }), [0, 1]);
  assert.equal((await channel.presence()).connections, 1);
  assert.deepEqual(await client.request('echo', { message: 'é' }), { echo: 'é' });
  await assert.rejects(client.request('no_such_action'), { kind: 'rejected', code: 'unknown_action' });
  await assert.rejects(channel.publish('x'.repeat(70_000)), { kind: 'too_large' });
  await client.close();
});

test('what a caller gives up is not done, and an id is one publication', async () => {
  const client = open();
  const channel = client.channel('given-up');
  const heard = [];
  channel.subscribe((event) => event.type === 'publication' && heard.push(event.data));
  const aborted = { kind: 'aborted' };
  await assert.rejects(channel.publish('no', { signal: AbortSignal.abort() }), aborted);
  await assert.rejects(client.request('publish', { channel: 'given-up', data: 'no' }, AbortSignal.abort()), aborted);
  const twice = ['a', 'a'].map((data) => channel.publish(data, { id: 'one' }));
  await assert.rejects(channel.publish('b', { id: 'one' }), { kind: 'rejected', code: 'conflict' });
  const [first, second] = await Promise.all(twice);
  assert.deepEqual(first, second);
  const circle = {};
  circle.circle = circle;
  await assert.rejects(channel.publish(circle), TypeError);
  await assert.rejects(channel.publish('half', { tags: { half: '\ud83d' } }), { kind: 'rejected', code: 'invalid_payload' });
  await channel.publish('end');
  await until(client.pending, (count) => count === 0);
  while (heard.at(-1) !== 'end') await new Promise(setImmediate);
  assert.deepEqual(heard, ['a', 'end']);
  await client.close();
});

test('a provider that gives no token has failed; the client does not become anonymous', async () => {
  const client = open({ token: async () => undefined });
  client.wake();
  const { error } = await until(client.status, ({ state }) => state === 'waiting');
  assert.equal(error.kind, 'token');
  const late = client.request('echo', { message: 1 });
  client.status.subscribe(({ state }) => state === 'closed' && client.request('echo').catch(({ kind }) => assert.equal(kind, 'closed')));
  await client.close();
  await assert.rejects(late, { kind: 'closed' });
});

test('broadcasts arrive as notifications', async () => {
  const client = open();
  const heard = new Promise((resolve) => { client.notifications(resolve); });
  await client.request('broadcast', { message: 'all' });
  assert.equal((await heard).message, 'all');
  await client.close();
});

test('the next client sends what a store kept, and goes on from where the last one was', async () => {
  const store = memoryStore();
  const first = open({ store });
  const seen = [];
  first.channel('kept').subscribe((event) => event.type === 'publication' && seen.push(event.data), { since: 'stored' });
  await until(first.channel('kept').status, ({ state }) => state === 'live');
  await first.channel('kept').publish('before');
  while (!seen.length) await new Promise(setImmediate);
  await kill();
  // What went into a socket that is dead, and is not known to be, could only end as unknown.
  await until(first.status, ({ state }) => state !== 'connected');
  const left = first.channel('kept').publish('offline');
  assert.equal(await first.close(), 1);
  await assert.rejects(left, { kind: 'closed' });
  await start();
  const second = open({ store });
  const again = [];
  second.channel('kept').subscribe((event) => again.push(event), { since: 'stored' });
  await second.channel('kept').publish('after');
  await until(second.pending, (count) => count === 0);
  while (again.filter(({ type }) => type === 'publication').length < 2) await new Promise(setImmediate);
  assert.deepEqual(again.filter(({ type }) => type === 'publication').map(({ data }) => data), ['offline', 'after']);
  await second.close();
});
