// Which answer belongs to which request, in the frames that go by. No DOM, no socket.

import { previewOf } from './preview.js';

const WAITING_MAX = 1000;

export class Requests {
  #waiting = new Map(); // id → {request, sentAt, answer}

  /**
   * A promise of the answer to this request's frame: {data, rtt, preview, text}, {error, rtt, preview, text}, or
   * {lost: true} when the connection ends first or the same id is sent again.
   */
  expect(frame) {
    return new Promise((answer) => {
      this.#waiting.get(frame.id)?.answer({ lost: true });
      this.#waiting.set(frame.id, { request: frame.value, sentAt: performance.now(), answer });
      if (this.#waiting.size > WAITING_MAX) this.#waiting.delete(this.#waiting.keys().next().value);
    });
  }

  /** Completes an answer's frame with its request's action and time; returns {request, answer}, or null. */
  match(frame) {
    if (frame.kind !== 'response' && frame.kind !== 'error') return null;
    const waiting = this.#waiting.get(frame.id);
    if (!waiting) return null;
    this.#waiting.delete(frame.id);
    const { request, sentAt } = waiting;
    frame.rtt = performance.now() - sentAt;
    if (frame.kind === 'response') frame.name = request.action;
    frame.preview = previewOf(frame);
    const { rtt, preview, text, value } = frame;
    const answer = { rtt, preview, text, ...(frame.kind === 'error' ? { error: value.error } : { data: value.data }) };
    waiting.answer(answer);
    return { request, answer };
  }

  /** The connection ended: no answer will come. */
  loseAll() {
    for (const { answer } of this.#waiting.values()) answer({ lost: true });
    this.#waiting.clear();
  }
}
