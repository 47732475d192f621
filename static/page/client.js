// The client of the protocol: one logical connection over sockets that come and go. No DOM, no words.

import { Backoff, slotWait } from './backoff.js';
import { Emitter } from './emitter.js';
import { bytesOf, isObject } from './json.js';
import { expiryOf } from './jwt.js';
import { previewOf } from './preview.js';
import { classify, isFinal, shouldReconnect, socketUrl } from './protocol.js';
import { Requests } from './requests.js';
import { Silence } from './silence.js';

const CLOSE_GRACE_MS = 2_000;

/**
 * Drive it with `connect`, `disconnect`, `drop`, `send`, `request`, `authenticate`. Events: `change` (state, hello,
 * expiry, notice or retry are new), `frame` (one frame, either way, or a socket opened or closed; `seq` grows),
 * `notification` (the `data` of one, and the text of its frame), `refused` (the error that the server sends in place of
 * `connected`).
 */
export class Client extends Emitter {
  state = 'disconnected';
  hello = null; // data of the `connected` event
  expiry = null; // of the token: {at: ms since 1970, soon: the server has said so}
  token = ''; // goes along in the handshake, unless it is empty
  notice = null; // the last socket's end {code, reason, opened, byPage?, dropped?, silence?}, or {draining: true, at}
  retry = null; // {at: ms since 1970, attempt}
  autoReconnect = true;

  #socket = null;
  #address = '';
  #sentToken = ''; // in this socket's handshake
  #wanted = false; // the user wants a connection
  #lastId = 0;
  #lastSeq = 0;
  #requests = new Requests();
  #backoff = new Backoff();
  #openedAt = null;
  #silence = new Silence();
  #ending = null; // what this page closes the socket for
  #slotAt = null; // when the reconnect is planned: our turn in a drain, or the end of a drop
  #timers = { retry: 0, close: 0, slot: 0 };

  get isOpen() { return this.#socket?.readyState === WebSocket.OPEN; }
  /** What was connected to last, and whether a token went along. */
  get target() { return { address: this.#address, hasToken: this.#sentToken !== '' }; }
  get isActive() { return this.#socket !== null; }
  nextId() { return String(this.#lastId += 1); }

  /** Throws what the browser says when the address is no WebSocket URL. */
  connect(address) {
    const socket = new WebSocket(socketUrl(address, this.token));
    socket.binaryType = 'arraybuffer';
    this.#stopTimers();
    // The notice stays in sight until the server says hello.
    Object.assign(this, { retry: null, hello: null, expiry: null });
    this.#address = address;
    this.#sentToken = this.token;
    this.#wanted = true;
    this.#socket = socket;
    this.#openedAt = this.#ending = this.#slotAt = null;
    // A socket that was given up may still speak: only the current one is heard.
    const current = (handle) => (event) => { if (socket === this.#socket) handle(event); };
    socket.addEventListener('open', current(() => {
      this.#openedAt = performance.now();
      this.#showSocket('open');
    }));
    socket.addEventListener('message', current((event) => this.#received(event.data)));
    socket.addEventListener('close', current((event) => this.#ended(event)));
    this.#setState('connecting');
  }

  disconnect() {
    this.#wanted = false;
    this.#close({ code: 1000, byPage: true }, CLOSE_GRACE_MS);
  }

  /** Ends the socket as a lost network would, hearing nothing more of it, and connects again after `delayMs`. */
  drop(delayMs) {
    if (!this.isOpen) return;
    this.#slotAt = Date.now() + delayMs;
    this.#close({ code: 1000, byPage: true, dropped: true }, 0);
  }

  /** When the page acts by itself, in ms since 1970: the next attempt, or in a drain the move; or null. */
  get actsAt() { return this.retry?.at ?? (this.state === 'draining' ? this.#slotAt : null); }

  /** Does at once what is planned for `actsAt`. */
  actNow() {
    if (this.retry) {
      this.#backoff.forget();
      this.connect(this.#address);
    } else if (this.actsAt !== null) {
      this.#slotAt = Date.now();
      this.#move();
    }
  }

  setAutoReconnect(on) {
    this.autoReconnect = on;
    if (!on) {
      clearTimeout(this.#timers.retry);
      clearTimeout(this.#timers.slot);
      this.retry = null;
      this.#slotAt = null;
    }
    this.emit('change');
  }

  /**
   * Sends any text. For a request with an id returns a promise of its answer (requests.js), for anything else null.
   * Throws when the socket is not open.
   */
  send(text) {
    const frame = { ...classify(text), direction: 'out', text };
    const answered = frame.kind === 'request' && frame.id !== undefined;
    const promise = answered ? this.#requests.expect(frame) : null;
    this.#socket.send(text);
    this.#show(frame);
    return promise;
  }

  /** Names the user of this connection, or refreshes its token. Returns the promise of the answer. */
  async authenticate(token) {
    const socket = this.#socket;
    const answer = await this.request('authenticate', JSON.stringify({ token }));
    if (answer.data && socket === this.#socket) {
      this.hello = { ...this.hello, user: answer.data.user };
      this.expiry = answer.data.expires_at === undefined ? null : { at: answer.data.expires_at, soon: false };
      this.emit('change');
    }
    return answer;
  }

  /** `payload` is JSON text and goes out as it is: parsing it would change large numbers. */
  request(action, payload) {
    const head = `"id":"${this.nextId()}","type":"request","action":${JSON.stringify(action)}`;
    return this.send(`{${head},"payload":${payload}}`);
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

  #setState(state) {
    this.state = state;
    this.emit('change');
  }

  #stopTimers() {
    for (const timer of Object.values(this.#timers)) clearTimeout(timer);
    this.#silence.stop();
  }

  #received(data) {
    this.#silence.heard();
    if (typeof data !== 'string') {
      this.#show({ direction: 'in', kind: 'other', name: 'binary', text: '', bytes: data.byteLength });
      return;
    }
    const frame = { ...classify(data), direction: 'in', text: data };
    const settle = this.#requests.match(frame);
    this.#show(frame);
    settle?.();
    if (frame.name === 'ping' && frame.kind === 'heartbeat') this.send('{"type":"pong"}');
    if (frame.kind === 'error' && frame.id === undefined && !this.hello) this.emit('refused', frame.value.error);
    if (frame.kind === 'notification' && isObject(frame.value.data)) this.#notified(frame.value.data, data);
  }

  #notified(data, text) {
    if (data.event === 'connected') {
      Object.assign(this, { hello: data, notice: null, expiry: this.#expiryOf(data) });
      this.#watchSilence(data.heartbeat);
      this.#setState('connected');
    } else if (data.event === 'draining') this.#drain(data.reconnect_after_ms);
    else if (data.event === 'token_expiring') {
      this.expiry = { at: data.expires_at, soon: true };
      this.emit('change');
    }
    this.emit('notification', data, text);
  }

  /** Where the server does not say when the token of the handshake expires, the token does. */
  #expiryOf({ user, expires_at: expiresAt }) {
    const at = expiresAt ?? (typeof user === 'string' ? expiryOf(this.#sentToken) : null);
    return at === null ? null : { at, soon: false };
  }

  #watchSilence(heartbeat) {
    const patience = heartbeat?.interval_ms + heartbeat?.timeout_ms;
    if (!(patience > 0)) return;
    // A dead network answers no close frame, so there is no waiting for it.
    this.#silence.watch(patience, () => this.#close({ code: 4000, silence: Math.round(patience / 1000) }, 0));
  }

  #drain(slots) {
    if (this.autoReconnect && this.#wanted) {
      const wait = slotWait(slots);
      this.#slotAt = Date.now() + wait;
      clearTimeout(this.#timers.slot);
      this.#timers.slot = setTimeout(() => this.#move(), wait);
    }
    this.notice = { draining: true, at: this.#slotAt };
    this.#setState('draining');
  }

  #move() { this.#close({ code: 1000, byPage: true }, CLOSE_GRACE_MS); }

  /** Closes the socket; what does not end within the grace is taken as ended. */
  #close(ending, graceMs) {
    const socket = this.#socket;
    if (!socket) return;
    this.#ending = ending;
    socket.close(ending.code);
    clearTimeout(this.#timers.close);
    if (graceMs === 0) this.#ended(ending);
    else this.#timers.close = setTimeout(() => { if (socket === this.#socket) this.#ended(ending); }, graceMs);
  }

  #ended({ code, reason = '' }) {
    this.#stopTimers();
    this.#socket = null;
    this.hello = this.expiry = null;
    this.notice = { code, reason, opened: this.#openedAt !== null, ...this.#ending };
    // The code that arrived wins over the one that was asked for, except where the browser only says "aborted".
    if (code !== 1006) this.notice.code = code;
    this.#showSocket(`close ${this.notice.code}`, reason);
    this.#requests.loseAll();
    const planned = this.#slotAt !== null && !isFinal(this.notice.code);
    const comesBack = planned || (this.autoReconnect && shouldReconnect(this.notice.code));
    if (this.#wanted && comesBack) this.#retryLater();
    this.#setState('disconnected');
  }

  #retryLater() {
    const backoff = this.#backoff.next(this.#openedAt === null ? 0 : performance.now() - this.#openedAt);
    const wait = this.#slotAt === null ? backoff : Math.max(0, this.#slotAt - Date.now());
    this.retry = { at: Date.now() + wait, attempt: this.#backoff.attempts };
    this.#timers.retry = setTimeout(() => this.connect(this.#address), wait);
  }

  forgetFailures() { this.#backoff.forget(); }
}
