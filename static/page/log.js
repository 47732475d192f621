// The frames that the list knows: the newest thousand, which of them the filter shows, and those that wait to be taken
// in. Frames come from the client in the order of their `seq`. No DOM: a frame has its row elsewhere (rows.js), if any.
//
// `arrive` for every frame, `take` once per update, `show` for a new filter. `kept` and `shown` are oldest first.

const FRAMES_KEPT_MAX = 1000;
const TEXT_KEPT_CHARS_MAX = 16 * 1024 * 1024;

const EVERYTHING = { text: '', direction: '', kind: '', heartbeats: true };

export class FrameLog {
  kept = [];
  shown = []; // the part of `kept` that the filter lets through
  dropped = 0;

  #filter = EVERYTHING;
  #waiting = [];
  #waitingChars = 0;
  #chars = 0; // of `kept`

  get waiting() { return this.#waiting.length; }

  /** While nothing is taken (paused, or a hidden tab, where nothing is painted), the queue has the list's limits. */
  arrive(frame) {
    this.#waiting.push(frame);
    this.#waitingChars += frame.text.length;
    while (isTooMuch(this.#waiting.length, this.#waitingChars)) {
      this.#waitingChars -= this.#waiting.shift().text.length;
      this.dropped += 1;
    }
  }

  /** Takes in what waits, and drops the oldest that is too much. */
  take() {
    for (const frame of this.#waiting) {
      this.#chars += frame.text.length;
      this.kept.push(frame);
      if (matches(frame, this.#filter)) this.shown.push(frame);
    }
    this.#waiting = [];
    this.#waitingChars = 0;
    this.#dropOldest();
  }

  #dropOldest() {
    let n = 0;
    for (; isTooMuch(this.kept.length - n, this.#chars); n += 1) this.#chars -= this.kept[n].text.length;
    if (n === 0) return;
    this.dropped += n;
    this.kept.splice(0, n);
    this.shown.splice(0, this.firstShownFrom(this.kept[0]));
  }

  /** Whether the list still knows this frame, shown or not. */
  has(frame) { return this.kept.length > 0 && frame.seq >= this.kept[0].seq; }

  /** The place in `shown` of this frame; where it is not shown, of the next one that is. */
  firstShownFrom(frame) {
    let [low, high] = [0, this.shown.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.shown[middle].seq < frame.seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** How many of the shown frames are newer than the one of this `seq`. */
  shownAfter(seq) { return this.shown.length - this.firstShownFrom({ seq: seq + 1 }); }

  /** The place in `shown`, or -1. */
  placeOf(frame) {
    const place = this.firstShownFrom(frame);
    return this.shown[place] === frame ? place : -1;
  }

  /** A new filter: {text (in lower case), direction, kind, heartbeats}. Empty strings let everything through. */
  show(filter) {
    this.#filter = { ...filter };
    this.shown = this.kept.filter((frame) => matches(frame, filter));
  }

  clear() {
    Object.assign(this, { kept: [], shown: [], dropped: 0 });
    this.#waiting = [];
    this.#waitingChars = this.#chars = 0;
  }
}

/** A single frame is kept however long it is. */
const isTooMuch = (frames, chars) => frames > FRAMES_KEPT_MAX || (chars > TEXT_KEPT_CHARS_MAX && frames > 1);

function matches(frame, filter) {
  if (frame.kind === 'heartbeat' && !filter.heartbeats && filter.kind !== 'heartbeat') return false;
  if (filter.direction && frame.direction !== filter.direction) return false;
  if (filter.kind && frame.kind !== filter.kind) return false;
  return !filter.text || `${frame.name}\n${frame.text}`.toLowerCase().includes(filter.text);
}
