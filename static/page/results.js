// What the panels that send have in common: the line beside a field that says what came of it, and the keys that send.
// The line's data-status is one of waiting, ok, error, invalid, offline, or empty.

import { milliseconds, say, t } from './text.js';

export function showResult(result, status, words) {
  result.dataset.status = status;
  say(result, words);
}

export function showOffline(result) {
  showResult(result, 'offline', () => t('notConnected'));
}

/** "Not connected" is true only until the page is connected. */
export function forgetOffline(client, result) {
  client.on('change', () => {
    if (client.isOpen && result.dataset.status === 'offline') showResult(result, '', () => '');
  });
}

const awaited = new WeakMap(); // result → the promise whose answer it shows

/**
 * Shows that an answer is awaited, then the answer; of several requests of one field, only the newest one's. `words`
 * says a response. Returns the promise of the response's answer, or of null where there is none to show.
 */
export async function showAnswer(result, promise, words = ({ preview }) => preview) {
  awaited.set(result, promise);
  showResult(result, 'waiting', () => t('waiting'));
  const answer = await promise;
  if (awaited.get(result) !== promise) return null;
  if (answer.lost) showResult(result, 'error', () => t('noAnswer'));
  else if (answer.error) showResult(result, 'error', () => errorWords(answer.error));
  else showResult(result, 'ok', () => `${milliseconds(answer.rtt)} · ${words(answer)}`);
  return answer.data === undefined ? null : answer;
}

/** For what was sent later and has no answer: earlier answers are not shown any more. */
export function forgetAnswer(result) { awaited.delete(result); }

export function errorWords({ code, message, retryable }) {
  const error = `${code}: ${message}`;
  return retryable ? t('retryable', { error }) : error;
}

/** Ctrl or ⌘ with Enter sends; Enter alone stays a line break. */
export function sendOnKeys(field, send) {
  field.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey) || event.isComposing) return;
    event.preventDefault();
    send();
  });
}
