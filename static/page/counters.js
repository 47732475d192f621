// The counters above the list: frames, bytes and errors since the page was opened, and the newest round trip.

import { element, oncePerPaint, setText } from './dom.js';
import { milliseconds, number } from './text.js';

const UPDATE_EVERY_MS = 100; // nobody reads faster

const COUNTERS = [
  { id: 'frames-in', words: 'framesIn' }, { id: 'frames-out', words: 'framesOut' },
  { id: 'bytes-in', words: 'bytesIn' }, { id: 'bytes-out', words: 'bytesOut' },
  { id: 'errors', words: 'errors' }, { id: 'rtt', words: 'rtt' },
];

export function mountCounters(client) {
  const counts = Object.fromEntries(COUNTERS.map(({ id }) => [id, 0]));
  counts.rtt = null;
  let alarmAfter = 0; // errors that the user has seen and cleared
  element('counters').append(...COUNTERS.map(({ id, words }) => counterPair(id, words)));
  const render = oncePerPaint(() => renderCounters(counts, counts.errors > alarmAfter), UPDATE_EVERY_MS);
  render();
  element('clear').addEventListener('click', () => {
    alarmAfter = counts.errors;
    render();
  });
  client.on('frame', ({ direction, kind, bytes, rtt }) => {
    if (direction === 'local') return;
    counts[`frames-${direction}`] += 1;
    counts[`bytes-${direction}`] += bytes;
    if (direction === 'in' && kind === 'error') counts.errors += 1;
    counts.rtt = rtt ?? counts.rtt;
    render();
  });
}

function renderCounters(counts, isAlarm) {
  for (const { id } of COUNTERS) {
    const value = counts[id];
    element(id).dataset.value = value ?? '';
    setText(element(id), value === null ? '–' : id === 'rtt' ? milliseconds(value) : number(value));
  }
  element('errors').dataset.alarm = String(isAlarm);
}

function counterPair(id, words) {
  const pair = document.createElement('div');
  const [term, value] = [document.createElement('dt'), document.createElement('dd')];
  term.dataset.i18n = words;
  value.id = id;
  pair.append(term, value);
  return pair;
}
