// What a reload of this tab must not lose: what stands in the fields, and the subscriptions with their positions, which
// the next connection then resumes. Kept in the tab's own storage. Tokens are not, unless the user asks for it.

import { element, session } from './dom.js';
import { isObject, parseJson } from './json.js';
import { withoutTokens } from './mask.js';

const FIELDS = [
  'url', 'channel-name', 'channel-mode', 'channel-rewind', 'publish-channel', 'publish-data', 'publish-msg-id',
  'publish-tags', 'presence-channel', 'presence-limit', 'history-channel', 'history-limit', 'claude-channel',
  'claude-context', 'claude-prompt', 'echo-payload',
  'broadcast-payload', 'raw-text', 'filter', 'filter-direction', 'filter-kind',
];
const FIELD_CHARS_MAX = 65_536;
const CHANNELS_MAX = 128;

/** Puts back what the page before a reload has left, and leaves it for the next one. After all panels are mounted. */
export function keepDrafts(channels) {
  restore(channels);
  const save = () => {
    session.set('fields', JSON.stringify(Object.fromEntries(FIELDS.map((id) => [id, draftOf(id)]))));
    session.set('channels', JSON.stringify(channels.saved().slice(0, CHANNELS_MAX)));
    session.set('token', element('token-keep').checked ? element('token').value : '');
  };
  addEventListener('pagehide', save);
  document.addEventListener('visibilitychange', () => { if (document.hidden) save(); });
  element('token-keep').addEventListener('change', save);
}

function draftOf(id) {
  const { value } = element(id);
  const masked = withoutTokens(value).slice(0, FIELD_CHARS_MAX);
  return id === 'url' && masked !== value ? undefined : masked; // an address without its token is another one
}

function restore(channels) {
  const fields = parseJson(session.get('fields') ?? '{}').value;
  for (const id of FIELDS) if (typeof fields?.[id] === 'string') put(element(id), fields[id]);
  const token = session.get('token');
  element('token-keep').checked = Boolean(token);
  if (token) put(element('token'), token);
  const saved = parseJson(session.get('channels') ?? '[]').value;
  if (Array.isArray(saved)) channels.restore(saved.filter(isChannel).slice(0, CHANNELS_MAX));
}

const isChannel = (each) => isObject(each) && typeof each.channel === 'string' && isObject(each.resume);

/** As typing it would: the panels listen. */
function put(field, value) {
  if (field.value === value) return;
  field.value = value;
  for (const type of ['input', 'change']) field.dispatchEvent(new Event(type, { bubbles: true }));
}
