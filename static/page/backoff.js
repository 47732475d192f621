// How long to wait before the next attempt to connect: twice as long each time, with jitter, so that the clients of a
// server that went away do not all come back at the same moment. No DOM, no timers.

const FIRST_MS = 500;
const LAST_MS = 30_000;
const STABLE_AFTER_MS = 10_000;

export class Backoff {
  attempts = 0;

  /**
   * Counts one more attempt and returns the wait before it. A server that accepts and closes at once must not be asked
   * twice a second for ever: only a connection that lasted (`lastedMs`; 0 when it never opened) starts from the first.
   */
  next(lastedMs) {
    if (lastedMs > STABLE_AFTER_MS) this.attempts = 0;
    const longest = Math.min(LAST_MS, FIRST_MS * 2 ** this.attempts);
    this.attempts += 1;
    return longest * (0.5 + Math.random() / 2);
  }

  /** The user asked: the first attempt again. */
  forget() { this.attempts = 0; }
}

/**
 * Our turn to move, drawn from the [min, max] that a draining server names, so that its clients do not all come back at
 * the same moment.
 */
export function slotWait(slots) {
  const [from, to] = Array.isArray(slots) && slots.every(Number.isFinite) ? slots : [0, LAST_MS];
  return from + Math.random() * Math.max(0, to - from);
}
