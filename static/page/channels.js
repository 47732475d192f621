// The channels that this page is subscribed to, over connections that come and go: with every new one each is
// subscribed again from the position that was seen last. No DOM, no words.

import { Emitter } from './emitter.js';
import { Subscription } from './subscription.js';

const RECOVERIES_KEPT_MAX = 50;
const POSITIONS_KEPT_MAX = 1000;
const QUIET_MS = 300; // what is retained comes right behind the response
const RETRY_AFTER_MS = 1000; // where a retryable error does not say

/**
 * Drive it with `subscribe` and `unsubscribe`, while the client is open. Events: `change` (a subscription has come,
 * gone, or got another connection or answer), `progress` (a publication or gap has come, maybe one of very many).
 */
export class Channels extends Emitter {
  subscriptions = new Map(); // channel → Subscription
  recoveries = []; // {channel, at, …} (subscription.js), newest first

  #client;
  #user; // of this connection, or undefined
  #positions = new Map(); // channel → {epoch, offset}, also of those that were unsubscribed

  constructor(client) {
    super();
    this.#client = client;
    client.on('notification', (data, text) => this.#notified(data, text));
    client.on('change', () => {
      if (client.state === 'disconnected') this.#lost();
      else if (client.hello) this.#heardUser(client.hello.user);
    });
  }

  /** The last position that was seen in a channel, or undefined. */
  positionOf(channel) { return this.subscriptions.get(channel)?.resume.since ?? this.#positions.get(channel); }

  /**
   * `start` is {}, {rewind} or {since}, as JSON values; `token` a subscription token, or empty. Returns the promise of
   * the answer.
   */
  async subscribe(channel, start, token = '') {
    const answer = await this.#request('subscribe', { channel, ...start, ...(token && { token }) });
    if (answer.data) {
      const subscription = new Subscription(channel, start, token);
      subscription.accept(answer.data, start);
      this.subscriptions.set(channel, subscription);
      this.#settleSoon(subscription);
      this.emit('change');
    }
    return answer;
  }

  /** Returns the promise of the answer. When the connection ends first, it is not subscribed again either. */
  async unsubscribe(channel) {
    const answer = await this.#request('unsubscribe', { channel });
    if (!answer.error || answer.error.code === 'not_subscribed') this.forget(channel);
    return answer;
  }

  /** Without a connection there is nothing to ask for: it is only not subscribed again. */
  forget(channel) {
    const position = this.positionOf(channel);
    if (position) this.#positions.set(channel, position);
    if (this.#positions.size > POSITIONS_KEPT_MAX) this.#positions.delete(this.#positions.keys().next().value);
    this.subscriptions.delete(channel);
    this.emit('change');
  }

  #request(action, payload) { return this.#client.request(action, JSON.stringify(payload)); }

  /** Another user may have other rights: what was refused is asked for once more. */
  #heardUser(user) {
    const isAnother = this.#user !== undefined && user !== this.#user;
    this.#user = user;
    if (!isAnother) return;
    for (const subscription of this.subscriptions.values()) {
      if (subscription.state === 'refused' && subscription.wanted) this.#ask(subscription);
    }
  }

  #lost() {
    this.#user = undefined;
    for (const subscription of this.subscriptions.values()) subscription.lose();
    this.emit('change');
  }

  #notified(data, text) {
    if (data.event === 'connected') this.#subscribeAgain();
    else if (data.event === 'subscribed') this.#subscribedByServer(data);
    const subscription = this.subscriptions.get(data.channel);
    if (!subscription) return;
    if (data.event === 'publication') subscription.publish(data, text);
    else if (data.event === 'gap') subscription.miss(data);
    else if (data.event === 'unsubscribed') subscription.refuse(endOf(data), !data.retryable);
    else return;
    this.emit(data.event === 'unsubscribed' ? 'change' : 'progress');
  }

  #subscribedByServer(data) {
    const subscription = this.subscriptions.get(data.channel) ?? new Subscription(data.channel, {});
    this.subscriptions.set(data.channel, subscription);
    subscription.byServer = true;
    subscription.acceptByServer(data);
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

  #subscribeAgain() {
    for (const subscription of this.subscriptions.values()) if (subscription.wanted) this.#ask(subscription);
    this.emit('change');
  }

  async #ask(subscription) {
    const { name, resume, token } = subscription;
    subscription.ask(true);
    this.recoveries.unshift(Object.assign(subscription.recovery, { channel: name }));
    this.recoveries.length = Math.min(this.recoveries.length, RECOVERIES_KEPT_MAX);
    const answer = await this.#request('subscribe', { channel: name, ...resume, ...(token && { token }) });
    if (answer.lost || this.subscriptions.get(name) !== subscription) return; // lost: the next connection asks again
    if (answer.data) {
      subscription.accept(answer.data, resume);
      this.#settleSoon(subscription);
    } else if (answer.error.code !== 'already_subscribed') this.#refused(subscription, answer.error);
    this.emit('change');
  }

  /** Where nothing comes, maybe nothing is retained any more: the history knows. */
  #settleSoon(subscription) {
    const settle = async () => {
      const { name, question } = subscription;
      if (!question || !this.#client.isOpen || this.subscriptions.get(name) !== subscription) return;
      const answer = await this.#request('get_history', { channel: name, ...question });
      if (answer.lost) return;
      subscription.settle(question.since.epoch, answer.data?.publications);
      this.emit('change');
    };
    if (subscription.question) setTimeout(settle, QUIET_MS);
  }

  #refused(subscription, error) {
    subscription.refuse(error, false);
    if (!error.retryable) return;
    const retry = () => {
      const isWaiting = subscription.state === 'refused' && this.subscriptions.get(subscription.name) === subscription;
      if (isWaiting && this.#client.isOpen) this.#ask(subscription);
    };
    setTimeout(retry, (error.retry_after_ms ?? RETRY_AFTER_MS) * (1 + Math.random()));
  }
}

const endOf = ({ code, reason }) => ({ code, message: reason });
