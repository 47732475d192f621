// One subscribed channel: a cursor in its stream (PROTOCOL section 5), kept from what the server says. No DOM, no
// socket.
//
// Drive it with `ask` before a `subscribe` request is sent, `accept` or `refuse` with its answer, then `publish` and
// `miss` for every publication and gap event, and `lose` when the connection ends. `resume` is what a later client has
// to ask for so that nothing is left out.

const SEEN_NOTHING = { from: null, to: null };

export class Subscription {
  state = 'waiting'; // waiting (for connection or answer), live, catching-up, gap, refused
  epoch = null;
  offset = null; // of the last publication that was seen or passed by; null: none yet, or no history
  target = null; // the position of the stream when it was subscribed: from there on it is live
  seen = 0;
  last = null; // the text of the last publication's frame
  gap = null; // while the state is gap: {from, to}, {missed} or {epoch, before: the epoch until then}
  renewal = null; // this stream has taken another one's place: {at, before: its epoch, last: its last offset seen}
  jumps = 0; // publications whose offset did not follow the one before, without a gap event
  jump = SEEN_NOTHING; // the last one
  error = null; // {code, message}: why the server does not serve it
  wanted = true; // whether to subscribe again with the next connection
  byServer = false; // it was the server who subscribed it, by a token or by its API
  recovery = null; // what the last `subscribe` with a position has brought back: see `ask`

  /** `start` is the part of the payload that says where: {}, {rewind} or {since}; `token` a subscription token. */
  constructor(name, start, token = '') {
    Object.assign(this, { name, resume: start, token });
    const { epoch = null, offset = null } = start.since ?? {};
    Object.assign(this, { epoch, offset });
  }

  /** A `subscribe` goes out. `again`: after a lost connection; then what comes back is counted in a new `recovery`. */
  ask(again) {
    this.state = 'waiting';
    this.error = null;
    // status: waiting, recovering, recovered, gap, renewed (another stream), plain (nothing to recover from), refused,
    // lost
    this.recovery = again && { at: Date.now(), status: 'waiting', since: this.resume.since, count: 0, done: false };
  }

  /** The server has subscribed it; `start` is what it was asked for. */
  accept({ epoch = null, offset = null, after = null, gap = null }, start) {
    Object.assign(this, { error: null, wanted: true, epoch, target: offset, gap: null, renewal: null });
    if (gap?.epoch === undefined) this.gap = gap;
    else if (gap.epoch === epoch) this.gap = { epoch, before: epoch };
    else this.renewal = { at: Date.now(), before: gap.epoch, last: start.since?.offset ?? null };
    this.offset = after;
    this.resume = epoch === null ? {} : { since: { epoch, offset: after } };
    this.#missBeginning();
    this.state = this.gap ? 'gap' : this.#isCaughtUp ? 'live' : 'catching-up';
    this.#recovering();
  }

  /** The server has subscribed it by itself, from now on: what was published since the position seen last is missed. */
  acceptByServer(data) {
    const { since } = this.resume;
    const { epoch = null, offset = null, after = offset } = data;
    let gap = data.gap ?? null;
    if (!gap && since && epoch !== null && since.epoch !== epoch) gap = { epoch: since.epoch };
    else if (!gap && since && after > since.offset) gap = { from: since.offset + 1, to: after };
    this.accept({ ...data, after, gap }, this.resume);
  }

  /** Nothing of a new stream was seen before: what is no longer kept of it is known to be missing. */
  #missBeginning() {
    if (this.renewal && this.offset > 0) this.gap = { from: 1, to: this.offset };
  }

  get #isCaughtUp() { return this.target === null || this.target === 0 || this.offset >= this.target; }

  #moveTo(offset) {
    this.offset = offset;
    this.resume = { since: { epoch: this.epoch, offset } };
  }

  #recovering() {
    const { recovery, gap, renewal } = this;
    if (!recovery || recovery.done) return;
    Object.assign(recovery, { gap, renewal, until: this.target, done: this.#isCaughtUp });
    recovery.expected = this.offset === null ? null : this.target - this.offset; // null: without history
    recovery.status = gap ? 'gap' : renewal ? 'renewed' : !recovery.since || this.epoch === null ? 'plain'
      : recovery.done ? 'recovered' : 'recovering';
  }

  /** A publication, and the text of its frame. */
  publish({ offset }, text) {
    this.seen += 1;
    this.last = text;
    if (!Number.isFinite(offset)) {
      this.#becomeLive();
      return;
    }
    if (this.offset !== null && offset !== this.offset + 1) {
      this.jumps += 1;
      this.jump = { from: this.offset, to: offset };
    }
    this.#moveTo(offset);
    this.#countRecovered(offset);
    // A gap stays in sight until the stream has gone on behind all that was there.
    if (offset > this.target || (offset === this.target && this.state !== 'gap')) this.#becomeLive();
  }

  #becomeLive() { Object.assign(this, { state: 'live', gap: null }); }

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
  miss({ from, to, missed, epoch, after }) {
    if (epoch !== undefined) this.#renew(epoch, after);
    else if (to !== undefined) {
      Object.assign(this, { state: 'gap', gap: { from, to }, target: Math.max(this.target, to) });
      this.#moveTo(to);
    } else Object.assign(this, { state: 'gap', gap: { missed } });
    this.#missRecovered(to);
  }

  /** Another stream begins. Only who was still behind in the old one is known to have missed something of it. */
  #renew(epoch, after) {
    const [before, last] = [this.epoch, this.offset];
    if (this.#isCaughtUp) Object.assign(this, { state: 'live', gap: null, renewal: { at: Date.now(), before, last } });
    else Object.assign(this, { state: 'gap', gap: { epoch, before }, renewal: null });
    Object.assign(this, { epoch, offset: after, target: after, resume: { since: { epoch, offset: after } } });
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
