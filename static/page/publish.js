// The panel that publishes: data, and with it an id and tags.

import { element } from './dom.js';
import { isObject, parseJson } from './json.js';
import { forgetStale, sendOnKeys, showAnswer, showOffline, showResult } from './results.js';
import { number, say, t } from './text.js';

export function mountPublish(client, channels) {
  const [data, tags, result] = [element('publish-data'), element('publish-tags'), element('publish-result')];
  const showKind = () => {
    const kind = parseJson(data.value).problem ? 'text' : 'json';
    element('publish-kind').dataset.kind = kind;
    say(element('publish-kind'), () => t(`data-${kind}`));
  };
  const send = () => {
    const wrong = tagsProblem(tags);
    if (wrong) showResult(result, 'invalid', wrong);
    else if (!client.isOpen) showOffline(result);
    else showPublished(result, client.request('publish', payloadOf(data, tags)));
  };
  element('publish-form').addEventListener('submit', (event) => {
    event.preventDefault();
    send();
  });
  data.addEventListener('input', showKind);
  tags.addEventListener('input', () => tagsProblem(tags));
  sendOnKeys(data, send);
  forgetStale(client, channels, result, [element('publish-form')]);
  showKind();
}

async function showPublished(result, promise) {
  for (const name of ['offset', 'ack', 'duplicate']) delete result.dataset[name];
  const answer = await showAnswer(result, promise, ({ data }) => publishedWords(data));
  if (!answer) return;
  const { offset = '', ack, duplicate } = answer.data;
  Object.assign(result.dataset, { offset, ack, duplicate });
}

function publishedWords({ offset, ack, duplicate }) {
  const at = offset === undefined ? t('noOffset') : t('atOffset', { offset: number(offset) });
  return [at, t('ackValue', { ack }), duplicate ? t('duplicate') : ''].filter(Boolean).join(' · ');
}

/** As text, so that the data goes out as it was typed. What is no JSON goes as a JSON string. */
function payloadOf(data, tags) {
  const json = parseJson(data.value).problem ? JSON.stringify(data.value) : data.value;
  const parts = [`"channel":${JSON.stringify(element('publish-channel').value)}`, `"data":${json}`];
  const id = element('publish-msg-id').value;
  if (id) parts.push(`"msg_id":${JSON.stringify(id)}`);
  if (tags.value.trim()) parts.push(`"tags":${tags.value}`);
  return `{${parts.join(',')}}`;
}

/** A function that says what is wrong with the tags, or null. What may stand in them, the server judges. */
function tagsProblem(tags) {
  const { value, problem } = parseJson(tags.value.trim() || '{}');
  const wrong = problem ? () => t('notJson', { reason: problem }) : isObject(value) ? null : () => t('tagsNotObject');
  tags.setAttribute('aria-invalid', String(wrong !== null));
  return wrong;
}
