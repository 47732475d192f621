// Requests that the user keeps, by name, for the next visit: in the browser's storage, without tokens.

import { create, element, settings } from './dom.js';
import { isObject, parseJson } from './json.js';
import { withoutTokens } from './mask.js';
import { classify } from './protocol.js';
import { fillRaw } from './raw.js';
import { onLanguage, t } from './text.js';

const SAVED_MAX = 50;
const TEXT_CHARS_MAX = 65_536;
const NAME_CHARS_MAX = 40;

export function mountSaved() {
  const name = element('saved-name');
  name.maxLength = NAME_CHARS_MAX;
  let saved = read();
  const keep = (next) => {
    saved = next.slice(-SAVED_MAX); // the oldest go
    settings.set('saved', JSON.stringify(saved));
    render();
  };
  const remove = (entry) => {
    keep(saved.filter((each) => each !== entry));
    name.focus(); // the button is gone
  };
  const render = () => element('saved-list').replaceChildren(...saved.map((entry) => chip(entry, remove)));
  element('saved-form').addEventListener('submit', (event) => {
    event.preventDefault();
    const text = withoutTokens(element('raw-text').value).slice(0, TEXT_CHARS_MAX);
    const entry = { name: name.value.trim() || nameOf(text), text };
    keep([...saved.filter((each) => each.name !== entry.name), entry]);
    name.value = '';
  });
  onLanguage(render);
}

function read() {
  const { value } = parseJson(settings.get('saved') ?? '[]');
  const isEntry = (each) => isObject(each) && typeof each.name === 'string' && typeof each.text === 'string';
  return Array.isArray(value) ? value.filter(isEntry).slice(-SAVED_MAX) : [];
}

/** Such as "publish chat:42". */
function nameOf(text) {
  const { name, value } = classify(text);
  const channel = value?.payload?.channel;
  const words = [name || text.trim(), typeof channel === 'string' ? channel : ''].filter(Boolean).join(' ');
  return words.slice(0, NAME_CHARS_MAX) || '–';
}

function chip(entry, remove) {
  const item = create('li', 'chip');
  const [load, away] = [create('button', '', entry.name), create('button', 'remove', '×')];
  load.type = away.type = 'button';
  item.dataset.saved = entry.name;
  load.title = t('savedLoad');
  away.setAttribute('aria-label', t('savedRemove', { name: entry.name }));
  load.addEventListener('click', () => fillRaw(entry.text));
  away.addEventListener('click', () => remove(entry));
  item.append(load, away);
  return item;
}
