// One frame on the page: its row, under which the detail opens (detail.js).

import { frameDetail, translateDetail } from './detail.js';
import { element } from './dom.js';
import { clock, milliseconds, number, t } from './text.js';

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
  const detail = row.querySelector('.detail');
  if (detail) translateDetail(detail);
}

/** Opens or closes the detail; whether it is open now. */
export function toggleRow(row, frame) {
  const open = row.firstElementChild.getAttribute('aria-expanded') !== 'true';
  row.firstElementChild.setAttribute('aria-expanded', String(open));
  row.classList.toggle('open', open);
  if (open) row.append(frameDetail(frame, frame.name || kindWords(frame.kind)));
  else row.lastElementChild.remove();
  return open;
}
