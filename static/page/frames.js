// The panel of the list: takes frames from the client into the log, has them shown, and obeys toolbar and keyboard.

import { element, fillSelect, oncePerPaint } from './dom.js';
import { download, fileName, toJsonLines } from './export.js';
import { mountDetailTools } from './detail.js';
import { FrameLog } from './log.js';
import { KINDS } from './protocol.js';
import { kindWords } from './row.js';
import { Rows } from './rows.js';
import { number, onLanguage, say, t } from './text.js';

const UPDATE_EVERY_MS = 100; // nobody reads faster
const NEAR_END_PX = 24;

export function mountFrames(client) {
  const list = element('frames');
  const log = new FrameLog();
  const state = { paused: false, following: true, readTo: 0 }; // readTo: the newest `seq` when following ended
  const renderRows = () => rows.render(state.following && !state.paused);
  const rows = new Rows(list, log, oncePerPaint(renderRows));
  const update = oncePerPaint(() => {
    if (!state.paused) log.take();
    renderFoot(log, state);
    renderRows();
  }, UPDATE_EVERY_MS);
  const follow = (on) => {
    if (on !== state.following) state.readTo = log.kept.at(-1)?.seq ?? 0;
    state.following = on;
    update();
  };

  client.on('frame', (frame) => {
    log.arrive(frame);
    update();
  });
  mountScrolling(list, rows, state, { renderSoon: oncePerPaint(renderRows), follow });
  mountOpening(list, rows, () => follow(false)); // who opens a frame reads it: it must not run away
  mountDetailTools(list, rows, client);
  mountKeyboard(list, rows, log);
  mountFilter(log, () => {
    renderRows();
    update();
  });
  mountToolbar(log, rows, state, { update, follow });
  onLanguage(() => {
    fillSelect(element('filter-direction'), [['', t('anyDirection')], ['in', t('in')], ['out', t('out')]]);
    fillSelect(element('filter-kind'), [['', t('anyKind')], ...KINDS.map((kind) => [kind, kindWords(kind)])]);
    rows.translate();
  });
  update();
}

function mountToolbar(log, rows, state, { update, follow }) {
  element('auto-scroll').addEventListener('change', (event) => follow(event.target.checked));
  element('newest').addEventListener('click', () => {
    follow(true);
    element('auto-scroll').focus({ preventScroll: true }); // the button goes
  });
  element('pause').addEventListener('click', () => {
    state.paused = !state.paused;
    update();
  });
  element('clear').addEventListener('click', () => {
    log.clear();
    rows.clear();
    follow(true);
  });
  element('export').addEventListener('click', () => download(fileName(), toJsonLines(log.shown)));
}

function mountScrolling(list, rows, state, { renderSoon, follow }) {
  list.addEventListener('scroll', () => {
    const isByReader = rows.scrolled();
    renderSoon();
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < NEAR_END_PX;
    if (isByReader && !state.paused && atEnd !== state.following) follow(atEnd);
  });
}

function mountOpening(list, rows, onOpen) {
  list.addEventListener('click', (event) => {
    const frame = event.target.closest('.row') && rows.frameOf(event.target);
    if (frame?.text && rows.toggle(frame)) onOpen();
  });
}

/** Arrows, Home and End move among the shown frames; Enter and Space are the buttons' own. */
function mountKeyboard(list, rows, log) {
  list.addEventListener('focusin', (event) => {
    const frame = rows.frameOf(event.target);
    if (frame) rows.setTabStop(frame);
  });
  list.addEventListener('keydown', (event) => {
    if (!event.target.matches('.row')) return;
    const place = log.placeOf(rows.frameOf(event.target));
    const moves = { ArrowDown: place + 1, ArrowUp: place - 1, Home: 0, End: log.shown.length - 1 };
    if (!Object.hasOwn(moves, event.key)) return;
    event.preventDefault();
    const frame = log.shown[moves[event.key]];
    if (frame) rows.focus(frame);
  });
}

function mountFilter(log, onChange) {
  const filter = { text: '', direction: '', kind: '', heartbeats: element('show-heartbeats').checked };
  const listen = (id, type, change) => element(id).addEventListener(type, (event) => {
    change(event.target);
    log.show(filter);
    onChange();
  });
  listen('filter', 'input', (field) => { filter.text = field.value.trim().toLowerCase(); });
  listen('filter-direction', 'change', (field) => { filter.direction = field.value; });
  listen('filter-kind', 'change', (field) => { filter.kind = field.value; });
  listen('show-heartbeats', 'change', (field) => { filter.heartbeats = field.checked; });
  log.show(filter);
}

function renderFoot(log, { paused, following, readTo }) {
  const [shown, kept, waiting] = [log.shown.length, log.kept.length, log.waiting];
  element('shown').dataset.value = shown;
  say(element('shown'), () => t(shown === kept ? 'shownAll' : 'shown', { n: number(shown), all: number(kept) }));
  const { dropped } = log;
  element('dropped').dataset.dropped = dropped;
  say(element('dropped'), () => t('dropped', { n: number(dropped) }));
  element('pause').setAttribute('aria-pressed', String(paused));
  const resume = () => (waiting ? t('resumeWaiting', { n: number(waiting) }) : t('resume'));
  say(element('pause'), () => (paused ? resume() : t('pause')));
  element('frames-empty').hidden = shown > 0;
  say(element('frames-empty'), () => t(kept === 0 ? 'empty' : 'noneShown'));
  element('export').disabled = shown === 0;
  element('auto-scroll').checked = following;
  const fresh = log.shownAfter(readTo);
  element('newest').hidden = following || paused || shown === 0;
  element('newest').dataset.value = fresh;
  say(element('newest'), () => (fresh > 0 ? t('newFrames', { n: number(fresh) }) : t('toNewest')));
}
