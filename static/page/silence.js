// Notices that nothing has been heard for too long (PROTOCOL section 2). No DOM, no socket.

/** Drive it with `heard` at every frame, `watch` when the patience is known, `stop` at the end of the socket. */
export class Silence {
  #heardAt = 0;
  #timer = 0;

  heard() { this.#heardAt = performance.now(); }

  /** Calls `onSilence` when nothing is heard for `patienceMs`. */
  watch(patienceMs, onSilence) {
    clearTimeout(this.#timer);
    const left = patienceMs - (performance.now() - this.#heardAt);
    if (left <= 0) onSilence();
    else this.#timer = setTimeout(() => this.watch(patienceMs, onSilence), left);
  }

  stop() { clearTimeout(this.#timer); }
}
