// The examples of the first version over npm `ws`. Arguments: URL, and a JSON array of [request, expected answer].
import assert from 'node:assert/strict';
import { once } from 'node:events';
import WebSocket from 'ws';

const [url, examples] = process.argv.slice(2);
const socket = new WebSocket(url, 'ws.json.v1');
const frames = [];
let wake = () => {};
socket.on('message', (data, binary) => {
  assert.equal(binary, false);
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

await once(socket, 'open');
assert.equal(socket.protocol, 'ws.json.v1');
const connected = await next((frame) => frame.data?.event === 'connected');
assert.match(connected.data.connection_id, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);

const pairs = JSON.parse(examples);
for (const [request, answer] of pairs) {
  socket.send(request);
  assert.deepEqual(await next((frame) => frame.id === answer.id), answer);
}
const event = await next((frame) => frame.type === 'notification');
assert.deepEqual(event.data, {
  event: 'broadcast',
  message: 'Hello everyone!',
  from: { connection_id: connected.data.connection_id, user: null },
});
socket.ping('life');
const [payload] = await once(socket, 'pong');
assert.equal(payload.toString(), 'life');
socket.close(1000);
const [code] = await once(socket, 'close');
assert.equal(code, 1000);
console.log(`${pairs.length} examples`);
