// What the shell around the machine does by itself: ids, providers of channels, pages of a history, payloads, URLs.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
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
