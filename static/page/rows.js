// Which of the shown frames have a row, and where the list is scrolled to.
//
// A thousand rows cost too much to lay out at hundreds of frames a second, so of a long list only those in sight and
// some around them are there, and besides: the open ones, the tab stop and the newest. A row that follows left-out ones
// keeps their place free with its margin, so the list is as long as if all were there. Closed rows have one height
// (--row); those of open ones are measured.
//
// What the reader sees stays where it is while frames come and go above it: the first frame in sight is the anchor.
// Nothing here reads the layout, except the scroll position when the list was scrolled.

import { offsetOf, placeAt } from './places.js';
import { frameRow, toggleRow, translateRow } from './row.js';

const ROWS_ALL_MAX = 200; // up to here every shown frame has its row
const ROWS_AROUND = 12; // above and below those in sight
const OWN_WITHIN_PX = 2; // a scroll position is rounded
const ROWS_AROUND_AT_END = 4; // while the list follows, all of them are new at every update

export class Rows {
  #list;
  #log;
  #rows = new Map(); // frame → <li>: those in the list, and open ones that the filter hides
  #frames = new WeakMap(); // <li> → frame
  #open = new Map(); // frame → height
  #resized;
  #rowHeight = 0;
  #viewHeight = 0;
  #top = 0; // the scroll position
  #anchor = null; // {frame, within}: the first frame in sight, and how far it is scrolled out
  #tabStop = null; // frame
  #opened = null; // frame: just opened, its height is not known yet
  #reveal = null; // frame: just opened, and to come into sight as a whole
  #ownTop = null; // where this has scrolled the list to, until the list says so

  /** `renderSoon` is called when a size has changed, and has to call `render`. */
  constructor(list, log, renderSoon) {
    this.#list = list;
    this.#log = log;
    this.#resized = new ResizeObserver((entries) => {
      for (const { target, borderBoxSize } of entries) this.#measured(target, borderBoxSize[0].blockSize);
      renderSoon();
    });
    this.#resized.observe(list);
  }

  #measured(target, height) {
    if (target === this.#list) {
      this.#viewHeight = height;
      this.#rowHeight = parseFloat(getComputedStyle(target).getPropertyValue('--row'));
    } else if (height > 0) this.#grown(this.#frames.get(target), height); // 0: the filter has taken it out
  }

  #grown(frame, height) {
    this.#open.set(frame, height);
    if (frame !== this.#opened) return;
    this.#opened = null;
    this.#reveal = frame;
  }

  /** The frame of the row that `node` is in, or undefined. */
  frameOf(node) { return this.#frames.get(node.closest('li')); }

  /** Brings the rows up to date with the log. What is in sight stays there; with `atEnd`, the end of the list. */
  render(atEnd) {
    const { shown } = this.#log;
    const focused = this.#list.contains(document.activeElement) ? this.frameOf(document.activeElement) : undefined;
    this.#forgetDropped();
    if (!focused || this.#log.placeOf(this.#tabStop) < 0) this.setTabStop(shown.at(-1) ?? null);
    const open = this.#openPlaces();
    const length = this.#offset(shown.length, open);
    const wish = atEnd ? Infinity : this.#revealTop(open);
    const top = Math.max(0, Math.min(wish, length - this.#viewHeight));
    this.#put(this.#places(top, open, atEnd ? ROWS_AROUND_AT_END : ROWS_AROUND));
    if (atEnd || Math.abs(top - this.#top) >= 1) this.#scrollTo(top, atEnd ? length : top);
    this.#lookAt(top, open);
    // A dropped row hands its focus to the oldest one; what is in sight stays.
    if (focused && !this.#log.has(focused) && shown.length > 0) this.focus(shown[0], { preventScroll: true });
  }

  /** The list was scrolled; whether by the reader. */
  scrolled() {
    const { scrollTop } = this.#list;
    const isOwn = this.#ownTop !== null && Math.abs(scrollTop - this.#ownTop) <= OWN_WITHIN_PX;
    this.#ownTop = null;
    this.#lookAt(scrollTop, this.#openPlaces());
    return !isOwn;
  }

  #scrollTo(top, asked) {
    if (Math.abs(top - this.#top) >= 1) this.#ownTop = top;
    this.#list.scrollTop = asked;
  }

  /** Opens or closes a frame that has a row; whether it is open now. */
  toggle(frame) {
    const row = this.#rows.get(frame);
    const open = toggleRow(row, frame);
    if (open) {
      this.#open.set(frame, this.#rowHeight);
      this.#opened = frame;
      this.#resized.observe(row);
    } else {
      this.#open.delete(frame);
      this.#resized.unobserve(row);
    }
    return open;
  }

  // One tab stop for the whole list, arrows inside: a thousand stops would lock the keyboard in.
  setTabStop(frame) {
    if (frame === this.#tabStop) return;
    const put = (tabIndex) => {
      const row = this.#rows.get(this.#tabStop);
      if (row) row.firstElementChild.tabIndex = tabIndex;
    };
    put(-1);
    this.#tabStop = frame;
    put(0);
  }

  /** Moves the focus to a shown frame, and it into sight unless `preventScroll`. */
  focus(frame, { preventScroll = false } = {}) {
    this.setTabStop(frame);
    if (!this.#rows.get(frame)?.isConnected) this.#put(this.#places(this.#top, this.#openPlaces(), ROWS_AROUND));
    this.#rows.get(frame).firstElementChild.focus({ preventScroll });
  }

  translate() {
    for (const row of this.#rows.values()) translateRow(row);
  }

  clear() {
    for (const frame of this.#open.keys()) this.#resized.unobserve(this.#rows.get(frame));
    this.#rows.clear();
    this.#open.clear();
    this.#anchor = this.#tabStop = this.#opened = this.#reveal = null;
    this.#list.replaceChildren();
  }

  #forgetDropped() {
    for (const frame of this.#open.keys()) {
      if (this.#log.has(frame)) continue;
      this.#resized.unobserve(this.#rows.get(frame));
      this.#open.delete(frame);
    }
  }

  /** The open ones among the shown, in order: {place, height}. */
  #openPlaces() {
    const places = [...this.#open].map(([frame, height]) => ({ place: this.#log.placeOf(frame), height }));
    return places.filter(({ place }) => place >= 0).sort((a, b) => a.place - b.place);
  }

  #offset(place, open) { return offsetOf(place, open, this.#rowHeight); }

  #placeAt(y, open) { return placeAt(y, open, this.#rowHeight, this.#log.shown.length - 1); }

  #lookAt(top, open) {
    this.#top = top;
    const place = this.#placeAt(top, open);
    const frame = this.#log.shown[place];
    this.#anchor = frame ? { frame, within: top - this.#offset(place, open) } : null;
  }

  /** Where the list is to be scrolled to: for what was just opened to be in sight, its beginning at least. */
  #revealTop(open) {
    const top = this.#anchorTop(open);
    const place = this.#reveal ? this.#log.placeOf(this.#reveal) : -1;
    const height = this.#open.get(this.#reveal);
    this.#reveal = null;
    if (place < 0 || height === undefined) return top;
    const begin = this.#offset(place, open);
    const isInSight = begin >= top && begin + height <= top + this.#viewHeight;
    return isInSight ? top : Math.min(begin, Math.max(top, begin + height - this.#viewHeight));
  }

  /** Where the list is to be scrolled to for the anchor to be where it was. */
  #anchorTop(open) {
    if (!this.#anchor) return this.#top;
    const { frame, within } = this.#anchor;
    const place = this.#log.firstShownFrom(frame);
    const isThere = this.#log.shown[place] === frame;
    const height = this.#open.get(frame) ?? this.#rowHeight;
    return this.#offset(place, open) + (isThere ? Math.min(within, height) : 0);
  }

  /** The places that get a row when the list is scrolled to `top`, in order. */
  #places(top, open, around) {
    const last = this.#log.shown.length - 1;
    if (last < 0) return [];
    const isAll = last < ROWS_ALL_MAX;
    const from = isAll ? 0 : Math.max(0, this.#placeAt(top, open) - around);
    const to = isAll ? last : Math.min(last, this.#placeAt(top + this.#viewHeight, open) + around);
    const places = new Set(open.map(({ place }) => place)).add(last).add(this.#log.placeOf(this.#tabStop));
    for (let place = from; place <= to; place += 1) places.add(place);
    places.delete(-1);
    return [...places].sort((a, b) => a - b);
  }

  #put(places) {
    const { shown } = this.#log;
    const wanted = new Set(places.map((place) => shown[place]));
    for (const [frame, row] of this.#rows) {
      if (wanted.has(frame)) continue;
      row.remove();
      if (!this.#open.has(frame)) this.#rows.delete(frame);
    }
    let next = this.#list.firstElementChild; // what stays is in order: only the new is put between
    let previous = -1;
    for (const place of places) {
      const row = this.#rows.get(shown[place]) ?? this.#make(shown[place]);
      if (row === next) next = next.nextElementSibling;
      else this.#list.insertBefore(row, next);
      keepFree(row, (place - previous - 1) * this.#rowHeight);
      previous = place;
    }
  }

  #make(frame) {
    const row = frameRow(frame);
    if (frame === this.#tabStop) row.firstElementChild.tabIndex = 0;
    this.#rows.set(frame, row);
    this.#frames.set(row, frame);
    return row;
  }
}

function keepFree(row, height) {
  const margin = height > 0 ? `${height}px` : '';
  if (row.style.marginTop !== margin) row.style.marginTop = margin;
}
