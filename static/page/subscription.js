// One subscribed channel: a cursor in its stream (PROTOCOL section 5), kept from what the server says. No DOM, no
// socket.
//
// Drive it with `ask` before a `subscribe` request is sent, `accept` or `refuse` with its answer, then `publish` and
// `miss` for every publication and gap event, and `lose` when the connection ends. Where nothing comes although
// `question` is not null, ask it of `get_history` and hand the answer to `settle`. `resume` is what the next
// `subscribe` has to ask for so that nothing is left out.

const SEEN_NOTHING = { from: null, to: null };

export class Subscription {
  state = 'waiting'; // waiting (for connection or answer), live, catching-up, gap, refused
  epoch = null;
  offset = null; // of the last publication that was seen or passed by; null: none yet, or no history
  target = null; // the position of the stream when it was subscribed: from there on it is live
  seen = 0;
  last = null; // the text of the last publication's frame
  gap = null; // the last one: {from, to}, {missed} or {epoch, before: the epoch until then}
  jumps = 0; // publications whose offset did not follow the one before, without a gap event
  jump = SEEN_NOTHING; // the last one
  error = null; // {code, message}: why the server does not serve it
  wanted = true; // whether to subscribe again with the next connection
  recovery = null; // what the last `subscribe` with a position has brought back: see `ask`

  /** `start` is the part of the payload that says where: {}, {rewind} or {since}. */
  constructor(name, start) {
    this.name = name;
    this.resume = start;
  }

  /** A `subscribe` goes out. `again`: after a lost connection; then what comes back is counted in a new `recovery`. */
  ask(again) {
    this.state = 'waiting';
    this.error = null;
    // status: waiting, recovering, recovered, gap, plain (nothing to recover from), refused, lost
    this.recovery = again && { at: Date.now(), status: 'waiting', since: this.resume.since, count: 0, done: false };
  }

  /** The server has subscribed it; `start` is what it was asked for. */
  accept({ epoch = null, offset = null, gap = null }, start) {
    Object.assign(this, { error: null, wanted: true, epoch, target: offset });
    if (gap) this.gap = gap.epoch === undefined ? gap : { epoch, before: gap.epoch };
    this.offset = cursorOf(offset, gap, start);
    const behind = this.offset ?? Math.max(0, offset - (start.rewind ?? offset)); // where all that may come lies behind
    this.resume = epoch === null ? {} : { since: { epoch, offset: behind } };
    this.state = gap ? 'gap' : this.#isCaughtUp ? 'live' : 'catching-up';
    this.#recovering(gap);
  }

  get #isCaughtUp() { return this.target === null || this.target === 0 || this.offset >= this.target; }

  /**
   * The payload, but for the channel, of the `get_history` that tells what is still to come, or null where it is known:
   * a rewind, or a start in another epoch, begins at what is retained, and that can be nothing.
   */
  get question() {
    const isKnown = this.state === 'waiting' || this.offset !== null || this.#isCaughtUp;
    return isKnown ? null : { ...this.resume, limit: 1 };
  }

  /** The history's answer to `question` in this epoch; without `publications` it was refused. */
  settle(epoch, publications) {
    if (!this.question || this.epoch !== epoch) return;
    const first = publications?.[0]?.offset;
    if (!publications) this.target = null; // nobody tells: whatever comes counts as live
    else this.#moveTo(first <= this.target ? first - 1 : this.target);
    if (this.#isCaughtUp && this.state === 'catching-up') this.state = 'live';
    const { recovery } = this;
    if (!recovery || recovery.done) return;
    if (publications) recovery.expected = this.target - this.offset;
    this.#endRecovering(this.#isCaughtUp);
  }

  #moveTo(offset) {
    this.offset = offset;
    this.resume = { since: { epoch: this.epoch, offset } };
  }

  #recovering(gap) {
    const { recovery } = this;
    if (!recovery || recovery.done) return;
    recovery.gap = gap && this.gap;
    recovery.until = this.target;
    recovery.expected = this.offset === null ? null : this.target - this.offset;
    recovery.done = this.#isCaughtUp;
    recovery.status = gap ? 'gap' : !recovery.since || this.epoch === null ? 'plain' : recovery.done ? 'recovered'
      : 'recovering';
  }

  /** A publication, and the text of its frame. */
  publish({ offset }, text) {
    this.seen += 1;
    this.last = text;
    if (!Number.isFinite(offset)) {
      this.state = 'live';
      return;
    }
    if (this.offset !== null && offset !== this.offset + 1) {
      this.jumps += 1;
      this.jump = { from: this.offset, to: offset };
    }
    this.#moveTo(offset);
    this.#countRecovered(offset);
    // A gap stays in sight until the stream has gone on behind all that was there.
    if (offset > this.target || (offset === this.target && this.state !== 'gap')) this.state = 'live';
  }

  #countRecovered(offset) {
    const { recovery } = this;
    if (!recovery || recovery.done) return;
    if (offset <= recovery.until) recovery.count += 1;
    this.#endRecovering(offset >= recovery.until);
  }

  #endRecovering(done) {
    const { recovery } = this;
    recovery.done = done;
    if (done && recovery.status === 'recovering') recovery.status = 'recovered';
  }

  /** A `gap` event: offsets that are gone, how many are without offsets, or another epoch. */
  miss({ from, to, missed, epoch }) {
    this.state = 'gap';
    if (missed !== undefined) this.gap = { missed };
    else if (epoch === undefined) {
      Object.assign(this, { gap: { from, to }, target: Math.max(this.target, to) });
      this.#moveTo(to);
    } else {
      Object.assign(this, { gap: { epoch, before: this.epoch }, epoch, offset: null, target: 0 });
      this.resume = { since: { epoch, offset: 0 } };
    }
    this.#missRecovered(to);
  }

  #missRecovered(to) {
    const { recovery } = this;
    if (!recovery || recovery.done) return;
    Object.assign(recovery, { status: 'gap', gap: this.gap });
    if (to !== undefined) recovery.expected = recovery.count + Math.max(0, recovery.until - to);
    this.#endRecovering(to === undefined || to >= recovery.until);
  }

  /** The server refuses it, or has ended it; a `final` one is not asked for again. */
  refuse(error, final) {
    Object.assign(this, { state: 'refused', error, wanted: !final });
    this.#endRecovery('refused');
  }

  lose() {
    if (this.state !== 'refused' || this.wanted) this.state = 'waiting';
    this.#endRecovery('lost');
  }

  #endRecovery(status) {
    if (this.recovery && !this.recovery.done) Object.assign(this.recovery, { status, done: true, error: this.error });
  }
}

/** The offset behind which the stream goes on after a `subscribe`, or null where only its first publication tells. */
function cursorOf(offset, gap, { since, rewind }) {
  if (offset === null || offset === 0) return offset;
  if (gap) return gap.to ?? null;
  if (since) return since.offset;
  return rewind > 0 ? null : offset;
}
