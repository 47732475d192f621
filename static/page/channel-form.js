// The form that subscribes: which channel, and from where in its stream.

import { element, fillSelect } from './dom.js';
import { forgetStale, showAnswer, showOffline, showResult } from './results.js';
import { onLanguage, t } from './text.js';

const FOLLOWING = ['publish-channel', 'presence-channel', 'history-channel', 'claude-channel']; // fields that go along, until edited
const NUMBERS = ['channel-rewind', 'channel-since-offset'];
const MODES = ['now', 'rewind', 'since']; // with a field for each but the first: [data-mode] in the HTML

export function mountChannelForm(client, channels) {
  const [name, mode, result] = [element('channel-name'), element('channel-mode'), element('channel-result')];
  let followed = name.value;
  const follow = (channel) => {
    for (const field of FOLLOWING.map(element)) if (field.value === followed) field.value = channel;
    followed = channel;
  };
  const showFields = () => {
    for (const field of document.querySelectorAll('#channel-form [data-mode]')) {
      field.hidden = field.dataset.mode !== mode.value;
    }
  };
  const fill = () => { if (mode.value === 'since') fillPosition(channels.positionOf(name.value)); };
  mode.addEventListener('change', () => {
    fill();
    showFields();
  });
  name.addEventListener('input', fill);
  channels.on('change', fill);
  element('channel-form').addEventListener('submit', (event) => {
    event.preventDefault();
    const start = startOf(mode.value);
    if (!start) showResult(result, 'invalid', () => t('notNumber'));
    else {
      const token = element('channel-token').value.trim();
      ask(client, result, () => channels.subscribe(name.value, start, token), ({ data }) => {
        follow(data.channel);
        return startedWords(data);
      });
    }
  });
  element('channel-unsubscribe').addEventListener('click', () => unsubscribe(client, channels, name.value));
  forgetStale(client, channels, result, [element('channel-form')]);
  for (const id of NUMBERS) element(id).addEventListener('input', () => element(id).removeAttribute('aria-invalid'));
  onLanguage(() => {
    fillSelect(mode, MODES.map((each) => [each, t(`mode-${each}`)]));
    mode.value ||= MODES[0];
    showFields();
  });
}

/** Also for the button in a channel's row. */
export function unsubscribe(client, channels, channel) {
  const [result, subscription] = [element('channel-result'), channels.subscriptions.get(channel)];
  if (subscription && (!client.isOpen || subscription.state === 'refused')) channels.forget(channel);
  else ask(client, result, () => channels.unsubscribe(channel), () => t('unsubscribed', { channel }));
}

function ask(client, result, request, words) {
  if (client.isOpen) showAnswer(result, request(), words);
  else showOffline(result);
}

/** The last position that this page knows, unless somebody has typed another one. */
function fillPosition(position) {
  for (const [name, field] of [['epoch', 'channel-since-epoch'], ['offset', 'channel-since-offset']]) {
    const { value, dataset } = element(field);
    if (!position || value !== (dataset.filled ?? '')) continue;
    element(field).value = dataset.filled = String(position[name]);
  }
}

/** What the fields say as a part of the payload, or null. Only the server knows what is too large. */
function startOf(mode) {
  if (mode === 'now') return {};
  const n = wholeNumber(element(mode === 'rewind' ? 'channel-rewind' : 'channel-since-offset'));
  if (n === null) return null;
  if (mode === 'rewind') return { rewind: n };
  return { since: { epoch: element('channel-since-epoch').value.trim(), offset: n } };
}

function wholeNumber(field) {
  const text = field.value.trim();
  const isNumber = /^-?\d+$/.test(text);
  field.setAttribute('aria-invalid', String(!isNumber));
  return isNumber ? Number(text) : null;
}

function startedWords({ channel, offset, recovered, gap }) {
  const at = offset === undefined ? '' : t('topOffset', { offset });
  const how = gap ? t('notRecovered') : recovered ? t('allRecovered') : '';
  return [t('subscribed', { channel }), at, how].filter(Boolean).join(' · ');
}
