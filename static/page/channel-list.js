// The list of the subscribed channels: where each is in its stream, and what can be done with it.

import { unsubscribe } from './channel-form.js';
import { element, keepRows, oncePerPaint, setText } from './dom.js';
import { parseExact } from './json.js';
import { clock, number, onLanguage, t } from './text.js';

const UPDATE_EVERY_MS = 100; // nobody reads faster
const EPOCH_CHARS = 8; // enough to see that it is another one; the whole is in the title
const LAST_CHARS_MAX = 240;

const shownLast = new WeakMap(); // row → the text of the frame whose data it shows

export function mountChannelList(client, channels) {
  const rows = new Map(); // Subscription → <li>
  const actions = {
    publish: (channel) => open('publish-channel', channel, 'publish-data'),
    history: (channel) => open('history-channel', channel, 'history-load').click(),
    presence: (channel) => open('presence-channel', channel, 'presence-load').click(),
    unsubscribe: (channel) => unsubscribe(client, channels, channel),
  };
  let offered = ''; // the names in the fields' list
  const render = () => {
    const subscriptions = [...channels.subscriptions.values()];
    element('channels-empty').hidden = subscriptions.length > 0;
    keepRows(element('channel-list'), rows, subscriptions, { make: (each) => channelRow(each, actions), update });
    const known = subscriptions.map(({ name }) => name);
    if (known.join('\n') === offered) return;
    offered = known.join('\n');
    element('channel-names').replaceChildren(...known.map((name) => new Option(name, name)));
  };
  channels.on('change', render);
  channels.on('progress', oncePerPaint(render, UPDATE_EVERY_MS));
  onLanguage(() => {
    rows.clear();
    element('channel-list').replaceChildren();
    render();
  });
}

/** Puts the channel into another panel's field and moves the focus to `target`, which it returns. */
function open(field, channel, target) {
  element(field).value = channel;
  element(target).focus();
  return element(target);
}

function channelRow({ name }, actions) {
  const row = element('channel-template').content.firstElementChild.cloneNode(true);
  row.dataset.channel = name;
  row.querySelector('.channel-name').textContent = name;
  for (const button of row.querySelectorAll('button')) {
    const { does } = button.dataset;
    button.textContent = t(`does-${does}`);
    button.setAttribute('aria-label', t('doesWith', { does: t(`does-${does}`), channel: name }));
    button.addEventListener('click', () => actions[does](name));
  }
  return row;
}

function update(row, subscription) {
  const { state, epoch, offset, seen, jumps, renewal } = subscription;
  const renewed = renewal !== null;
  Object.assign(row.dataset, { state, offset: offset ?? '', epoch: epoch ?? '', seen, jumps, renewed });
  setText(row.querySelector('.channel-state'), stateWords(subscription));
  const facts = row.querySelector('.channel-facts').children;
  const hasHistory = epoch !== null || state === 'waiting' || state === 'refused';
  const at = offset === null ? '–' : number(offset);
  setText(facts[0], hasHistory ? t('atOffset', { offset: at }) : t('withoutHistory'));
  setText(facts[1], hasHistory ? t('inEpoch', { epoch: shortEpoch(epoch ?? '–') }) : '');
  facts[1].title = epoch ?? '';
  setText(facts[2], t('seenCount', { n: number(seen) }));
  showLast(row, subscription.last);
  setText(row.querySelector('.channel-note'), renewed ? renewalWords(renewal) : '');
  setText(row.querySelector('.channel-trouble'), troubleWords(subscription));
}

/** The data of the last publication, with the numbers that were on the wire. */
function showLast(row, text) {
  if (text === null || shownLast.get(row) === text) return;
  shownLast.set(row, text);
  const data = JSON.stringify(parseExact(text).data.data).slice(0, LAST_CHARS_MAX);
  setText(row.querySelector('.channel-last'), t('lastData', { data }));
}

const shortEpoch = (epoch) => String(epoch).slice(0, EPOCH_CHARS);

function stateWords({ state, offset, target }) {
  const catching = state === 'catching-up' || (state === 'gap' && offset < target);
  if (!catching) return t(`state-${state}`);
  const until = t('catchingUp', { offset: number(target) });
  return state === 'gap' ? `${t('state-gap')}, ${until}` : until;
}

function troubleWords({ error, gap, jumps, jump }) {
  const sentences = [];
  if (error) sentences.push(`${error.code}: ${error.message}`);
  if (gap) sentences.push(gapWords(gap));
  if (jumps > 0) sentences.push(t('jumped', { n: number(jumps), ...jump }));
  return sentences.join(' · ');
}

/** That another stream has begun, and what is known of the one before. */
function renewalWords({ at, last }) {
  const time = clock(at);
  return last > 0 ? t('renewedAfter', { time, last: number(last) }) : t('renewed', { time });
}

/** What is missing, in words. */
export function gapWords({ from, to, missed, epoch, before }) {
  if (missed !== undefined) return t('gapMissed', { n: number(missed) });
  if (epoch !== undefined && epoch === before) return t('gapAbove');
  if (epoch !== undefined) return t('gapEpoch', { epoch: shortEpoch(epoch), before: shortEpoch(before) });
  return from === to ? t('gapOne', { from }) : t('gapFromTo', { from, to });
}
