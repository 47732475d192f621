// What the panels that send have in common: the line beside a field that says what came of it, and the keys that send.
// The line's data-status is one of waiting, ok, error, invalid, offline, or empty.

import { milliseconds, number, say, t } from './text.js';

const WRONG = new Set(['error', 'invalid', 'offline']);

export function showResult(result, status, words) {
  result.dataset.status = status;
  say(result, words);
}

export function showOffline(result) {
  showResult(result, 'offline', () => t('notConnected'));
}

/**
 * Clears a result that says what is wrong once that may hold no longer: one of the `fields` (elements, or a form) is
 * edited, the connection or its user is another one, or a subscription has come or gone.
 */
export function forgetStale(client, channels, result, fields) {
  const forget = () => { if (WRONG.has(result.dataset.status)) showResult(result, '', () => ''); };
  for (const field of fields) field.addEventListener('input', forget);
  let known = null; // who is connected; it stays while nobody is, and so does the reason
  client.on('change', () => {
    const { hello } = client;
    const now = hello && `${hello.connection_id} ${hello.user}`;
    if (now && now !== known) forget();
    known = now ?? known;
  });
  channels.on('change', () => { if (client.hello) forget(); });
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
  else if (answer.error) showError(result, promise, answer.error);
  else showResult(result, 'ok', () => [answer.rtt && milliseconds(answer.rtt), words(answer)].filter(Boolean).join(' · '));
  return answer.data === undefined ? null : answer;
}

function showError(result, promise, error) {
  showResult(result, 'error', () => errorWords(error));
  if (!(error.retry_after_ms >= 0)) return;
  setTimeout(() => { // the server has said until when it holds
    if (awaited.get(result) === promise && result.dataset.status === 'error') showResult(result, '', () => '');
  }, error.retry_after_ms);
}

/** For what was sent later and has no answer: earlier answers are not shown any more. */
export function forgetAnswer(result) { awaited.delete(result); }

export function errorWords({ code, message, retryable, retry_after_ms: wait }) {
  const error = `${code}: ${message}`;
  if (wait >= 0) return t('retryableIn', { error, s: number(Math.ceil(wait / 100) / 10) });
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
