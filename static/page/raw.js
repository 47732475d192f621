// The panel of the raw frame: any text, sent as it is, however wrong.

import { element } from './dom.js';
import { bytesOf } from './json.js';
import { forgetAnswer, forgetStale, sendOnKeys, showAnswer, showOffline, showResult } from './results.js';
import { showTab } from './tabs.js';
import { number, onLanguage, t } from './text.js';

const TEMPLATES = {
  request: (id) => [
    '{', `  "id": "${id}",`, '  "type": "request",', '  "action": "echo",', '  "payload": {"message": "Hello"}', '}',
  ].join('\n'),
  ping: () => '{"type": "ping"}',
  unknown: (id) => `{"id": "${id}", "type": "request", "action": "no_such_action"}`,
  malformed: () => '{"id": "1", "type": ',
};

export function mountRaw(client, channels) {
  const [field, result] = [element('raw-text'), element('raw-result')];
  const showSize = () => renderSize(bytesOf(field.value), client.hello?.limits?.message_bytes_max);
  const fill = (name) => fillRaw(TEMPLATES[name](client.nextId()));
  const send = () => {
    if (!client.isOpen) return showOffline(result);
    const n = bytesOf(field.value);
    const promise = client.send(field.value);
    if (promise) return showAnswer(result, promise);
    forgetAnswer(result);
    return showResult(result, 'ok', () => t('sentBytes', { n: number(n) }));
  };
  element('raw-templates').append(...Object.keys(TEMPLATES).map((name) => templateButton(name, fill)));
  element('raw-templates').firstElementChild.id = 'raw-template';
  field.value = TEMPLATES.request(client.nextId());
  field.addEventListener('input', showSize);
  element('raw-send').addEventListener('click', send);
  sendOnKeys(field, send);
  forgetStale(client, channels, result, [field]);
  client.on('change', showSize);
  onLanguage(showSize);
}

/** Puts a text into the field, in sight, ready to be changed and sent. */
export function fillRaw(text) {
  const field = element('raw-text');
  showTab('requests');
  field.value = text;
  field.dispatchEvent(new Event('input', { bubbles: true }));
  field.focus();
}

function renderSize(n, limit) {
  const words = limit ? t('sizeOfLimit', { n: number(n), limit: number(limit) }) : t('sizeValue', { n: number(n) });
  element('raw-size').dataset.over = String(n > limit);
  element('raw-size').textContent = words;
}

function templateButton(name, fill) {
  const button = document.createElement('button');
  button.type = 'button';
  button.dataset.template = name;
  button.textContent = name; // a word of the protocol, the same in every language
  button.addEventListener('click', () => fill(name));
  return button;
}
