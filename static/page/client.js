// The page's connection: a client of ws-client.js, whose frames are shown both ways. No DOM, no words.
//
// Each time that somebody asks to connect there is a new client, so that it has the address and the token that stand in
// the fields now. What comes back by itself after a lost connection is the client's own doing.

import { claude } from '../client/claude.js';
import { connect } from '../client/ws-client.js';
import { Emitter } from './emitter.js';
import { bytesOf, isObject } from './json.js';
import { previewOf } from './preview.js';
import { classify } from './protocol.js';
import { Requests } from './requests.js';

/** Whoever presses Unsubscribe wants to see it now. */
const TIMERS = { linger: 0 };
const NEVER_MS = 86_400_000;

/**
 * Drive it with `connect`, `disconnect`, `drop`, `send`, `request`, `authenticate`. Events: `change` (state, hello,
 * expiry, notice or retry are new), `begin` (a new client: nothing is subscribed), `frame` (one frame, either way, or a
 * socket opened or closed; `seq` grows), `notification` (the `data` of one, and the text of its frame), `sent` (a
 * request), `answered` (a request and its answer, as of requests.js), `refused` (an error in place of the greeting).
 */
export class Client extends Emitter {
  state = 'disconnected';
  hello = null; // data of the `connected` event
  expiry = null; // of the token: {at: ms since 1970, soon: the server has said so}
  token = ''; // what the client logs in with, unless it is empty
  notice = null; // the last end {code, reason, opened, comesBack, error?, byPage?, dropped?}, or {draining: true, at}
  retry = null; // {at: ms since 1970, attempt}
  autoReconnect = true;

  #client = null; // of ws-client.js
  #address = '';
  #usedToken = ''; // that the client has
  #lastId = 0;
  #lastSeq = 0;
  #requests = new Requests();
  #lastAnswer = null;
  #lastSent = null; // the promise of the answer to the request that was sent last
  #socket = {}; // the current one: {opened, code, reason}
  #ending = null; // what this page ends the connection for
  #attempts = 0;
  #slotAt = null; // when this page moves, in a drain
  #timer = 0; // of a move, or of the end of a drop

  get isOpen() { return this.#client !== null && (this.state === 'connected' || this.state === 'draining'); }
  get isActive() { return this.isOpen || this.state === 'connecting'; }
  /** What was connected to last, and whether a token was used. */
  get target() { return { address: this.#address, hasToken: this.#usedToken !== '' }; }
  nextId() { return `raw-${this.#lastId += 1}`; }

  /** Throws where the address is no URL of a WebSocket. */
  connect(address) {
    const isCurrent = () => this.#client === client;
    const client = connect(address, {
      timers: TIMERS,
      token: (why) => this.#tokenFor(why),
      onFrame: (...frame) => { if (isCurrent()) this.#passed(...frame); },
    });
    this.#leave({ byPage: true });
    this.#client = client;
    this.#address = address;
    this.#ending = null;
    client.status.subscribe((status) => { if (isCurrent()) this.#changed(status); });
    this.emit('begin');
    client.wake();
  }

  /** A channel of the client: `begin` says when there is another one. */
  channel(name) { return this.#client.channel(name); }

  /** Claude in a channel of the client. */
  claude(channel) { return claude(this.#client, channel); }

  disconnect() {
    this.#leave({ byPage: true });
    this.#setState('disconnected');
  }

  /** Ends the connection, and connects again after `delayMs`. */
  drop(delayMs) {
    if (!this.isOpen) return;
    this.#leave({ byPage: true, dropped: true });
    this.#retryAt(Date.now() + delayMs);
    this.#timer = setTimeout(() => this.connect(this.#address), delayMs);
    this.#setState('disconnected');
  }

  /** When the page acts by itself, in ms since 1970: the next attempt, or in a drain the move; or null. */
  get actsAt() { return this.retry?.at ?? this.#slotAt; }

  /** Does at once what is planned for `actsAt`. */
  actNow() {
    if (this.retry && this.#client) this.#client.wake();
    else if (this.actsAt !== null) this.connect(this.#address);
  }

  setAutoReconnect(on) {
    this.autoReconnect = on;
    if (!on) {
      if (this.retry) this.#leave(null);
      clearTimeout(this.#timer);
      this.#slotAt = null;
    }
    this.emit('change');
  }

  /**
   * Sends any text past the client. For a request with an id returns a promise of its answer (requests.js), for anything
   * else null.
   */
  send(text) {
    this.#lastSent = null;
    return this.#client.send(text) ? this.#lastSent : Promise.resolve({ lost: true });
  }

  /** `payload` is JSON text and goes out as it is: parsing it would change large numbers. Answers as `send`. */
  async request(action, payload) {
    try {
      await this.#client.request(action, payload);
    } catch ({ kind, message }) {
      if (kind === 'lost' || kind === 'closed') return { lost: true };
      if (kind !== 'rejected') return { error: { code: kind, message } };
    }
    return this.#lastAnswer; // of the frame that has just come
  }

  /**
   * Names the user of this connection, or refreshes its token. Returns the promise of the answer. The client would close
   * over a token that is refused: it is tried by a request, and then the client's, if it is to connect with it.
   */
  async authenticate(token) {
    const answer = await this.request('authenticate', JSON.stringify({ token }));
    if (answer.data && this.#client && this.token === token) await this.#client.login().catch(() => {});
    else if (answer.data && this.hello) this.hello = { ...this.hello, user: answer.data.user };
    this.emit('change');
    return answer;
  }

  #tokenFor(why) {
    // Who has not typed another one lets it end.
    if (why === 'expiring' && this.isOpen && this.token === this.#usedToken) {
      throw Object.assign(new Error('no other token'), { retryAfter: NEVER_MS });
    }
    this.#usedToken = this.token;
    return this.token || null;
  }

  #changed({ state, retryAt, user, error }) {
    if (state === 'connected') {
      Object.assign(this, { retry: null, notice: null, hello: { ...this.hello, user } });
      this.#attempts = 0;
      this.#setState('connected');
    } else if (state === 'connecting') {
      // The client did not wait: a token has expired, a probe was not answered, another user logs in.
      if (this.hello) this.#ended(true, error);
      if (error && !this.autoReconnect) return this.#stay();
      this.retry = null;
      this.#socket = {};
      this.#setState('connecting');
    } else if (state !== 'idle') {
      this.#ended(state === 'waiting', error);
      if (state !== 'waiting' || !this.autoReconnect) return this.#stay();
      this.#retryAt(retryAt);
      this.#setState('disconnected');
    }
  }

  /** The end has been told, and nothing comes back by itself. */
  #stay() {
    this.#leave(null);
    this.#setState('disconnected');
  }

  #ended(comesBack, error) {
    const { opened = false, code, reason = '' } = this.#socket;
    clearTimeout(this.#timer);
    this.#slotAt = null;
    this.hello = this.expiry = null;
    const byPage = !error; // it logs in as another user
    this.notice = { code: error?.close ?? code, reason, opened, comesBack, error, byPage, ...this.#ending };
    this.#requests.loseAll();
  }

  #retryAt(at) { this.retry = { at, attempt: this.#attempts += 1 }; }

  /** Ends the client, if there is one; `ending` is what the notice says of it. */
  #leave(ending) {
    const client = this.#client;
    clearTimeout(this.#timer);
    this.retry = null;
    this.#slotAt = null;
    if (!client) return;
    this.#ending = ending;
    // An end that the notice tells already is not told again.
    if (!ending) this.#client = null;
    client.close();
    this.#client = null;
  }

  #setState(state) {
    this.state = state;
    this.emit('change');
  }

  // --- frames

  #passed(what, text, code) {
    if (what === 'open') {
      this.#socket.opened = true;
      this.#showSocket('open');
    } else if (what === 'close') {
      Object.assign(this.#socket, { code, reason: text });
      this.#showSocket(code ? `close ${code}` : 'close', text);
    } else if (what === 'out') this.#sent(text);
    else if (typeof text === 'string') this.#received(text);
    else this.#show({ direction: 'in', kind: 'other', name: 'binary', text: '', bytes: text.size });
  }

  #sent(text) {
    const frame = { ...classify(text), direction: 'out', text };
    const isAnswered = frame.kind === 'request' && frame.id !== undefined;
    this.#lastSent = isAnswered ? this.#requests.expect(frame) : null;
    this.#show(frame);
    if (isAnswered) this.emit('sent', frame.value);
  }

  #received(text) {
    const frame = { ...classify(text), direction: 'in', text };
    const pair = this.#requests.match(frame);
    this.#show(frame);
    if (pair) this.#answered(pair);
    else if (frame.kind === 'error' && frame.id === undefined && !this.hello) this.emit('refused', frame.value.error);
    if (frame.kind === 'notification' && isObject(frame.value.data)) this.#notified(frame.value.data, text);
  }

  #answered({ request, answer }) {
    this.#lastAnswer = answer;
    if (request.action === 'authenticate' && answer.data) {
      const { expires_at: at } = answer.data;
      this.expiry = at === undefined ? null : { at, soon: false };
    } else if (request.action === 'authenticate' && !this.isOpen) this.emit('refused', answer.error);
    this.emit('answered', request, answer);
  }

  #notified(data, text) {
    if (data.event === 'connected') Object.assign(this, { hello: data, expiry: null });
    else if (data.event === 'draining') this.#drain(data.reconnect_after_ms);
    else if (data.event === 'token_expiring') {
      this.expiry = { at: data.expires_at, soon: true };
      this.emit('change');
    }
    this.emit('notification', data, text);
  }

  /** Moves at a time of its own, so that not all clients come at once, and not only when it is sent away. */
  #drain([from, to]) {
    if (this.autoReconnect) {
      const wait = from + Math.random() * (to - from);
      this.#slotAt = Date.now() + wait;
      this.#timer = setTimeout(() => this.connect(this.#address), wait);
    }
    this.notice = { draining: true, at: this.#slotAt };
    this.#setState('draining');
  }

  #show(frame) {
    const { value, ...kept } = frame; // the list keeps a thousand frames: their text is enough
    kept.bytes ??= bytesOf(frame.text);
    kept.preview ??= previewOf(frame);
    this.emit('frame', { seq: this.#lastSeq += 1, time: Date.now(), ...kept });
  }

  #showSocket(name, text = '') {
    this.#show({ direction: 'local', kind: 'socket', name, text, preview: text, bytes: 0 });
  }
}
