// Claude's runs, against a server that plays them from a script.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { claude } from '../../../static/client/claude.js';
import { connect } from '../../../static/client/ws-client.js';
import { FakeServer, fakeTime, settle } from './fake.mjs';

const RUN = { run_id: 'r', channel: 'room', epoch: 'e', offset: 1, stream: 'claude:room/r', stream_epoch: 'e' };

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

/** The run writes. */
const write = (...all) => all.forEach((data) => server.publish({ channel: RUN.stream, data, msg_id: Math.random() }));
const text = (index, words) => ({ claude: 'text', index, text: words });
const finished = { claude: 'finished', run_id: 'r', status: 'complete', usage: { output_tokens: 3 } };

/** Everything that is followed, and how it ended. */
function followed(options) {
  const all = { events: [], end: undefined };
  (async () => {
    for await (const event of claude(client, 'room').follow(RUN, options)) all.events.push(event);
  })().then(() => { all.end = 'finished'; }, (error) => { all.end = error.kind; });
  return all;
}

test('a question is asked once, although its connection is lost twice', async () => {
  const asked = [];
  server.refuse = ({ action, payload }, socket) => {
    if (action !== 'ask_claude') return undefined;
    asked.push(payload);
    if (asked.length < 3) socket.end();
    return undefined;
  };
  server.ask_claude = ({ run_id }) => ({ ...RUN, run_id });
  const run = claude(client, 'room').ask({ prompt: 'Why?', context: 2 });
  await time.pass(60_000);
  assert.equal(asked.length, 3);
  assert.deepEqual(new Set(asked.map((one) => JSON.stringify(one))).size, 1, 'the same question with the same id');
  assert.match(asked[0].run_id, /^[A-Za-z0-9_-]{1,64}$/);
  assert.deepEqual(asked[0], { channel: 'room', prompt: 'Why?', context: 2, run_id: (await run).run_id });
});

test('what is refused is told, and what is given up is not asked again', async () => {
  server.refuse = ({ action }) => (action === 'ask_claude' ? { code: 'overloaded', retryable: true } : undefined);
  await assert.rejects(claude(client, 'room').ask({ prompt: 'Why?' }), { kind: 'rejected', code: 'overloaded', retryable: true });
  server.isDown = true;
  server.live[0].end();
  const controller = new AbortController();
  const run = claude(client, 'room').ask({ prompt: 'Why?', signal: controller.signal });
  controller.abort();
  await assert.rejects(run, { kind: 'aborted' });
  server.isDown = false;
  await time.pass(30_000);
  assert.equal(server.sent('ask_claude').length, 1);
});

test('a question that costs every connection is given up, and so is one that is too long', async () => {
  server.refuse = ({ action }, socket) => { if (action === 'ask_claude') socket.end(); };
  const lost = assert.rejects(claude(client, 'room').ask({ prompt: 'Why?' }), { kind: 'lost' });
  await time.pass(300_000);
  await lost;
  assert.equal(server.sent('ask_claude').length, 10);
  await assert.rejects(claude(client, 'room').ask({ prompt: 'x'.repeat(70_000) }), { kind: 'too_large' });
});

test('what was written while another user logged in is followed too', async () => {
  server.user = (token) => token;
  let name = 'ann';
  client.close();
  client = connect('ws://server/ws', { WebSocket: server.WebSocket, token: async () => name });
  write(text(0, 'It '));
  const all = followed();
  await time.pass(100);
  name = 'bob';
  server.isDown = true;
  server.live[0].end();
  write(text(1, 'is '), text(2, 'so.'));
  const login = client.login();
  server.isDown = false;
  await time.pass(30_000);
  await login;
  assert.equal(client.status.get().user, 'bob');
  write(finished);
  await time.pass(100);
  assert.deepEqual(all.events.map(({ type, position }) => [type, position.offset]), [['text', 1], ['text', 2], ['text', 3], ['finished', 4]]);
});

test('an answer is followed from its beginning to its end, over a lost connection', async () => {
  write(text(0, 'It '), text(1, 'is '));
  const all = followed();
  await time.pass(100);
  assert.deepEqual(all.events.map((event) => event.text), ['It ', 'is ']);
  server.live[0].end();
  write(text(2, 'so.'));
  await time.pass(30_000);
  write(finished, text(3, 'never'));
  await time.pass(100);
  assert.deepEqual(all.events.map(({ type, position }) => [type, position.offset]), [['text', 1], ['text', 2], ['text', 3], ['finished', 4]]);
  assert.deepEqual(all.events[3], { type: 'finished', run_id: 'r', status: 'complete', usage: { output_tokens: 3 }, position: { epoch: 'e', offset: 4 } });
  assert.equal(all.end, 'finished');
  await time.pass(2_000);
  assert.equal(server.sent('unsubscribe').length, 1, 'nothing is read after the end');
  // A page that was loaded again goes on from where it was.
  const rest = followed({ since: all.events[1].position });
  await time.pass(100);
  assert.deepEqual(rest.events.map(({ type }) => type), ['text', 'finished']);
});

test('who reads slowly is not handed the next event', async () => {
  write(text(0, 'a'), text(1, 'b'), finished);
  const events = claude(client, 'room').follow(RUN)[Symbol.asyncIterator]();
  const first = events.next();
  await time.pass(100);
  assert.equal((await first).value.text, 'a');
  await time.pass(10_000);
  const second = events.next();
  await settle();
  assert.equal((await second).value.text, 'b');
  await events.return();
  await time.pass(2_000);
  assert.equal(server.sent('unsubscribe').length, 1);
});

test('a missing part is a gap, and a stream that may not be read an error', async () => {
  const all = followed();
  await time.pass(100);
  server.live[0].say({ event: 'gap', channel: RUN.stream, from: 1, to: 7 });
  await time.pass(100);
  assert.deepEqual(all.events, [{ type: 'gap', from: 1, to: 7, position: { epoch: 'e', offset: 7 } }]);
  server.live[0].say({ event: 'unsubscribed', channel: RUN.stream, code: 'permission_denied', reason: 'no', retryable: false });
  await time.pass(100);
  assert.equal(all.end, 'rejected');
});

test('a stream of which nothing is kept is over', async () => {
  server.subscribe = ({ channel }) => ({ channel, epoch: 'e', offset: 9, after: 9, recovered: false, gap: { from: 1, to: 9 } });
  const all = followed();
  await time.pass(100);
  assert.deepEqual(all.events.map(({ type }) => type), ['gap']);
  assert.equal(all.end, 'gap');
});

test('following ends with the client and with its signal', async () => {
  const controller = new AbortController();
  const [one, other] = [followed({ signal: controller.signal }), followed()];
  await time.pass(100);
  controller.abort();
  await time.pass(100);
  assert.deepEqual([one.end, other.end], ['aborted', undefined]);
  await client.close();
  await time.pass(100);
  assert.equal(other.end, 'closed');
});

test('a run is stopped', async () => {
  server.cancel_claude = ({ run_id }) => ({ run_id, status: 'cancelling' });
  const status = claude(client, 'room').cancel(RUN);
  await time.pass(100);
  assert.equal(await status, 'cancelling');
  assert.deepEqual(server.sent('cancel_claude')[0].payload, { channel: 'room', run_id: 'r' });
});
