// Publishing into a channel.

import { element, setText } from '../page/dom.js';
import { parseJson } from '../page/json.js';
import { t } from '../page/text.js';
import { part } from './api.js';

export function mountPublish(api, explain) {
  const result = element('publish-result');
  const tell = (status, words) => { result.dataset.status = status; setText(result, words); };
  element('publish-form').addEventListener('submit', async (event) => {
    event.preventDefault();
    const channel = element('publish-channel').value.trim();
    const { value, problem } = parseJson(element('publish-data').value);
    if (!channel) return tell('invalid', t('i-noChannel'));
    if (problem) return tell('invalid', t('notJson', { reason: problem }));
    try {
      const { offset, ack } = await api.ask('POST', `/channels/${part(channel)}/publications`, { data: value });
      return tell('ok', t('i-published', { offset: offset ?? '–', ack }));
    } catch (error) {
      return tell('error', explain(error));
    }
  });
}

/** Puts a channel into the form. */
export function choosePublish(channel) {
  element('publish-channel').value = channel;
  element('publish-data').focus();
}
