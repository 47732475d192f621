// A publisher or a subscriber that lives behind a bad network, and tells as lines of JSON what it was told. Started by
// tests/tests/it/clients/javascript.rs.
//
//   soak.mjs publish URL NTH CHANNEL…    publishes [NTH, n] into the channels in turn, a few at a time, until standard
//                                        input has a line; then each publication as `Published` of ws-tests' oracle
//   soak.mjs read URL EPOCHS             what it sees after offset 0 of each channel, {"channel": epoch}, as `Seen`, until
//                                        it has the offsets that standard input gives as one line, {"channel": offset}
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import WebSocket from 'ws';
import { connect } from '../../../static/client/ws-client.js';

/** As the tests of the Rust client: milliseconds where others wait for seconds. */
const timers = { connect: 2e3, request: 1e3, probe: 500, backoff_min: 10, backoff_max: 50, refused: 50 };
const AT_ONCE = 6;

const [role, url, ...rest] = process.argv.slice(2);
const client = connect(url, { WebSocket, timers });
const input = once(createInterface({ input: process.stdin }), 'line');
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

async function publish(nth, channels) {
  let isOver = false;
  input.then(() => { isOver = true; });
  const told = [];
  async function lane() {
    while (!isOver) {
      const n = told.length, channel = channels[n % channels.length], data = [nth, n];
      const one = { channel, data };
      told.push(one);
      try {
        const { position } = await client.channel(channel).publish(data);
        one.outcome = { acked: position.offset };
      } catch (error) {
        if (error.kind !== 'unknown') throw error;
        one.outcome = 'unknown';
      }
      await pause(2);
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  told.forEach(say);
}

function read(epochs) {
  return new Promise((resolve, reject) => {
    const channels = Object.keys(epochs), seen = new Map(channels.map((channel) => [channel, 0]));
    let tops;
    const look = () => tops && channels.every((channel) => seen.get(channel) >= tops[channel]) && resolve();
    input.then(([line]) => { tops = JSON.parse(line); look(); });
    for (const channel of channels) {
      client.channel(channel).subscribe((event) => {
        const { type, offset, data, from, to } = event;
        if (type === 'publication') say({ publication: { channel, offset, data } });
        else if (type === 'gap' && to) say({ gap: { channel, from, to } });
        else if (type === 'live') return;
        else return reject(new Error(`${channel}: ${JSON.stringify(event)}`));
        seen.set(channel, offset ?? to);
        look();
      }, { since: { epoch: epochs[channel], offset: 0 } });
    }
  });
}

if (role === 'publish') await publish(+rest[0], rest.slice(1));
else await read(JSON.parse(rest[0]));
await client.close();
// What was said has to be read first.
process.stdout.write('', () => process.exit());
