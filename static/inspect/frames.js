// One connection's frames, live: reads the server's events while it is watched.

import { create, element, setText } from '../page/dom.js';
import { clock, closeMeaning, number, onLanguage, t } from '../page/text.js';

const SHOWN_MAX = 500;

export class Frames {
  #api;
  #explain;
  #abort = null;
  #id = null;

  constructor(api, explain) {
    this.#api = api;
    this.#explain = explain;
    element('watch').addEventListener('click', () => (this.#abort ? this.stop() : this.start()));
    onLanguage(() => this.#render());
  }

  /** Shows nothing of another connection. */
  choose(id) {
    this.stop();
    this.#id = id;
    element('seen').replaceChildren();
    setText(element('watch-state'), '');
  }

  stop() {
    this.#abort?.abort();
    this.#abort = null;
    this.#render();
  }

  async start() {
    const abort = new AbortController();
    this.#abort = abort;
    this.#render();
    try {
      const reader = await this.#api.stream(`/connections/${this.#id}/frames`, abort.signal);
      let text = '';
      for (;;) {
        const { value, done } = await reader.read();
        if (done || abort.signal.aborted) break;
        text += value;
        const events = text.split('\n\n');
        text = events.pop();
        this.#show(events.filter((event) => event.startsWith('data: ')).map((event) => JSON.parse(event.slice(6))));
      }
    } catch (error) {
      if (!abort.signal.aborted) setText(element('watch-state'), error.code ? this.#explain(error) : t('i-offline'));
    }
    if (this.#abort === abort) this.stop();
  }

  #show(events) {
    const list = element('seen');
    const follows = list.scrollTop + list.clientHeight >= list.scrollHeight - 40;
    list.append(...events.filter(({ event }) => event !== 'watching').map(row));
    while (list.children.length > SHOWN_MAX) list.firstElementChild.remove();
    if (follows) list.scrollTop = list.scrollHeight;
    this.#render();
  }

  #render() {
    const button = element('watch');
    button.setAttribute('aria-pressed', String(this.#abort !== null));
    setText(button, t(this.#abort ? 'i-stop' : 'i-watch'));
    element('frames-empty').hidden = element('seen').children.length > 0;
  }
}

function row({ event, time, direction, kind, bytes, text, cut, frames, code }) {
  const made = create('li');
  made.dataset.event = event;
  const parts = {
    frame: () => [direction === 'in' ? '→' : '←', kind === 'text' ? text : `${kind} ${text}`, `${number(bytes)} B`],
    dropped: () => ['⋯', t('i-dropped', { n: number(frames) }), ''],
    closed: () => ['■', code === null ? t('i-closedWithout') : t('i-closedWith', { code, words: closeMeaning(code) }), ''],
  };
  if (direction) made.dataset.direction = direction;
  if (frames) made.dataset.frames = frames;
  const [way, body, size] = parts[event]();
  const shown = create('span', 'mono body', cut ? `${body}…` : body);
  made.append(create('time', '', clock(time, true)), create('span', 'way', way), shown, create('span', 'size', size));
  return made;
}
