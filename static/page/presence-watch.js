// Keeps what is known of the presence of one channel up to date: by its joins and leaves, and by loading it again where
// only that can tell (a storm that sends counts, a new connection, a subscription that has come). No DOM, no words.

import { Emitter } from './emitter.js';
import { Present } from './present.js';

const RELOAD_AFTER_MS = 1000; // the next counts may come at any moment
const PAGE_MAX = 1000; // of `get_presence`

/** Events: `change` (`present` is another), `error` (it could not be loaded again). */
export class PresenceWatch extends Emitter {
  present = null;

  #client;
  #channels;
  #limit = 1; // of the page that was asked for
  #timer = 0;

  constructor(client, channels) {
    super();
    this.#client = client;
    this.#channels = channels;
    client.on('notification', (data) => this.#heard(data));
    client.on('change', () => { if (this.present) this.#connectionChanged(); });
    channels.on('change', () => { if (this.present) this.#subscriptionsChanged(); });
  }

  /** Asks for a page, the first one or the one at `after`; returns the promise of the answer, for `take`. */
  request(channel, limit, after) {
    this.#limit = limit;
    return this.#ask({ channel, limit: limit || undefined, after });
  }

  #ask(payload) { return this.#client.request('get_presence', JSON.stringify(payload)); }

  take(data, after) {
    if (after === undefined) {
      const before = this.present;
      this.present = new Present(data.channel, this.#isServed(data.channel));
      this.present.add(data);
      if (before) this.present.follow(before);
    } else this.present.add(data);
    this.emit('change');
  }

  #isServed(channel) {
    return !['waiting', 'refused', undefined].includes(this.#channels.subscriptions.get(channel)?.state);
  }

  #heard(data) {
    if (!this.present?.hear(data)) return;
    if (data.event === 'presence') this.#reloadSoon();
    this.emit('change');
  }

  #connectionChanged() {
    const { channel, isStale } = this.present;
    const isSubscribed = this.#channels.subscriptions.has(channel); // then its answer is waited for
    if (this.#client.state === 'disconnected') this.#outdate();
    else if (this.#client.hello && isStale && !isSubscribed) this.#reloadSoon();
  }

  #subscriptionsChanged() {
    const { channel, isStale, isTold } = this.present;
    const isServed = this.#isServed(channel);
    if (isServed && (isStale || !isTold)) this.#reloadSoon();
    else if (!isServed && isTold) this.#outdate();
  }

  #outdate() {
    if (this.present.isStale) return;
    this.present.isStale = true;
    this.emit('change');
  }

  #reloadSoon() { this.#timer ||= setTimeout(() => this.#reload(), RELOAD_AFTER_MS); }

  async #reload() {
    this.#timer = 0;
    if (!this.#client.isOpen) return;
    const { channel, clients } = this.present;
    const answer = await this.#ask({ channel, limit: Math.min(PAGE_MAX, Math.max(this.#limit, clients.size, 1)) });
    if (this.present.channel !== channel || answer.lost) return;
    if (answer.data) this.take(answer.data);
    else this.emit('error', answer.error);
  }
}
