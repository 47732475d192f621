// The panel of Claude: asks, shows each answer while it is written, stops it. Shown are the runs of this page, and those
// that others begin in channels that it is subscribed to.

import { create, element, keepRows, oncePerPaint, setText } from './dom.js';
import { forgetStale, sendOnKeys, showOffline, showResult } from './results.js';
import { clock, number, onLanguage, t, wordsOr } from './text.js';

const RUNS_SHOWN_MAX = 20;
const TEXT_CHARS_MAX = 1024 * 1024;
const UPDATE_EVERY_MS = 50; // it reads like typing

export function mountClaude(client, channels) {
  const [channel, prompt, context, result] = ['channel', 'prompt', 'context', 'result'].map((id) => element(`claude-${id}`));
  const runs = new Map(); // stream → {channel, run_id, stream, stream_epoch, prompt, text, status, …}
  const rows = new Map();
  const render = () => {
    element('claude-empty').hidden = runs.size > 0;
    keepRows(element('claude-list'), rows, [...runs.values()].reverse(), { make: (run) => runRow(run, stop), update });
  };
  const renderSoon = oncePerPaint(() => {
    // Not before: of what a rewind brings, most has ended by then.
    for (const run of runs.values()) follow(run);
    render();
  }, UPDATE_EVERY_MS);
  /** `words` says what went wrong. */
  const fail = (run, words) => {
    run.trouble = words;
    renderSoon();
  };
  const stop = (run) => {
    if (!client.isOpen) return fail(run, () => (client.isOpen ? '' : t('notConnected'))); // no longer than it holds
    const ended = (status) => {
      if (status === 'cancelling') return;
      // What could not be followed any more.
      take(run, { type: 'finished', status });
      renderSoon();
    };
    return client.claude(run.channel).cancel(run).then(ended).catch(({ message }) => fail(run, () => message));
  };
  /** Reads on from where it was; a later client does where this one ends. What was refused, another user may read. */
  const follow = async (run) => {
    if (run.following || run.status !== 'running' || !client.isOpen || run.refusedTo === client.hello) return;
    const { signal } = run.following = new AbortController();
    run.trouble = null;
    try {
      for await (const event of client.claude(run.channel).follow(run, { since: run.position, signal })) {
        take(run, event);
        renderSoon();
      }
    } catch ({ kind, message }) {
      if (kind === 'closed' || kind === 'aborted') return;
      run.refusedTo = client.hello;
      fail(run, () => message);
    } finally {
      run.following = null;
    }
  };
  const add = (run) => {
    if (runs.has(run.stream)) return;
    runs.set(run.stream, { at: Date.now(), text: '', status: 'running', ...run });
    if (runs.size > RUNS_SHOWN_MAX) forgetOldest();
    renderSoon();
  };
  const forgetOldest = () => {
    const [stream, run] = runs.entries().next().value;
    run.following?.abort();
    runs.delete(stream);
  };
  const send = async () => {
    if (!client.isOpen) return showOffline(result);
    const question = { prompt: prompt.value, ...(Number(context.value) > 0 && { context: Number(context.value) }) };
    showResult(result, 'waiting', () => t('waiting'));
    try {
      add({ ...await client.claude(channel.value).ask(question), prompt: question.prompt });
      return showResult(result, 'ok', () => t('claudeAsked'));
    } catch (error) {
      return showResult(result, 'error', () => error.message);
    }
  };
  element('claude-form').addEventListener('submit', (event) => {
    event.preventDefault();
    send();
  });
  sendOnKeys(prompt, send);
  client.on('change', () => { if (runs.size > 0) renderSoon(); });
  client.on('notification', ({ event, channel: name, data, from }) => {
    if (event !== 'publication' || from?.service !== 'claude') return;
    if (data.claude === 'started') add({ ...data, channel: name, prompt: data.prompt ?? data.messages.at(-1).content });
    // The one in the channel has all of the text, whatever of the stream was missed.
    const run = [...runs.values()].find((one) => one.channel === name && one.run_id === data.run_id);
    if (data.claude === 'finished' && run) take(run, { type: 'finished', ...data });
    renderSoon();
  });
  forgetStale(client, channels, result, [element('claude-form')]);
  onLanguage(render);
}

/** What has ended is not followed any more. */
function take(run, { type, text, position, ...event }) {
  run.position = position ?? run.position;
  if (type === 'text') run.text = (run.text + text).slice(0, TEXT_CHARS_MAX);
  else if (type === 'finished') {
    // What had streamed before the model declined is no part of the conversation.
    Object.assign(run, event, (text !== undefined || event.status === 'refused') && { text: text ?? '' });
    run.following?.abort();
  } else if (type === 'gap') run.hasGap = true;
  run.isThinking = type === 'thinking';
  run.retryAfter = type === 'retrying' ? event.after_ms : undefined;
}

function runRow(run, stop) {
  const { prompt, at, channel, run_id: id } = run;
  const row = create('li', 'run');
  Object.assign(row.dataset, { run: id, channel });
  const head = create('div', 'line');
  const button = create('button', 'stop');
  button.type = 'button';
  button.addEventListener('click', () => stop(run));
  head.append(create('time', 'soft', clock(at)), create('b', 'run-prompt', prompt), button);
  row.append(head, create('p', 'run-text'), create('p', 'note run-state'));
  return row;
}

function update(row, run) {
  const { status, text, hasGap } = run;
  Object.assign(row.dataset, { status, gap: Boolean(hasGap) });
  const button = row.querySelector('.stop');
  button.hidden = status !== 'running';
  setText(button, t('claudeStop'));
  setText(row.querySelector('.run-text'), text);
  setText(row.querySelector('.run-state'), stateWords(run));
}

function stateWords({ status, model, usage, error, isThinking, retryAfter, hasGap, trouble }) {
  const parts = [isThinking ? t('claudeThinks') : wordsOr(`run-${status}`, status)];
  if (retryAfter !== undefined) parts.push(t('claudeRetries', { s: number(retryAfter / 1000) }));
  if (model) parts.push(model);
  if (usage) parts.push(t('claudeUsage', { input: number(usage.input_tokens ?? 0), output: number(usage.output_tokens ?? 0) }));
  if (hasGap && status === 'running') parts.push(t('state-gap'));
  if (error) parts.push(error.message);
  if (trouble) parts.push(trouble());
  return parts.filter(Boolean).join(' · ');
}
