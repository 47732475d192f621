// The requests that wait for their answer, by id. No DOM, no socket.

import { previewOf } from './preview.js';

const WAITING_MAX = 1000;

export class Requests {
  #waiting = new Map(); // id → {action, sentAt, answer}

  /**
   * A promise of the answer to this request's frame: {data, rtt, preview, text}, {error, rtt, preview, text}, or
   * {lost: true} when the connection ends first or the same id is sent again.
   */
  expect(frame) {
    return new Promise((answer) => {
      this.#waiting.get(frame.id)?.answer({ lost: true });
      this.#waiting.set(frame.id, { action: frame.name, sentAt: performance.now(), answer });
      if (this.#waiting.size > WAITING_MAX) this.#waiting.delete(this.#waiting.keys().next().value);
    });
  }

  /** Completes an answer's frame with its request's action and time; returns what hands the answer over, or null. */
  match(frame) {
    if (frame.kind !== 'response' && frame.kind !== 'error') return null;
    const request = this.#waiting.get(frame.id);
    if (!request) return null;
    this.#waiting.delete(frame.id);
    frame.rtt = performance.now() - request.sentAt;
    if (frame.kind === 'response') frame.name = request.action;
    frame.preview = previewOf(frame);
    const { rtt, preview, text, value } = frame;
    const outcome = frame.kind === 'error' ? { error: value.error } : { data: value.data };
    return () => request.answer({ rtt, preview, text, ...outcome });
  }

  /** The connection ended: no answer will come. */
  loseAll() {
    for (const { answer } of this.#waiting.values()) answer({ lost: true });
    this.#waiting.clear();
  }
}
