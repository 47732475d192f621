// The client of the protocol: one logical connection over sockets that come and go. No DOM, no words.

import { bytesOf, isObject } from './json.js';
import { classify, previewOf, shouldReconnect, withHeartbeat } from './protocol.js';

const WAITING_REQUESTS_MAX = 1000;
const BACKOFF_FIRST_MS = 500;
const BACKOFF_LAST_MS = 30_000;
const STABLE_AFTER_MS = 10_000;
const CLOSE_GRACE_MS = 2_000;

/**
 * Drive it with `connect`, `disconnect`, `send`, `request`. Events: `change` (state, hello, notice or retry are new),
 * `frame` (one frame, either way, or a socket opened or closed; `seq` grows), `notification` (the `data` of one).
 */
export class Client {
  state = 'disconnected';
  hello = null; // data of the `connected` event
  notice = null; // why the last socket ended, or that it is about to: {code, reason, …} or {draining: true}
  retry = null; // {at: ms since 1970, attempt}
  autoReconnect = true;

  #listeners = { change: [], frame: [], notification: [] };
  #socket = null;
  #address = '';
  #wanted = false; // the user wants a connection
  #lastId = 0;
  #lastSeq = 0;
  #waiting = new Map(); // id → {action, sentAt, answer}
  #attempts = 0;
  #openedAt = null;
  #heardAt = 0;
  #ending = null; // what this page closes the socket for
  #slotAt = null; // when draining: our turn to reconnect
  #timers = { retry: 0, silence: 0, close: 0, slot: 0 };

  on(type, listener) { this.#listeners[type].push(listener); }
  #emit(type, detail) { for (const listener of this.#listeners[type]) listener(detail); }

  get isOpen() { return this.#socket?.readyState === WebSocket.OPEN; }
  get isActive() { return this.#socket !== null; }
  nextId() { return String(this.#lastId += 1); }

  /** Throws what the browser says when the address is no WebSocket URL. */
  connect(address) {
    const socket = new WebSocket(withHeartbeat(address));
    socket.binaryType = 'arraybuffer';
    this.#stopTimers();
    Object.assign(this, { retry: null, hello: null }); // the notice stays in sight until the server says hello
    this.#address = address;
    this.#wanted = true;
    this.#socket = socket;
    this.#openedAt = null;
    this.#ending = null;
    this.#slotAt = null;
    // A socket that was given up may still speak: only the current one is heard.
    const current = (handle) => (event) => { if (socket === this.#socket) handle(event); };
    socket.addEventListener('open', current(() => this.#opened()));
    socket.addEventListener('message', current((event) => this.#received(event.data)));
    socket.addEventListener('close', current((event) => this.#ended(event)));
    this.#setState('connecting');
  }

  disconnect() {
    this.#wanted = false;
    this.#close({ code: 1000, byPage: true }, CLOSE_GRACE_MS);
  }

  setAutoReconnect(on) {
    this.autoReconnect = on;
    if (!on) {
      clearTimeout(this.#timers.retry);
      clearTimeout(this.#timers.slot);
      this.retry = null;
      this.#slotAt = null;
    }
    this.#emit('change');
  }

  /**
   * Sends any text. For a request with an id returns a promise of its answer: {data, rtt, preview},
   * {error, rtt, preview}, or {lost: true} when the connection ends first; for anything else null. Throws when the
   * socket is not open.
   */
  send(text) {
    const frame = { ...classify(text), direction: 'out', text };
    const answered = frame.kind === 'request' && frame.id !== undefined;
    const promise = answered ? new Promise((answer) => { this.#expect(frame, answer); }) : null;
    this.#socket.send(text);
    this.#show(frame);
    return promise;
  }

  /** `payload` is JSON text and goes out as it is: parsing it would change large numbers. */
  request(action, payload) {
    const head = `"id":"${this.nextId()}","type":"request","action":${JSON.stringify(action)}`;
    return this.send(`{${head},"payload":${payload}}`);
  }

  #expect(frame, answer) {
    this.#waiting.get(frame.id)?.answer({ lost: true });
    this.#waiting.set(frame.id, { action: frame.name, sentAt: performance.now(), answer });
    if (this.#waiting.size > WAITING_REQUESTS_MAX) this.#waiting.delete(this.#waiting.keys().next().value);
  }

  #show(frame) {
    const { value, ...kept } = frame; // the list keeps a thousand frames: their text is enough
    kept.bytes ??= bytesOf(frame.text);
    kept.preview ??= previewOf(frame);
    this.#emit('frame', { seq: this.#lastSeq += 1, time: Date.now(), ...kept });
  }

  #setState(state) {
    this.state = state;
    this.#emit('change');
  }

  #stopTimers() {
    for (const timer of Object.values(this.#timers)) clearTimeout(timer);
  }

  #opened() {
    this.#openedAt = performance.now();
    this.#show({ direction: 'local', kind: 'socket', name: 'open', text: '', bytes: 0 });
  }

  #received(data) {
    this.#heardAt = performance.now();
    if (typeof data !== 'string') {
      this.#show({ direction: 'in', kind: 'other', name: 'binary', text: '', bytes: data.byteLength });
      return;
    }
    const frame = { ...classify(data), direction: 'in', text: data };
    const settle = this.#match(frame);
    this.#show(frame);
    settle?.();
    if (frame.name === 'ping' && frame.kind === 'heartbeat') this.send('{"type":"pong"}');
    if (frame.kind === 'notification' && isObject(frame.value.data)) this.#notified(frame.value.data);
  }

  /** Completes an answer's frame with its request's action and time; returns what hands the answer over. */
  #match(frame) {
    if (frame.kind !== 'response' && frame.kind !== 'error') return null;
    const request = this.#waiting.get(frame.id);
    if (!request) return null;
    this.#waiting.delete(frame.id);
    frame.rtt = this.#heardAt - request.sentAt;
    if (frame.kind === 'response') frame.name = request.action;
    frame.preview = previewOf(frame);
    const { rtt, preview, value } = frame;
    const outcome = frame.kind === 'error' ? { error: value.error } : { data: value.data };
    return () => request.answer({ rtt, preview, ...outcome });
  }

  #notified(data) {
    if (data.event === 'connected') {
      Object.assign(this, { hello: data, notice: null });
      this.#watchSilence(data.heartbeat);
      this.#setState('connected');
    } else if (data.event === 'draining') this.#drain(data.reconnect_after_ms);
    this.#emit('notification', data);
  }

  #watchSilence(heartbeat) {
    const patience = heartbeat?.interval_ms + heartbeat?.timeout_ms;
    if (!(patience > 0)) return;
    const check = () => {
      const left = patience - (performance.now() - this.#heardAt);
      // A dead network answers no close frame, so there is no waiting for it.
      if (left <= 0) this.#close({ code: 4000, silence: Math.round(patience / 1000) }, 0);
      else this.#timers.silence = setTimeout(check, left);
    };
    clearTimeout(this.#timers.silence);
    check();
  }

  /** Our turn to move is drawn from the slots, so that a server's clients do not all come back at the same moment. */
  #drain(slots) {
    if (this.autoReconnect && this.#wanted) {
      const [from, to] = Array.isArray(slots) && slots.every(Number.isFinite) ? slots : [0, BACKOFF_LAST_MS];
      const wait = from + Math.random() * Math.max(0, to - from);
      this.#slotAt = Date.now() + wait;
      clearTimeout(this.#timers.slot);
      this.#timers.slot = setTimeout(() => this.#close({ code: 1000, byPage: true }, CLOSE_GRACE_MS), wait);
    }
    this.notice = { draining: true, at: this.#slotAt };
    this.#setState('draining');
  }

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
    const opened = this.#openedAt !== null;
    this.#stopTimers();
    this.#socket = null;
    this.hello = null;
    this.notice = { code, reason, opened, ...this.#ending };
    // The code that arrived wins over the one that was asked for, except where the browser only says "aborted".
    if (code !== 1006) this.notice.code = code;
    const name = `close ${this.notice.code}`;
    this.#show({ direction: 'local', kind: 'socket', name, text: reason, preview: reason, bytes: 0 });
    for (const { answer } of this.#waiting.values()) answer({ lost: true });
    this.#waiting.clear();
    const comesBack = this.#slotAt !== null || shouldReconnect(this.notice.code);
    if (this.#wanted && this.autoReconnect && comesBack) this.#retryLater();
    this.#setState('disconnected');
  }

  #retryLater() {
    // A server that accepts and closes at once must not be asked twice a second for ever: only a lasting connection
    // resets the backoff.
    if (this.#openedAt !== null && performance.now() - this.#openedAt > STABLE_AFTER_MS) this.#attempts = 0;
    const longest = Math.min(BACKOFF_LAST_MS, BACKOFF_FIRST_MS * 2 ** this.#attempts);
    const backoff = longest * (0.5 + Math.random() / 2);
    const wait = this.#slotAt === null ? backoff : Math.max(0, this.#slotAt - Date.now());
    this.#attempts += 1;
    this.retry = { at: Date.now() + wait, attempt: this.#attempts };
    this.#timers.retry = setTimeout(() => this.connect(this.#address), wait);
  }

  /** The user asked: the first attempt again. */
  forgetFailures() { this.#attempts = 0; }
}
