// Speaking: the words of the current language (words.js), on elements that say them again when it changes, and numbers
// and times. Fixed texts stand in the HTML as data-i18n…; texts with values in them go through `say`; whatever is
// neither (selects, rows) listens with `onLanguage`.

import { element, setText, settings } from './dom.js';
import { WORDS } from './words.js';

export let language = firstLanguage();

function firstLanguage() {
  const preferred = navigator.languages.find((tag) => /^(zh|en)\b/i.test(tag)) ?? 'en';
  const first = settings.get('lang') ?? preferred.slice(0, 2).toLowerCase();
  return Object.hasOwn(WORDS, first) ? first : 'en';
}

/** The words for `key`, with `{name}` filled in from `values`. */
export function t(key, values = {}) {
  return WORDS[language][key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

/** The words for `key`, or `others` where there are none: a newer server may say what this page does not know. */
export const wordsOr = (key, others) => (Object.hasOwn(WORDS.en, key) ? t(key) : others);

/** What a close code means, in words. */
export const closeMeaning = (code) => wordsOr(`close${code}`, t('closeOther'));

const spoken = new Map(); // element → function
const listeners = [];

/** Shows what `words` returns, now and after every change of the language. */
export function say(target, words) {
  spoken.set(target, words);
  setText(target, words());
}

/** Calls `listener` when the language is set: once at the start, then at every change. */
export function onLanguage(listener) { listeners.push(listener); }

/** Speaks `next` from now on and says everything again. The start calls it once, after all panels are mounted. */
export function setLanguage(next) {
  language = next;
  document.documentElement.lang = next === 'zh' ? 'zh-CN' : 'en';
  translatePage();
  for (const [target, words] of spoken) setText(target, words());
  for (const listener of listeners) listener();
}

function translatePage() {
  const each = (attribute, put) => {
    for (const target of document.querySelectorAll(`[${attribute}]`)) put(target, t(target.getAttribute(attribute)));
  };
  each('data-i18n', (target, words) => { target.textContent = words; });
  each('data-i18n-label', (target, words) => { target.setAttribute('aria-label', words); });
  each('data-i18n-title', (target, words) => { target.title = words; });
  each('data-i18n-placeholder', (target, words) => { target.placeholder = words; });
}

/** The button that switches to the other language. */
export function mountLanguage() {
  const button = element('lang');
  say(button, () => t('otherLanguage'));
  onLanguage(() => {
    button.title = t('switchLanguage');
    button.lang = language === 'zh' ? 'en' : 'zh-CN';
  });
  button.addEventListener('click', () => {
    const next = language === 'zh' ? 'en' : 'zh';
    settings.set('lang', next);
    setLanguage(next);
  });
}

const grouped = new Intl.NumberFormat('en');

export const number = (n) => grouped.format(n);
export const milliseconds = (ms) => `${ms < 100 ? ms.toFixed(1) : Math.round(ms)} ms`;

/** The time of day, with the date before it unless that is today's. */
export function moment(time) {
  const date = new Date(time);
  const two = (n) => String(n).padStart(2, '0');
  if (date.toDateString() === new Date().toDateString()) return clock(time);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${clock(time)}`;
}

/** The time of day, local, from milliseconds since 1970. */
export function clock(time, withMilliseconds) {
  const date = new Date(time);
  const two = (n) => String(n).padStart(2, '0');
  const seconds = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return withMilliseconds ? `${seconds}.${String(date.getMilliseconds()).padStart(3, '0')}` : seconds;
}
