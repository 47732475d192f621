// A model server behind a fake WebSocket, and a fake clock: what a client does is a list of frames.
import { mock } from 'node:test';

/** Lets everything that waits for promises go on. */
export const settle = () => new Promise((resolve) => { setImmediate(resolve); });

/** Faked timers, `Date` and `performance`; both clocks begin at a fixed time. */
export function fakeTime() {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'], now: 1_795_900_000_000 });
  const begin = Date.now();
  let slept = 0;
  mock.method(performance, 'now', () => Date.now() - begin - slept);
  return {
    /** Passes in steps of at most 100 ms. */
    async pass(ms) {
      for (let left = ms; left > 0; left -= 100) {
        mock.timers.tick(Math.min(left, 100));
        await settle();
      }
    },
    /** The machine sleeps: the wall clock goes on, timers and the monotonic clock stand still. */
    sleep(ms) {
      slept += ms;
      mock.timers.setTime(Date.now() + ms);
    },
    end() { mock.reset(); mock.timers.reset(); },
  };
}

/** One channel store for all channels: history is on. */
export class FakeServer {
  sockets = [];
  /** Frames of clients, parsed. */
  frames = [];
  channels = new Map();
  user = () => null;
  refuse = () => undefined;

  get WebSocket() {
    const server = this;
    return class FakeSocket {
      constructor(url, protocol) {
        Object.assign(this, { url: String(url), protocol, isOpen: false, subscribed: new Set() });
        server.sockets.push(this);
        if (server.isDown) queueMicrotask(() => this.end(undefined));
        else queueMicrotask(() => this.open());
      }

      get readyState() { return this.isOpen ? 1 : 3; }

      open() {
        this.isOpen = true;
        this.beat = setInterval(() => this.isDead || this.frame({ type: 'ping' }), 25_000);
        this.onopen?.({});
        this.say({ event: 'connected', connection_id: 'c', protocol: 1, time: Date.now(), user: null,
          heartbeat: { interval_ms: 25_000, timeout_ms: 10_000 }, limits: { message_bytes_max: 65_536, channels_max: 128 } });
      }

      /** A token must name the connection's user. */
      foreign({ action, payload }) {
        if (action !== 'authenticate') return undefined;
        const before = this.user;
        this.user = server.user(payload.token);
        return before !== undefined && before !== this.user ? { code: 'invalid_token' } : undefined;
      }

      say(data) { this.frame({ type: 'notification', data }); }

      frame(frame) { queueMicrotask(() => this.onmessage?.({ data: JSON.stringify(frame) })); }

      end(code = 1006) {
        this.close();
        this.onclose?.({ code });
      }

      close() {
        this.isOpen = false;
        clearInterval(this.beat);
        this.subscribed.clear();
      }

      send(text) {
        const frame = JSON.parse(text);
        server.frames.push(frame);
        if (this.isDead) return;
        if (frame.type === 'ping') return this.frame({ type: 'pong' });
        if (frame.type !== 'request') return;
        const error = server.refuse(frame, this) ?? this.foreign(frame);
        if (error) return this.frame({ id: frame.id, type: 'error', error: { message: '', retryable: false, ...error } });
        const data = server[frame.action]?.(frame.payload, this) ?? {};
        this.frame({ id: frame.id, type: 'response', data });
        this.after?.();
        this.after = undefined;
      }
    };
  }

  get live() { return this.sockets.filter(({ isOpen }) => isOpen); }

  sent(action) { return this.frames.filter((frame) => frame.action === action || frame.type === action); }

  channel(name) {
    if (!this.channels.has(name)) this.channels.set(name, []);
    return this.channels.get(name);
  }

  authenticate({ token }) { return { user: this.user(token) }; }

  echo({ message }) { return { echo: message }; }

  subscribe({ channel, since, rewind = 0 }, socket) {
    const log = this.channel(channel);
    const after = since ? since.offset : Math.max(0, log.length - rewind);
    socket.subscribed.add(channel);
    socket.after = () => log.slice(after).forEach((publication) => socket.say(publication));
    return { channel, epoch: 'e', offset: log.length, after, ...(since && { recovered: true }) };
  }

  unsubscribe({ channel }, socket) {
    socket.subscribed.delete(channel);
    return { channel };
  }

  publish({ channel, data, msg_id }) {
    const log = this.channel(channel);
    const known = log.find((one) => one.msg_id === msg_id);
    if (known) return { channel, epoch: 'e', offset: known.offset, ack: 'memory', duplicate: true };
    const publication = { event: 'publication', channel, offset: log.length + 1, data, time: Date.now(), msg_id };
    log.push(publication);
    for (const socket of this.live) if (socket.subscribed.has(channel)) socket.say(publication);
    return { channel, epoch: 'e', offset: publication.offset, ack: 'memory', duplicate: false };
  }
}
