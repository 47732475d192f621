// A subscriber over npm `ws` that loses its connection and comes back. Arguments: URL, channel, and how many are
// published before, while and after it is away.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import WebSocket from 'ws';

const [url, channel, ...counts] = process.argv.slice(2);
const [before, away, after] = counts.map(Number);

/** A connection that keeps its frames until they are asked for. */
async function connect() {
  const socket = new WebSocket(url, 'ws.json.v1');
  const frames = [];
  let wake = () => {};
  socket.on('message', (data) => {
    frames.push(JSON.parse(data));
    wake();
  });
  /** The next frame that `wanted` accepts; it is taken out of the list. */
  async function next(wanted) {
    for (;;) {
      const at = frames.findIndex(wanted);
      if (at >= 0) return frames.splice(at, 1)[0];
      await new Promise((resolve) => { wake = resolve; });
    }
  }
  let id = 0;
  async function request(action, payload) {
    id += 1;
    const own = String(id);
    socket.send(JSON.stringify({ id: own, type: 'request', action, payload }));
    const frame = await next((frame) => frame.id === own);
    assert.equal(frame.type, 'response', JSON.stringify(frame));
    return frame.data;
  }
  await once(socket, 'open');
  await next((frame) => frame.data?.event === 'connected');
  return { socket, request, event: async () => (await next((frame) => frame.type === 'notification')).data };
}

async function close({ socket }) {
  socket.close(1000);
  const [code] = await once(socket, 'close');
  assert.equal(code, 1000);
}

const publisher = await connect();
let published = 0;
async function publish(count) {
  for (const last = published + count; published < last;) {
    published += 1;
    const data = await publisher.request('publish', { channel, data: { n: published } });
    assert.equal(data.offset, published);
  }
}

let offset = 0;
async function read({ event }, count) {
  for (const last = offset + count; offset < last;) {
    const publication = await event();
    offset += 1;
    assert.equal(publication.event, 'publication', JSON.stringify(publication));
    assert.deepEqual([publication.channel, publication.offset, publication.data], [channel, offset, { n: offset }]);
  }
}

let subscriber = await connect();
const { epoch, offset: top } = await subscriber.request('subscribe', { channel });
assert.equal(top, 0);
await publish(before);
await read(subscriber, before);
subscriber.socket.terminate();
await publish(away);
subscriber = await connect();
const answer = await subscriber.request('subscribe', { channel, since: { epoch, offset } });
assert.deepEqual(answer, { channel, epoch, offset: published, after: offset, recovered: true });
await read(subscriber, away);
await publish(after);
await read(subscriber, after);
await close(subscriber);
await close(publisher);
console.log(`${offset} publications`);
