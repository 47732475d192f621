// Stores that fail, and the store in IndexedDB.
import 'fake-indexeddb/auto';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { indexedDb } from '../../../static/client/indexeddb.js';
import { memoryStore } from '../../../static/client/memory.js';
import { connect } from '../../../static/client/ws-client.js';
import { FakeServer, fakeTime } from './fake.mjs';

const URL = 'ws://server/ws';
const entry = (msg_id, more) => ({ msg_id, channel: 'a', data: '1', created: Date.now(), max_age: 1e6, user: null, ...more });
const ignore = () => {};

/** A store of which some calls fail, or never answer. */
const broken = (how) => {
  const store = memoryStore();
  const calls = [];
  return {
    calls,
    ...store,
    open(...of) { calls.push('open'); return how.open ? how.open() : store.open(...of); },
    write(batch) { calls.push('write'); return how.write ? how.write() : store.write(batch); },
    position(...of) { calls.push('position'); return how.position ? how.position() : store.position(...of); },
  };
};
const throws = () => { throw new Error('the disk is full'); };
const hangs = () => new Promise(ignore);

for (const [name, how, within] of [
  ['throws at open', { open: throws }, 100], ['never opens', { open: hangs }, 2_200],
  ['throws at write', { write: throws }, 100], ['never writes', { write: hangs }, 2_200],
]) {
  test(`a store that ${name} is left, and the client goes on in memory`, async () => {
    const time = fakeTime(), server = new FakeServer();
    let client;
    try {
      const store = broken(how);
      client = connect(URL, { WebSocket: server.WebSocket, store });
      const ack = client.channel('a').publish(1);
      await time.pass(within);
      assert.equal((await ack).position.offset, 1);
      assert.equal(client.status.get().store.error.kind, 'store');
      if (name.includes('throws')) assert.match(client.status.get().store.error.message, /the disk is full/);
      how.open = how.write = undefined;
      const before = store.calls.length;
      await time.pass(31_000);
      assert.equal(store.calls[before], 'open', 'tried again');
      assert.equal(client.status.get().store, undefined);
      await client.channel('a').publish(2);
      assert.equal(server.channel('a').length, 2);
    } finally { client.close(); time.end(); }
  });
}

test('an entry goes out once it is stored with its first sending', async () => {
  const time = fakeTime(), server = new FakeServer();
  let client;
  try {
    const writes = [];
    const store = broken({ write: () => new Promise((resolve) => writes.push(resolve)) });
    client = connect(URL, { WebSocket: server.WebSocket, store });
    client.channel('a').publish(1);
    await time.pass(500);
    assert.equal(server.sent('publish').length, 0);
    writes.shift()();
    await time.pass(100);
    writes.shift()?.();
    await time.pass(100);
    assert.equal(server.sent('publish').length, 1);
  } finally { client.close(); time.end(); }
});

test('a store that cannot say a position is left, and says so', async () => {
  const time = fakeTime(), server = new FakeServer();
  let client;
  try {
    for (const fails of [throws, hangs]) {
      const how = { position: fails };
      client = connect(URL, { WebSocket: server.WebSocket, store: broken(how) });
      client.channel('a').subscribe(ignore, { since: 'stored' });
      await time.pass(2_500);
      const { error } = client.status.get().store;
      assert.equal(error.kind, 'store', 'it has not silently begun anew');
      assert.match(error.message, fails === throws ? /the disk is full/ : /no answer in time/);
      how.position = undefined;
      await time.pass(31_000);
      assert.equal(client.status.get().store, undefined, 'opened again');
      assert.equal(client.channel('a').status.get().state, 'live');
      client.close();
    }
  } finally { client.close(); time.end(); }
});

test('what is published while a position is read comes to who reads from it', async () => {
  const time = fakeTime(), server = new FakeServer();
  let client;
  try {
    let found;
    const position = () => new Promise((resolve) => { found = resolve; });
    client = connect(URL, { WebSocket: server.WebSocket, store: broken({ position }) });
    const seen = [];
    client.channel('a').subscribe(({ type, data }) => type === 'publication' && seen.push(data), { since: 'stored' });
    const ack = client.channel('a').publish('mine');
    await client.channel('b').publish('elsewhere');
    await time.pass(500);
    assert.deepEqual(server.frames.map(({ action, payload }) => `${action} ${payload.channel}`), ['publish b']);
    found(undefined);
    await time.pass(100);
    await ack;
    assert.deepEqual(server.frames.slice(1).map(({ action }) => action), ['subscribe', 'publish']);
    assert.deepEqual(seen, ['mine']);
  } finally { client.close(); time.end(); }
});

test('entries are kept in their order, by URL, and removed', async () => {
  const store = indexedDb('order');
  assert.deepEqual(await store.open(URL, ignore), []);
  await store.write({ put: ['c', 'a', 'b'].map((id) => entry(id)) });
  await store.write({ put: [entry('a', { first_sent: 5 })], remove: ['b'] });
  assert.deepEqual((await store.open(URL, ignore)).map(({ msg_id, first_sent }) => [msg_id, first_sent]), [['c', undefined], ['a', 5]]);
  assert.deepEqual(await store.open('ws://other/ws', ignore), []);
  assert.equal((await store.owners()).length, 1);
  store.close();
  await assert.rejects(store.write({ remove: ['a'] }), /closed/);
});

test('without locks, entries are adopted 60 s after their owner was here last', async (context) => {
  const first = indexedDb('adopt');
  await first.open(URL, ignore);
  await first.write({ put: [entry('x')] });
  first.close();
  const early = indexedDb('adopt');
  assert.deepEqual(await early.open(URL, ignore), []);
  early.close();
  context.mock.timers.enable({ apis: ['Date'], now: Date.now() + 61_000 });
  const late = indexedDb('adopt');
  assert.deepEqual((await late.open(URL, ignore)).map(({ msg_id }) => msg_id), ['x']);
  const [owner, ...others] = await late.owners();
  assert.deepEqual(others, [], 'the old owner is forgotten');
  assert.ok(Date.now() - owner.touched < 1_000);
  late.close();
});

test('stored is the lowest position of pages that live, otherwise the last', async (context) => {
  const position = (offset, epoch = 'e') => ({ epoch, offset });
  const save = (store, at) => store.write({ positions: [{ user: null, channel: 'a', position: at }] });
  const [one, two] = [indexedDb('places'), indexedDb('places')];
  for (const store of [one, two]) await store.open(URL, ignore);
  await save(one, position(5));
  await save(two, position(9));
  assert.deepEqual(await two.position('a', null), position(5));
  assert.equal(await two.position('a', 'ann'), undefined);
  context.mock.timers.enable({ apis: ['Date'], now: Date.now() + 61_000 });
  await save(two, position(12));
  assert.deepEqual(await two.position('a', null), position(12), 'the first page is gone');
  for (const store of [one, two]) store.close();
});
