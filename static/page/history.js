// The panel of a channel's history: in either direction, a page at a time.

import { create, element } from './dom.js';
import { parseExact } from './json.js';
import { showJson } from './json-view.js';
import { forgetStale, showAnswer, showOffline } from './results.js';
import { moment, number, t } from './text.js';

// No more pages after that.
const ENTRIES_SHOWN_MAX = 5000;
const SHOWN_CHARS_MAX = 16 * 1024 * 1024;

export function mountHistory(client, channels) {
  const [channel, limit, reverse] = ['history-channel', 'history-limit', 'history-reverse'].map(element);
  const [list, more, result] = ['history-list', 'history-more', 'history-result'].map(element);
  let shown = null; // {channel, reverse, epoch, last: offset of the last entry, chars: of all pages}
  const ask = async (query, isMore) => {
    if (!client.isOpen) return showOffline(result);
    const promise = client.request('get_history', JSON.stringify(payloadOf(query, limit.value, isMore)));
    const answer = await showAnswer(result, promise, ({ data }) => cameWords(data));
    if (!answer) return undefined;
    const { publications, epoch, more: isThereMore } = parseExact(answer.text).data; // with the numbers as they were
    if (!isMore) list.replaceChildren();
    element('history-empty').hidden = true;
    list.append(...publications.map(entryRow));
    const last = publications.at(-1)?.offset ?? query.last;
    const chars = answer.text.length + (isMore ? query.chars : 0);
    shown = { ...query, epoch, last, chars };
    const isFull = list.childElementCount >= ENTRIES_SHOWN_MAX || chars >= SHOWN_CHARS_MAX;
    more.hidden = !isThereMore || last === undefined || isFull;
    Object.assign(list.dataset, { channel: query.channel, epoch, more: isThereMore });
    return undefined;
  };
  element('history-form').addEventListener('submit', (event) => {
    event.preventDefault();
    ask({ channel: channel.value, reverse: reverse.checked }, false);
  });
  more.addEventListener('click', () => ask(shown, true));
  forgetStale(client, channels, result, [element('history-form')]);
}

/** The next page begins behind the last entry, in the direction of reading. */
function payloadOf({ channel, reverse, epoch, last }, limit, isMore) {
  const payload = { channel, limit: limit ? Number(limit) : undefined, reverse: reverse || undefined };
  // The epoch comes along in both directions: where another stream has begun meanwhile, the page is refused.
  if (isMore) payload.since = { epoch, offset: reverse ? 0 : last };
  if (isMore && reverse) payload.before = last;
  return payload;
}

function cameWords({ publications, offset, more }) {
  const key = publications.length === 0 ? 'noEntries' : 'entriesCame';
  const words = t(key, { n: number(publications.length), offset: number(offset) });
  return more ? `${words} · ${t('moreThere')}` : words;
}

function entryRow({ offset, time, from, data, msg_id: id, tags }) {
  const [row, details] = [create('li'), create('details')];
  const [summary, pre] = [create('summary'), create('pre')];
  row.dataset.offset = offset;
  const cells = [
    create('b', 'mono', `#${offset}`), create('span', 'preview', JSON.stringify(data)),
    create('time', 'soft', moment(time)),
  ];
  summary.append(...cells.flatMap((cell) => [cell, ' ']));
  const whole = { data, ...(id !== undefined && { msg_id: id }), ...(tags && { tags }), ...(from && { from }) };
  details.append(summary, pre);
  details.addEventListener('toggle', () => { if (!pre.textContent) showJson(pre, JSON.stringify(whole)); });
  row.append(details);
  return row;
}
