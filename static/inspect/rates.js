// The numbers at the top, and the charts of rates: differences of two answers of `GET /node/stats`.

import { create, element, setText } from '../page/dom.js';
import { number, say, t } from '../page/text.js';
import { Chart } from './chart.js';

const GAUGES = ['connections', 'unauthenticated', 'subscriptions', 'channels', 'memory_bytes', 'log_bytes'];

export const rate = (n) => `${number(n < 10 ? Math.round(n * 10) / 10 : Math.round(n))}/s`;

/** Bytes in a unit that keeps them short. */
export function bytes(n) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = n < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(n) / 10));
  const value = n / 1024 ** power;
  return `${power > 0 && value < 100 ? value.toFixed(1) : Math.round(value)} ${units[power]}`;
}

export function mountRates(api, poll) {
  const shown = new Map(GAUGES.map((name) => [name, gauge(name)]));
  const chart = (title, lines, format) => new Chart(element('charts'), title, lines, format);
  const charts = [
    [chart('i-messages', ['i-received', 'i-delivered'], rate), ['messages_received', 'deliveries']],
    [chart('i-traffic', ['i-in', 'i-out'], (n) => `${bytes(n)}/s`), ['bytes_received', 'bytes_sent']],
    [chart('i-publishing', ['i-publications', 'i-errors'], rate), ['publications', 'errors']],
    [chart('i-slow', ['i-blocked', 'i-missed'], rate), ['sockets_blocked', 'missed']],
  ];
  let before = null;
  poll.add('stats', async () => {
    const now = await api.ask('GET', '/node/stats');
    for (const [name, target] of shown) {
      const value = now[name];
      setText(target, value === undefined ? '–' : name.endsWith('_bytes') ? bytes(value) : number(value));
      target.dataset.value = value;
    }
    const seconds = before === null ? 0 : (now.uptime_ms - before.uptime_ms) / 1000;
    // After a restart the counts begin again; after a pause the rate would be an average of all of it.
    if (seconds > 0 && seconds < 10) {
      for (const [target, names] of charts) {
        target.add(names.map((name) => Math.max(0, now.counts[name] - before.counts[name]) / seconds));
      }
    }
    before = now;
  });
}

function gauge(name) {
  const entry = create('div');
  say(entry.appendChild(create('dt')), () => t(`i-gauge-${name}`));
  const value = entry.appendChild(create('dd', '', '–'));
  value.id = `gauge-${name}`;
  element('gauges').append(entry);
  return value;
}
