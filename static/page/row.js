// One frame on the page: its row, and the detail that opens under it.

import { copyText, element } from './dom.js';
import { layoutJson, parseJson } from './json.js';
import { clock, milliseconds, number, t } from './text.js';

const COLOURED_TOKENS_MAX = 4000; // a larger frame is shown without colours: one node a token would be slow
const COPIED_SHOWN_MS = 1500;
const ARROWS = { in: '↓', out: '↑', local: '•' };

export const kindWords = (kind) => t(kind === 'heartbeat' ? 'heartbeatKind' : kind);

/** A new <li> for the frame; its first child is the button. */
export function frameRow(frame) {
  const row = element('frame-template').content.firstElementChild.cloneNode(true);
  const { direction, kind, name, id, preview, rtt, bytes } = frame;
  Object.assign(row.dataset, { direction, kind, name });
  if (id !== undefined) row.dataset.id = id;
  const words = [
    clock(frame.time, true), ARROWS[direction], '', id === undefined ? name : `${name} #${id}`, preview,
    rtt === undefined ? '' : milliseconds(rtt), kind === 'socket' ? '' : `${number(bytes)} B`,
  ]; // in the order of the template
  words.forEach((text, i) => { if (text) row.firstElementChild.children[i].textContent = text; });
  translateRow(row);
  return row;
}

/** Says in the current language what of a row is not the protocol's. */
export function translateRow(row) {
  const [, arrow, kind] = row.firstElementChild.children;
  kind.textContent = kindWords(row.dataset.kind);
  arrow.setAttribute('aria-label', t(row.dataset.direction));
  const copy = row.querySelector('.copy');
  if (copy) copy.textContent = t('copy');
}

/** Opens or closes the detail; whether it is open now. */
export function toggleRow(row, frame) {
  const open = row.firstElementChild.getAttribute('aria-expanded') !== 'true';
  row.firstElementChild.setAttribute('aria-expanded', String(open));
  row.classList.toggle('open', open);
  if (open) row.append(frameDetail(frame));
  else row.lastElementChild.remove();
  return open;
}

function frameDetail(frame) {
  const detail = element('detail-template').content.firstElementChild.cloneNode(true);
  const [copy, pre] = detail.children;
  copy.textContent = t('copy');
  copy.addEventListener('click', async () => {
    const done = await copyText(frame.text);
    copy.textContent = t(done ? 'copied' : 'copyFailed');
    setTimeout(() => { copy.textContent = t('copy'); }, COPIED_SHOWN_MS);
  });
  pre.setAttribute('aria-label', frame.name || kindWords(frame.kind));
  showJson(pre, frame.text);
  return detail;
}

/** Shows JSON laid out and coloured; any other text as it is. */
export function showJson(target, text) {
  if (parseJson(text).problem) {
    target.textContent = text;
    return;
  }
  const pieces = layoutJson(text);
  if (pieces.length > COLOURED_TOKENS_MAX) {
    target.textContent = pieces.map(([, piece]) => piece).join('');
    return;
  }
  target.replaceChildren(...pieces.map(([name, piece]) => {
    if (!name) return piece;
    const span = document.createElement('span');
    span.className = name;
    span.textContent = piece;
    return span;
  }));
}
