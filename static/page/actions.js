// The panel of the actions: a payload, a button and the answer for each.

import { element } from './dom.js';
import { isObject, parseJson } from './json.js';
import { forgetStale, sendOnKeys, showAnswer, showOffline, showResult } from './results.js';
import { onLanguage, t } from './text.js';

// A further base action is one more line here; its elements get the ids `${id}-payload`, `${id}-send`, `${id}-result`.
const ACTIONS = [
  { id: 'echo', action: 'echo', payload: '{"message": "Hello"}' },
  { id: 'broadcast', action: 'broadcast', payload: '{"message": "Hello everyone!"}' },
  { id: 'connections', action: 'get_connections', payload: '{}' },
];

export function mountActions(client, channels) {
  for (const each of ACTIONS) element('actions').append(actionRow(client, channels, each));
}

function actionRow(client, channels, { id, action, payload }) {
  const row = element('action-template').content.cloneNode(true);
  const [label, button, field, result] = ['label', 'button', 'textarea', 'output'].map((tag) => row.querySelector(tag));
  [field.id, button.id, result.id] = [`${id}-payload`, `${id}-send`, `${id}-result`];
  label.htmlFor = field.id;
  label.textContent = action;
  field.value = payload;
  field.setAttribute('aria-describedby', result.id);
  onLanguage(() => {
    button.setAttribute('aria-label', t('sendAction', { action }));
    field.setAttribute('aria-label', t('payloadOf', { action }));
  });
  const send = () => {
    const json = checkedPayload(field, result);
    if (json === null) return;
    if (!client.isOpen) showOffline(result);
    else showAnswer(result, client.request(action, json));
  };
  forgetStale(client, channels, result, [field]);
  field.addEventListener('input', () => checkedPayload(field, result));
  button.addEventListener('click', send);
  sendOnKeys(field, send);
  return row;
}

/** The field's JSON text, or null after saying what is wrong with it. Nothing typed means {}. */
function checkedPayload(field, result) {
  const text = field.value.trim() || '{}';
  const { value, problem } = parseJson(text);
  const wrong = problem ? () => t('notJson', { reason: problem }) : !isObject(value) ? () => t('notObject') : null;
  field.setAttribute('aria-invalid', String(wrong !== null));
  if (wrong) showResult(result, 'invalid', wrong);
  else if (result.dataset.status === 'invalid') showResult(result, '', () => '');
  return wrong ? null : text;
}
