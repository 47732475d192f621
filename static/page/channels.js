// The channels that this page is subscribed to, over clients that come and go: a new one is told to begin where the last
// one was. What is shown of each is read from the frames that go by (subscription.js). No DOM, no words.

import { Emitter } from './emitter.js';
import { Subscription } from './subscription.js';

const RECOVERIES_KEPT_MAX = 50;
const POSITIONS_KEPT_MAX = 1000;
// What the client of ws-client.js deals with by itself.
const PASSING = new Set(['rate_limited', 'already_subscribed']);
const SERVED = new Set(['live', 'catching-up', 'gap']); // states in which the server has it subscribed

/**
 * Drive it with `subscribe` and `unsubscribe`, while the client is open. Events: `change` (a subscription has come,
 * gone, or got another connection or answer), `progress` (a publication or gap has come, maybe one of very many).
 */
export class Channels extends Emitter {
  subscriptions = new Map(); // channel → Subscription
  recoveries = []; // {channel, at, …} (subscription.js), newest first

  #client;
  #readers = new Map(); // channel → ends what the client reads for this page
  #asked = new Map(); // channel → {start, token, answer}: somebody waits for what `subscribe` is answered
  #leaving = new Map(); // channel → what is told the answer to `unsubscribe`
  #positions = new Map(); // channel → {epoch, offset}, also of those that were unsubscribed

  constructor(client) {
    super();
    this.#client = client;
    client.on('begin', () => this.#begin());
    client.on('sent', ({ action, payload }) => { if (action === 'subscribe') this.#subscribing(payload?.channel); });
    client.on('answered', (request, answer) => this.#answered(request, answer));
    client.on('notification', (data, text) => this.#notified(data, text));
    client.on('change', () => { if (!client.isOpen) this.#lost(); });
  }

  /** The last position that was seen in a channel, or undefined. */
  positionOf(channel) { return this.subscriptions.get(channel)?.resume.since ?? this.#positions.get(channel); }

  /**
   * `start` is {}, {rewind} or {since}, as JSON values; `token` a subscription token, or empty. Returns the promise of
   * the answer; what is refused is not kept.
   */
  subscribe(channel, start, token = '') {
    return new Promise((answer) => {
      this.#asked.get(channel)?.answer({ lost: true });
      this.#asked.set(channel, { start, token, answer });
      this.#read(channel, start, token);
    });
  }

  /**
   * Returns the promise of the answer. When the connection ends first, it is not subscribed again either. While the
   * client waits to subscribe, maybe no frame goes out: it is forgotten at once.
   */
  async unsubscribe(channel) {
    const end = this.#readers.get(channel);
    if (end && !SERVED.has(this.subscriptions.get(channel)?.state)) {
      this.#asked.get(channel)?.answer({ lost: true });
      this.#asked.delete(channel);
      this.forget(channel);
      return { data: { channel } };
    }
    const answered = new Promise((answer) => this.#leaving.set(channel, answer));
    if (end) end();
    else this.#client.request('unsubscribe', JSON.stringify({ channel }));
    const answer = await answered;
    // What the client has ended, it does not read again, whatever the answer.
    if (end || !answer.error || answer.error.code === 'not_subscribed') this.forget(channel);
    return answer;
  }

  /** Without a connection there is nothing to ask for: it is only not subscribed again. */
  forget(channel) {
    const position = this.positionOf(channel);
    if (position) this.#positions.set(channel, position);
    if (this.#positions.size > POSITIONS_KEPT_MAX) this.#positions.delete(this.#positions.keys().next().value);
    this.subscriptions.delete(channel);
    this.#endReading(channel);
    this.emit('change');
  }

  /**
   * What a later page needs to go on: [{channel, resume}], without those that the server subscribes by itself.
   * Subscription tokens are not in it.
   */
  saved() {
    const own = [...this.subscriptions.values()].filter(({ wanted, byServer }) => wanted && !byServer);
    return own.map(({ name, resume }) => ({ channel: name, resume }));
  }

  /** Before the first connection: subscribes to these with it. */
  restore(saved) {
    for (const { channel, resume } of saved) this.subscriptions.set(channel, new Subscription(channel, resume));
    this.emit('change');
  }

  #begin() {
    this.#readers.clear();
    for (const { name, resume, token, wanted, byServer } of this.subscriptions.values()) {
      if (wanted && !byServer) this.#read(name, resume, token);
    }
  }

  /** Has the client read it, in place of what it read for this page before. */
  #read(name, start, token) {
    const heard = ({ type, position }) => {
      if (type !== 'live') return;
      // Somebody still waits: the client had it open already, and no frame went out.
      this.#asked.get(name)?.answer({ data: { channel: name, ...position } });
      this.#asked.delete(name);
    };
    const options = { ...start, token: token ? () => token : undefined };
    const end = this.#client.channel(name).subscribe(heard, options);
    this.#readers.get(name)?.(); // behind the new one: the subscription stays
    this.#readers.set(name, end);
  }

  #endReading(name) {
    this.#readers.get(name)?.();
    this.#readers.delete(name);
  }

  #lost() {
    for (const [name, { answer }] of this.#asked) {
      answer({ lost: true });
      if (!this.subscriptions.has(name)) this.#endReading(name);
    }
    for (const answer of this.#leaving.values()) answer({ lost: true });
    this.#asked.clear();
    this.#leaving.clear();
    for (const subscription of this.subscriptions.values()) subscription.lose();
    this.emit('change');
  }

  // --- what the frames say

  /** A `subscribe` goes out that nobody has just asked for: what was lost is to come back. */
  #subscribing(name) {
    const subscription = this.subscriptions.get(name);
    if (subscription && !this.#asked.has(name)) this.#recover(subscription);
  }

  #recover(subscription) {
    subscription.ask(true);
    this.recoveries.unshift(Object.assign(subscription.recovery, { channel: subscription.name }));
    this.recoveries.length = Math.min(this.recoveries.length, RECOVERIES_KEPT_MAX);
    this.emit('change');
  }

  #answered({ action, payload }, answer) {
    const name = payload?.channel;
    // The client asks again; but not for what it does not read.
    if (PASSING.has(answer.error?.code) && (action === 'subscribe' || this.#readers.has(name))) return;
    if (action === 'unsubscribe') {
      this.#leaving.get(name)?.(answer);
      this.#leaving.delete(name);
    } else if (action === 'subscribe') this.#subscribed(name, payload, answer);
  }

  #subscribed(name, payload, answer) {
    const asked = this.#asked.get(name);
    this.#asked.delete(name);
    if (asked && answer.data) this.subscriptions.set(name, new Subscription(name, asked.start, asked.token));
    const subscription = this.subscriptions.get(name);
    if (answer.data) subscription?.accept(answer.data, payload);
    else if (subscription) subscription.refuse(answer.error, false);
    else this.#endReading(name);
    asked?.answer(answer);
    this.emit('change');
  }

  #notified(data, text) {
    if (data.event === 'subscribed') this.#subscribedByServer(data);
    const subscription = this.subscriptions.get(data.channel);
    if (!subscription) return;
    if (data.event === 'publication') subscription.publish(data, text);
    else if (data.event === 'gap') subscription.miss(data);
    else if (data.event === 'unsubscribed') subscription.refuse(endOf(data), !data.retryable);
    else return;
    this.emit(data.event === 'unsubscribed' ? 'change' : 'progress');
  }

  #subscribedByServer(data) {
    const known = this.subscriptions.get(data.channel);
    const subscription = known ?? new Subscription(data.channel, {});
    this.subscriptions.set(data.channel, subscription);
    subscription.byServer = !this.#readers.has(data.channel);
    if (known?.state === 'waiting') this.#recover(known);
    subscription.acceptByServer(data);
    this.emit('change');
  }
}

const endOf = ({ code, reason }) => ({ code, message: reason });
