// The panel that breaks the connection off and shows what every channel got back with the next one.

import { gapWords } from './channel-list.js';
import { create, element, keepRows, oncePerPaint, setText } from './dom.js';
import { clock, number, onLanguage, t } from './text.js';

const UPDATE_EVERY_MS = 100; // nobody reads faster
const DELAY_S = 3; // where the field says no number

export function mountRecovery(client, channels) {
  const [button, list, rows] = [element('drop-now'), element('recovery-list'), new Map()];
  const render = () => {
    element('recovery-empty').hidden = channels.recoveries.length > 0;
    keepRows(list, rows, channels.recoveries, { make: recoveryRow, update });
  };
  const showButton = () => { button.disabled = !client.isOpen; };
  button.addEventListener('click', () => {
    const seconds = parseFloat(element('drop-delay').value);
    client.drop((seconds >= 0 ? seconds : DELAY_S) * 1000);
  });
  client.on('change', showButton);
  channels.on('change', render);
  channels.on('progress', oncePerPaint(render, UPDATE_EVERY_MS));
  onLanguage(render);
  showButton();
}

function recoveryRow({ at, channel }) {
  const row = create('li');
  row.dataset.channel = channel;
  const cells = [create('time', 'soft', clock(at)), create('b', 'mono', channel), create('span', 'recovery-words')];
  row.append(...cells.flatMap((cell) => [cell, ' ']));
  return row;
}

function update(row, recovery) {
  const { status, count, expected } = recovery;
  Object.assign(row.dataset, { status, count, expected: expected ?? '', done: recovery.done });
  setText(row.lastElementChild, recoveryWords(recovery));
}

function recoveryWords({ status, count, expected, gap, error }) {
  const n = number(count);
  const isCounted = typeof expected === 'number';
  const came = isCounted ? t('recoveredOf', { n, all: number(expected) }) : t('recoveredCount', { n });
  switch (status) {
    case 'gap': return `${gapWords(gap)} · ${came}`;
    case 'recovered': return expected === 0 ? t('nothingMissed') : came;
    case 'refused': return `${error.code}: ${error.message}`;
    case 'recovering': return came;
    case 'renewed': return `${t('recovery-renewed')} · ${expected === 0 ? t('nothingThere') : came}`;
    default: return t(`recovery-${status}`, { n });
  }
}
