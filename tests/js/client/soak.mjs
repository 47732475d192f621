// A publisher or a subscriber that lives behind a bad network, and tells as lines of JSON what it was told.
//
//   soak.mjs publish URL NAME CHANNEL…   publishes [NAME, n] into the channels in turn, a few at a time, until standard
//                                        input has a line; then each publication as `Published` of ws-tests' oracle
//   soak.mjs read URL CHANNEL…           what it sees, as `Seen`, until it has the offsets that standard input gives as
//                                        one line, {"channel": offset}
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import WebSocket from 'ws';
import { connect } from '../../../static/client/ws-client.js';

/** As long as the tests of the Rust client wait: a bad network is to be noticed soon. */
const timers = { connect: 2e3, request: 2e3, backoff_max: 500, probe: 1e3 };
const AT_ONCE = 8;

const [role, url, ...rest] = process.argv.slice(2);
const client = connect(url, { WebSocket, timers });
const input = once(createInterface({ input: process.stdin }), 'line');
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

async function publish(name, channels) {
  let isOver = false, n = 0;
  input.then(() => { isOver = true; });
  const told = [];
  const outcome = (error) => (error.kind === 'unknown' ? 'unknown' : 'not');
  async function lane() {
    while (!isOver) {
      const channel = channels[n % channels.length], data = [name, n];
      n += 1;
      const one = { channel, data };
      told.push(one);
      const sent = client.channel(channel).publish(data);
      one.outcome = await sent.then(({ position }) => ({ acked: position.offset }), outcome);
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  told.forEach(say);
}

function read(channels) {
  return new Promise((resolve) => {
    const seen = new Map(channels.map((channel) => [channel, 0]));
    let tops;
    const look = () => tops && channels.every((channel) => seen.get(channel) >= (tops[channel] ?? 0)) && resolve();
    input.then(([line]) => { tops = JSON.parse(line); look(); });
    for (const channel of channels) {
      client.channel(channel).subscribe(({ type, offset, data, from, to }) => {
        if (type === 'publication') say({ publication: { channel, offset, data } });
        else if (type === 'gap') say({ gap: { channel, from, to } });
        else return;
        seen.set(channel, offset ?? to);
        look();
      }, { rewind: 1_000 });
    }
  });
}

if (role === 'publish') await publish(rest[0], rest.slice(1));
else await read(rest);
await client.close();
process.exit();
