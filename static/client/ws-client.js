/* @ts-self-types="./ws-client.d.ts" */
// A client of ws-server: it reconnects, renews tokens, subscribes again from where it was, and sends what was published
// offline. No dependencies; importing it touches no global.
//
// First comes the state machine of docs/CLIENTS.md: no I/O, no clock, no chance, in the words of that page. `connect`
// below is the shell around it: sockets, timers, promises.

const TIMERS = {
  connect: 1e4, request: 1e4, backoff_min: 500, backoff_max: 2e4, stable: 1e4, probe: 4e3, token: 3e4, linger: 1e3,
  refused: 3e4, store: 2e3, store_retry: 3e4, save: 1e3,
};
const STATES = ['idle', 'connecting', 'connecting', 'connected', 'waiting', 'closed'];
const IDLE = 0, ASKING = 1, DIALING = 2, CONNECTED = 3, WAITING = 4, CLOSED = 5;
// `authenticate`: to be sent, sent, waits for another token, done.
const NEEDED = 0, SENT = 1, OTHER = 2, DONE = 3;
// A channel; LEAVING: `unsubscribe` is to be sent, LEFT: it was sent.
const CHANNEL_STATES = ['off', 'subscribing', 'subscribing', 'catching up', 'live', 'subscribing', 'subscribing', 'refused'];
const OFF = 0, WANTED = 1, SUBSCRIBING = 2, CATCHING_UP = 3, LIVE = 4, LEAVING = 5, LEFT = 6, REFUSED = 7;
// A publication: waits, waits for the store to have its `first_sent`, may go out, waits for its answer.
const QUEUED = 0, STORING = 1, STORED = 2, FLYING = 3;
const { stringify } = JSON;
const { min, max, floor, ceil } = Math;
const byteLength = (text) => encodeURIComponent(text.replace(/[\ud800-\udfff]/gu, '???')).replace(/%../g, '-').length;
const isOpen = ({ phase }) => phase === CATCHING_UP || phase === LIVE;
const rejected = ({ code, message, retryable }) => ({ kind: 'rejected', code, message, retryable });
const some = (list) => (list.length ? list : undefined);

/** Returns `(at, wall, draw, input, fields) => { out, timer }`; docs/CLIENTS.md says what they mean. */
export function machine(options) {
  const { provider, store, entries: entriesMax = 1e3, bytes: bytesMax = 1 << 22, max_age: ageMax = 864e5 } = options;
  const timers = { ...TIMERS, ...options.timers };
  const channels = new Map(), readers = new Map(), flights = new Map(), waits = new Map(), recent = new Set();
  // Time `t` grows by the larger of what both clocks say.
  let out = [], draw, t = 0, at, wall, tickBy;
  // The connection.
  let phase = IDLE, until, attempt = 0, n = 0, hasWaited, share, error, slot, wasExpired, wasRemade, ahead = 0, wokenAt, closing, isHidden;
  let isLinked, connectBy, isGreeted, login, loginAt, isFresh, isForced, mustRefresh, upSince, heard, silence, probeBy, frameMax;
  // Identity.
  let user, token, tokenUser, expires, isStale, isNew, generation = 0, answerBy, isLogin, askAt, throws = 0, logins = [];
  // Requests and their pace.
  let ids = 0, requests = [], window = 16, hold = 0, pace, paceAt, lastSent, refusals = [];
  let outbox = [], bytes = 0, removed = [];
  let storeState = '', storeError, retryAt, op = 0, opBy, saveAt = 0;
  let toldPending = 0, toldStatus, told, unsent;

  const emit = (name, fields) => out.push({ [name]: fields });
  const below = (bound) => floor(draw() * bound);
  const backoff = (n, least = timers.backoff_min, most = timers.backoff_max) => below(min(most, least * 2 ** n));
  const since = (stamp) => max(t - stamp.t, wall - stamp.wall);
  const failed = (kind, message) => ({ kind, message });

  // --- the connection

  function use() {
    if (phase || isHidden || closing !== undefined) return;
    openStore('');
    begin();
  }

  function begin(isWoken) {
    askAt = undefined;
    const left = expires - wall - ahead;
    const why = !provider ? '' : token === undefined ? 'connect' : isStale ? 'expired' : isNew ? ''
      : left <= 0 ? 'expired' : left < 3e4 ? 'expiring' : '';
    if (!why) return dial();
    if (isWoken && !answerBy && why === 'expiring') {
      askAt = t + below(2e3);
      return dial();
    }
    phase = ASKING;
    if (!answerBy) ask(why);
  }

  function dial(isAsked) {
    phase = DIALING;
    isLinked = true;
    connectBy = t + timers.connect;
    isFresh = isAsked;
    isGreeted = isForced = mustRefresh = false;
    login = NEEDED;
    loginAt = upSince = heard = hold = 0;
    probeBy = undefined;
    window = 16;
    emit('dial', { attempt: ++attempt });
  }

  function up(as = null) {
    login = DONE;
    isForced = false;
    upSince = t;
    phase = CONNECTED;
    isNew = hasWaited = false;
    error = share = undefined;
    if (user !== undefined && user !== as) {
      dismiss();
      for (const channel of channels.values()) {
        // A token that is asked for is that of the user before.
        channel.token = channel.isAsked = undefined;
        channel.isUnsaved = channel.isRead = channel.hasFailed = false;
        if (channel.phase === REFUSED) close(channel);
        for (const reader of channel.readers) {
          reader.cursor = reader.taken = undefined;
          for (const one of reader.queue) one.cursor = undefined;
        }
      }
    }
    user = as;
    claim();
    succeed();
  }

  /** What belongs to nobody yet belongs to the user of the connection, if there is one. */
  function claim() {
    if (phase !== CONNECTED) return;
    for (const item of outbox) {
      if (item.entry.user !== undefined) continue;
      item.entry.user = user;
      item.isUnsaved = true;
    }
  }

  function ended({ code, status, retry_after, message }) {
    error = { kind: 'lost', message, close: code ?? 1006, status, cause: code ? undefined : 'socket' };
    if (code === 1009) {
      // The largest frame, whatever it was.
      const [largest] = [...flights.values()].sort((a, b) => b.size - a.size);
      largest?.tooLarge?.();
      if (largest) largest.request = 0;
    }
    unlink();
    if ([1002, 1003, 1007, 1010].includes(code) || code >= 4500) return finish();
    if (code === 4002) {
      isStale = true;
      if (!wasExpired && slot === undefined) {
        wasExpired = true;
        return begin();
      }
      wasExpired = true;
    }
    const isRefused = [1008, 4005, 4006].includes(code) || (!code && status >= 400 && status <= 428);
    if (isRefused) slot = undefined;
    wait(isRefused ? timers.refused : min(retry_after ?? 0, 36e5));
  }

  /** What the client itself finds wrong. */
  function broken(cause) {
    error = { kind: 'lost', close: 1006, cause };
    drop();
    if (cause === 'probe') begin();
    else wait(0);
  }

  function wait(least) {
    const mine = slot;
    slot = undefined;
    if (mine <= t) return begin();
    phase = WAITING;
    until = mine ?? t + least + spread();
  }

  /** The first wait of an outage is drawn, the others are one share of their bounds: so that a crowd comes back evenly. */
  function spread() {
    if (!hasWaited) {
      hasWaited = true;
      return backoff(n++);
    }
    if (!share) {
      const drawn = draw();
      share = 0.5 + drawn * (2 + drawn) / 6;
    }
    return min(timers.backoff_max, floor(share * timers.backoff_min * 2 ** min(n++, 20)));
  }

  function drop(code) {
    if (!isLinked) return;
    emit('drop', { attempt, code });
    unlink();
  }

  /** What was under way is taken back. */
  function unlink() {
    if (phase === CONNECTED && t - upSince >= timers.stable) {
      n = 0;
      wasExpired = wasRemade = false;
    }
    isLinked = false;
    for (const { request } of flights.values()) if (request) emit('answer', { request, error: failed('lost') });
    flights.clear();
    for (const item of [...outbox]) {
      if (item.stage === FLYING) doubt(item);
      else if (!item.wasSent) unsend(item);
      if (item.seen) acknowledge(item, item.seen);
    }
    waits.clear();
    for (const channel of channels.values()) if (channel.phase !== REFUSED) close(channel);
  }

  function remake() {
    drop(1e3);
    askAt = undefined;
    dial(true);
  }

  function wake(isOnline) {
    if (isOnline && !phase) return use();
    // A probe leaves the next wake alone: `offline` comes right before `online`.
    if (!isOnline) return phase === CONNECTED && probe();
    if (t < wokenAt + 1e3) return;
    wokenAt = t;
    openStore('left');
    if (phase === WAITING) begin(true);
    else if (phase === CONNECTED) probe();
  }

  function probe() {
    if (probeBy) return;
    probeBy = t + timers.probe;
    emit('send', { text: '{"type":"ping"}' });
  }

  /** Nobody was awake: a connection is not judged by that time. */
  function slept() {
    if (opBy) opBy = max(opBy, t + timers.store);
    if (answerBy) answerBy = max(answerBy, t + timers.probe);
    if (phase === CONNECTED) {
      heard = t;
      probeBy = undefined;
      for (const flight of flights.values()) flight.by = max(flight.by, t + timers.probe);
    }
    if (phase) wake(true);
    if (phase === CONNECTED) probe();
  }

  function finish(why) {
    if (phase === CLOSED) return;
    if (why) error = why;
    abortAsk();
    drop(1e3);
    phase = CLOSED;
    for (const { request } of requests) emit('answer', { request, error: failed('closed') });
    endLogins(failed('closed'));
    unsent = pending();
    for (const { entry, wasSent, isKept } of outbox) {
      const end = failed(wasSent ? 'unknown' : 'closed');
      emit('settle', { msg_id: entry.msg_id, error: end, entry, kept: isKept || storeState === 'ready' || undefined });
    }
  }

  /** Waits no more for the network, but for a store that is about to take what is left. */
  function closeNow() {
    if (storeState !== 'first' || !outbox.length) return finish();
    closing = opBy;
    abortAsk();
    drop(1e3);
    phase = IDLE;
  }

  // --- the token

  function abortAsk() {
    if (answerBy) emit('abort_ask', { generation });
    answerBy = undefined;
  }

  function ask(why, forLogin) {
    abortAsk();
    askAt = undefined;
    answerBy = t + timers.token;
    isLogin = forLogin;
    emit('ask', { generation: ++generation, why });
  }

  function endLogins(why) {
    for (const login of logins.splice(0)) emit('logged_in', { login, error: why });
  }

  function succeed() {
    if (!answerBy || !isLogin) endLogins();
  }

  function given({ token: next, user: sub, expires: end }) {
    answerBy = undefined;
    const isOther = user === null || user === undefined ? next !== null
      : next === null || (sub === undefined ? isLogin && tokenUser !== undefined : sub !== user);
    token = next;
    tokenUser = sub;
    expires = end;
    isStale = false;
    isNew = true;
    throws = 0;
    if (phase === ASKING) dial(true);
    else if (phase === DIALING) {
      if (next === null || isLogin) return remake();
      isFresh = true;
      if (login === OTHER) {
        login = NEEDED;
        loginAt = t;
      } else if (login === SENT) mustRefresh = true;
    } else if (phase === CONNECTED) {
      if (isOther) remake();
      else if (next === null) succeed();
      else mustRefresh = true;
    }
  }

  function notGiven({ denied, retry_after, message }) {
    answerBy = undefined;
    const why = failed(denied ? 'denied' : 'token', message);
    if (isLogin) endLogins(why);
    else if (denied) return finish(why);
    if (phase === ASKING || (phase === DIALING && login === OTHER)) {
      drop(1e3);
      error = why;
      wait(retry_after ?? 0);
    } else if (phase === CONNECTED && (!isLogin || isStale)) {
      const drawn = backoff(throws++, 1e3, 3e4);
      askAt = t + (retry_after ?? max(drawn, 1e3));
    }
  }

  function askAgain() {
    isStale = true;
    if (!answerBy) ask('expired');
  }

  /** What is under way was asked for as somebody else: a refusal says nothing. */
  const dismiss = () => flights.forEach((flight) => { flight.isVoid = true; });

  function refused(why, of) {
    const { code } = why;
    const later = why.retryable && t + (why.retry_after_ms ?? backoff(0));
    if (phase === CONNECTED) {
      if (code === 'token_expired' && !isForced) {
        isForced = true;
        askAgain();
      }
      else if (code === 'invalid_token' && !wasRemade) {
        wasRemade = true;
        remake();
      } else if (later) askAt = later;
      else finish(rejected(why));
    } else if (of !== generation && !answerBy) {
      login = NEEDED;
      loginAt = t;
    } else if (provider && !isForced && (code === 'token_expired' || (code === 'invalid_token' && !isFresh))) {
      isForced = true;
      login = OTHER;
      dismiss();
      askAgain();
    } else if (later) {
      dismiss();
      login = NEEDED;
      loginAt = later;
    } else finish(rejected(why));
  }

  // --- requests

  /** `tooLarge` ends what no frame can hold, before it is sent or after 1009. */
  function send(action, payload, ok, no, tooLarge, request) {
    const text = `{"id":"${ids + 1}","type":"request","action":${stringify(action)},"payload":${payload}}`;
    const size = byteLength(text);
    if (tooLarge && size > frameMax) return tooLarge();
    flights.set(`${++ids}`, { ok, no, tooLarge, request, size, sent: t, by: t + timers.request });
    lastSent = t;
    emit('send', { text });
  }

  function sendToken(isFirst) {
    mustRefresh = false;
    if (isFirst) login = SENT;
    if (!token) return;
    const from = {}, of = generation;
    if (isFirst) {
      for (const channel of channels.values()) {
        const place = channel.isServers && lowest(channel, 'cursor');
        if (place) from[channel.name] = place;
      }
    }
    send('authenticate', stringify({ token, since: some(Object.keys(from)) && from }), (data) => {
      if (of === generation || answerBy) expires = data.expires_at ?? expires;
      if (phase !== CONNECTED) return up(data.user);
      isForced = wasRemade = false;
      succeed();
    }, (why) => refused(why, of));
  }

  /** Sends what may go out; when there may be more. */
  function pump() {
    for (const channel of channels.values()) prepare(channel);
    for (;;) {
      if (!isLinked || !isGreeted || flights.size >= window) return;
      const open = max(hold, lastSent + ceil(pace) || 0);
      if (open > t) return open;
      const next = step();
      if (next !== true) return next;
    }
  }

  function step() {
    if (login === NEEDED && loginAt > t) return loginAt;
    if (login === OTHER) return;
    if (login === NEEDED || (login === DONE && mustRefresh)) {
      sendToken(login === NEEDED);
      return true;
    }
    let next;
    for (const channel of channels.values()) {
      const { name, token, readers } = channel;
      if (channel.phase === LEAVING) {
        const left = () => channel.phase === LEFT && close(channel, true);
        channel.phase = LEFT;
        send('unsubscribe', stringify({ channel: name }), left, ({ code }) => {
          if (code !== 'rate_limited') left();
          else if (channel.phase === LEFT) channel.phase = LEAVING;
        });
        return true;
      }
      if (channel.phase !== WANTED) continue;
      if (channel.at > t) next = min(next ?? channel.at, channel.at);
      if (channel.at > t || (channel.needsToken && token === undefined)) continue;
      if (readers.every((reader) => reader.isPaused) || readers.some((reader) => reader.stored)) continue;
      const from = lowest(channel, 'cursor');
      const rewind = from ? 0 : max(0, ...readers.map((reader) => reader.rewind ?? 0));
      channel.phase = SUBSCRIBING;
      channel.rewind = rewind;
      const payload = stringify({ channel: name, since: from, rewind: rewind || undefined, token });
      send('subscribe', payload, (data) => channel.phase === SUBSCRIBING && start(channel, data), (why, isVoid) => {
        if (channel.phase !== SUBSCRIBING) return;
        if (isVoid || why.code === 'rate_limited') channel.phase = WANTED;
        else if (why.code === 'already_subscribed') channel.phase = LEAVING;
        else turnAway(channel, why);
      });
      return true;
    }
    if (phase !== CONNECTED) return next;
    if (requests.length) {
      const { request, action, payload } = requests.shift();
      const answer = (data) => emit('answer', { request, data });
      const fails = (error) => emit('answer', { request, error });
      send(action, payload, answer, (why) => fails(rejected(why)), () => fails(failed('too_large')), request);
      return true;
    }
    for (const { at } of waits.values()) if (at > t) next = min(next ?? at, at);
    return storeState !== 'first' && publishNext() || next;
  }

  function answered({ id, type, data, error: why }) {
    const flight = flights.get(id);
    if (!flight) return;
    flights.delete(id);
    if (why?.code === 'rate_limited') {
      const wait = why.retry_after_ms ?? 0;
      hold = max(hold, t + wait);
      window = 1;
      refusals = [...refusals.filter((when) => when + 1e3 > t).slice(-3), t];
      if (pace === undefined || flight.sent > paceAt) {
        pace = min(pace === undefined ? wait : pace * 2, 1e4);
        paceAt = t;
      }
      if (refusals.length > 3) pace = max(pace, 100);
    } else {
      pace *= t >= (refusals.at(-1) ?? -1e4) + 1e4 ? 0.9 : 0.99;
      if (!(pace >= 1)) pace = undefined;
      window = min(16, window + 1);
    }
    if (type === 'error') flight.no(why, flight.isVoid);
    else flight.ok(data);
  }

  // --- channels

  function channelOf(name) {
    if (!channels.has(name)) channels.set(name, { name, phase: OFF, readers: [], n: 0, at: 0, generation: 0, told: 'off' });
    return channels.get(name);
  }

  /** It is not subscribed any more: wanted where there are readers, who notice nothing of a restart. */
  function close(channel, isRestart) {
    channel.phase = channel.readers.length ? WANTED : OFF;
    channel.cursor = undefined;
    if (!channel.readers.length) channel.linger = undefined;
    for (const reader of channel.readers) reader.isLive &&= isRestart;
  }

  /** The lowest position in the epoch of the first reader that has one. */
  function lowest({ readers }, key) {
    const all = readers.map((reader) => reader[key]).filter(Boolean);
    return all.reduce((low, place) => (place.epoch === low.epoch && place.offset < low.offset ? place : low), all[0]);
  }

  function prepare(channel) {
    const { name, readers } = channel;
    if (phase === CONNECTED && !channel.isRead && readers.some(({ stored }) => stored)) {
      if (storeState === 'ready') {
        channel.isRead = true;
        emit('read_position', { channel: name, user });
      } else if (storeState === 'lost' || !storeState) {
        readFrom(channel, undefined, storeState);
      }
    }
    if (channel.needsToken && channel.token === undefined && !channel.isAsked && channel.phase === WANTED && t >= channel.at) {
      channel.isAsked = true;
      emit('ask_channel', { channel: name, generation: ++channel.generation });
    }
  }

  /** `isLost`: nobody knows where its readers were. */
  function readFrom(channel, position, isLost) {
    if (isLost) for (const reader of channel.readers) if (reader.stored) deliver(channel, reader, { type: 'gap' });
    channel.isRead = channel.hasFailed = false;
    channel.isUnsaved ||= !position && storeState === 'ready';
    for (const reader of channel.readers.filter(({ stored }) => stored)) {
      reader.stored = false;
      reader.cursor = reader.taken = position;
      join(channel, reader);
    }
  }

  function moveTo(reader, epoch, offset) {
    reader.cursor = { epoch, offset };
    reader.taken ??= reader.cursor;
  }

  function restart(channel) {
    if (isOpen(channel) || channel.phase === SUBSCRIBING) channel.phase = LEAVING;
  }

  /** A reader comes to a channel that is open. */
  function join(channel, reader) {
    if (!isOpen(channel)) return;
    const { cursor: here, top } = channel;
    const { cursor, rewind } = reader;
    reader.rewind = 0;
    if (!here) {
      reader.recovered = cursor || rewind ? false : undefined;
      reader.cursor = reader.taken = undefined;
    } else {
      const newest = max(here.offset, top);
      if (rewind) {
        moveTo(reader, here.epoch, max(0, newest - rewind));
        reader.isRewinding = true;
        return restart(channel);
      }
      if (!cursor) moveTo(reader, here.epoch, newest);
      else if (cursor.epoch !== here.epoch || cursor.offset < here.offset || cursor.offset > newest) return restart(channel);
      else reader.recovered = true;
    }
    goLive(channel);
  }

  function turnAway(channel, why) {
    const isExpired = why.code === 'token_expired' && channel.needsToken;
    if (isExpired) {
      channel.token = undefined;
      if (!channel.hasExpired) {
        channel.hasExpired = true;
        return close(channel);
      }
    }
    if (isExpired || why.retryable) later(channel, why.retry_after_ms);
    else end(channel, rejected(why));
  }

  function later(channel, ms) {
    channel.at = t + (ms ?? backoff(channel.n));
    channel.n += 1;
    close(channel);
  }

  function end(channel, why) {
    close(channel);
    channel.phase = REFUSED;
    channel.error = why;
    for (const reader of channel.readers) deliver(channel, reader, { type: 'refused', error: why });
  }

  /** The server has subscribed: every reader finds its place. */
  function start(channel, { epoch, offset, after, gap }) {
    if (epoch !== undefined && after === undefined && isOpen(channel)) return;
    channel.n = channel.at = 0;
    channel.hasExpired = false;
    const has = epoch !== undefined && after !== undefined;
    channel.cursor = has ? { epoch, offset: after } : undefined;
    channel.top = offset ?? after;
    channel.phase = has && after < channel.top ? CATCHING_UP : LIVE;
    let isLate;
    for (const reader of channel.readers) {
      if (has) isLate = place(channel, reader, epoch, after, gap) || isLate;
      else {
        reader.recovered = reader.wasLive || reader.rewind ? false : undefined;
        reader.cursor = reader.taken = undefined;
        reader.rewind = 0;
        reader.isLive = false;
      }
    }
    if (isLate) restart(channel);
    else goLive(channel);
  }

  /** Whether the subscription begins too late for this reader. */
  function place(channel, reader, epoch, after, gap) {
    if (reader.isPaused || reader.stored) return;
    const { cursor, isRewinding, rewind } = reader;
    const { top } = channel;
    reader.isRewinding = false;
    reader.recovered = reader.wasLive ? false : undefined;
    if (!cursor) {
      const from = rewind ? max(0, top - rewind) : top;
      const isLate = rewind > channel.rewind && from < after;
      reader.rewind = 0;
      reader.isLive = false;
      reader.isRewinding = isLate;
      moveTo(reader, epoch, isLate ? from : max(from, after));
      return isLate;
    }
    let event, to = after;
    if (cursor.epoch !== epoch || cursor.offset > top) event = { type: 'gap', epoch, after };
    else if (cursor.offset < gap?.to) {
      ({ to } = gap);
      event = { type: 'gap', from: max(gap.from, cursor.offset + 1), to };
    } else if (cursor.offset < after && !isRewinding) return true;
    reader.recovered = isRewinding ? undefined : !event;
    reader.isLive &&= !event;
    if (event || cursor.offset < after) moveTo(reader, epoch, to);
    if (event && !isRewinding) deliver(channel, reader, event);
  }

  function goLive(channel) {
    if (channel.phase === CATCHING_UP && channel.cursor.offset >= channel.top) channel.phase = LIVE;
    for (const reader of channel.readers) {
      if (channel.phase !== LIVE) return;
      if (reader.isLive || reader.isPaused || reader.stored) continue;
      const { cursor: position, recovered } = reader;
      reader.isLive = reader.wasLive = true;
      reader.recovered = undefined;
      deliver(channel, reader, { type: 'live', position, recovered });
    }
  }

  function deliver(channel, reader, event, size = 0) {
    reader.queue.push({ size, cursor: reader.cursor });
    reader.bytes += size;
    reader.isPaused ||= reader.queue.length >= 1024 || reader.bytes >= 1 << 22;
    emit('deliver', { reader: reader.id, event });
    if (channel.cursor && channel.readers.every(({ isPaused }) => isPaused)) restart(channel);
  }

  function taken(reader) {
    const { channel, queue } = reader;
    const one = queue.shift();
    if (!one) return;
    reader.bytes -= one.size;
    if (one.cursor) {
      channel.isUnsaved ||= one.cursor !== reader.taken;
      reader.taken = one.cursor;
    }
    if (!reader.isPaused || queue.length > 512 || reader.bytes > 1 << 21) return;
    reader.isPaused = false;
    if (!isOpen(channel)) return;
    const { cursor } = channel;
    if (cursor?.epoch !== reader.cursor?.epoch || cursor?.offset !== reader.cursor?.offset) return restart(channel);
    const { missed } = reader;
    reader.missed = 0;
    if (missed) deliver(channel, reader, { type: 'gap', missed });
    goLive(channel);
  }

  function inChannel(channel, { event: type, channel: _, ...event }, size) {
    if (!isOpen(channel)) return;
    if (type === 'unsubscribed') {
      channel.isServers = false;
      const { code, reason: message, retryable } = event;
      if (!channel.readers.length) close(channel);
      else turnAway(channel, { code: code === 'unsubscribed' ? undefined : code, message, retryable });
      return;
    }
    const { offset, epoch, after, from, to } = event;
    const reached = offset ?? to;
    const { cursor } = channel;
    const isGap = type === 'gap';
    if (isGap && epoch) {
      if (cursor?.epoch === epoch && cursor.offset >= after) return;
      channel.cursor = { epoch, offset: after };
      channel.top = after;
      channel.phase = LIVE;
    } else if (reached) {
      if (!cursor || cursor.offset >= reached) return;
      channel.cursor = { ...cursor, offset: reached };
    }
    for (const reader of channel.readers) {
      const { cursor: place } = reader;
      const isBehind = place?.epoch === cursor?.epoch && place?.offset < reached;
      if (reader.stored) continue;
      if (reader.isPaused) reader.missed += type === 'publication' && !offset;
      else if (isGap && epoch) {
        moveTo(reader, epoch, after);
        deliver(channel, reader, { type, epoch, after });
      } else if (!reached) deliver(channel, reader, { type, ...event }, size);
      else if (isBehind) {
        moveTo(reader, place.epoch, reached);
        deliver(channel, reader, isGap ? { type, from: max(from, place.offset + 1), to } : { type, ...event }, size);
      }
    }
    goLive(channel);
  }

  function notified(data, size) {
    const { event, channel: name } = data;
    const channel = channels.get(name);
    if (event === 'connected') {
      if (isGreeted) return;
      isGreeted = true;
      silence = data.heartbeat.interval_ms + data.heartbeat.timeout_ms;
      frameMax = data.limits.message_bytes_max;
      ahead = data.time - wall;
      if (!token) up(data.user);
    } else if (event === 'draining') {
      const [least, most] = data.reconnect_after_ms;
      slot ??= t + least + below(most - least);
    } else if (event === 'token_expiring') {
      if (provider && !answerBy && phase === CONNECTED) ask('expiring');
    } else if (event === 'subscribed') {
      const opened = channelOf(name);
      opened.isServers = true;
      if (opened.phase === LEAVING || opened.phase === LEFT) return;
      if (!isOpen(opened)) opened.rewind = 0;
      start(opened, data);
    } else if (!name) emit('notification', { data });
    else {
      if (event === 'publication') {
        const item = find(data.msg_id);
        if (item && item.entry.channel === name && item.wasSent) {
          const epoch = data.offset && channel?.cursor?.epoch;
          const ack = { position: epoch ? { epoch, offset: data.offset } : undefined, duplicate: false };
          if (item.stage === FLYING) item.seen = ack;
          else acknowledge(item, ack);
        }
        data.own = !!item || recent.has(data.msg_id);
      }
      if (channel) inChannel(channel, data, size);
    }
  }

  // --- the outbox

  const pending = () => outbox.filter(({ entry }) => user === undefined || entry.user === undefined || entry.user === user).length;
  const find = (id) => outbox.find(({ entry }) => entry.msg_id === id);
  const itemOf = (entry) => ({ entry, size: byteLength(entry.data + Object.entries(entry.tags ?? {}).flat().join('')), created: { t, wall }, stage: QUEUED, isUnsaved: true });

  function publish({ msg_id, channel, data, tags, max_age = ageMax }) {
    use();
    const owner = phase === CONNECTED ? user : token === null ? null : (token && tokenUser) ?? user;
    const item = itemOf({ msg_id, channel, data, tags, created: wall, max_age, user: owner });
    const kind = closing !== undefined ? 'closed' : outbox.length >= entriesMax || bytes + item.size > bytesMax ? 'full' : '';
    if (kind) return emit('settle', { msg_id, error: failed(kind), entry: item.entry });
    bytes += item.size;
    outbox.push(item);
  }

  function adopt(entries) {
    const adopted = [];
    for (const entry of entries) {
      if (recent.has(entry.msg_id)) removed.push(entry.msg_id);
      else if (!find(entry.msg_id)) {
        const item = itemOf(entry);
        item.created.wall = min(wall, entry.created);
        item.wasSent = item.isInDoubt = entry.first_sent !== undefined;
        item.isAdopted = item.isPut = item.isKept = true;
        item.isUnsaved = false;
        bytes += item.size;
        adopted.push(item);
      }
    }
    outbox.splice(outbox.filter(({ isAdopted }) => isAdopted).length, 0, ...adopted);
    claim();
  }

  /** Nobody knows what became of its last sending. */
  function doubt(item) {
    item.stage = QUEUED;
    item.isInDoubt = true;
  }

  /** Its last sending published nothing. Without an earlier one in doubt, it counts as never sent. */
  function unsend(item) {
    item.stage = QUEUED;
    if (!item.isInDoubt) item.entry.first_sent = item.sent = item.wasSent = undefined;
  }

  function remove(item) {
    const { msg_id, channel } = item.entry;
    outbox.splice(outbox.indexOf(item), 1);
    bytes -= item.size;
    recent.add(msg_id);
    if (recent.size > 1e3) recent.delete(recent.values().next().value);
    if (!outbox.some(({ entry }) => entry.channel === channel)) waits.delete(channel);
    if (storeState === 'ready') removed.push(msg_id);
    return msg_id;
  }

  const acknowledge = (item, ack) => emit('settle', { msg_id: remove(item), ack });
  const fail = (item, why) => emit('settle', { msg_id: remove(item), error: why, entry: item.entry });

  /** Sends, or has stored, the first publication that may go out; whether there was one. */
  function publishNext() {
    const busy = new Set(outbox.filter(({ stage }) => stage & 1).map(({ entry }) => entry.channel));
    for (const item of outbox) {
      const { entry } = item;
      const { msg_id, channel, data, tags } = entry;
      if (entry.user !== user || busy.has(channel)) continue;
      busy.add(channel);
      if (waits.get(channel)?.at > t) continue;
      // The subscription that waits for the store goes first.
      if (entry.max_age && /ready|first|again/.test(storeState) && channels.get(channel)?.readers.some(({ stored }) => stored)) continue;
      if (!item.wasSent && item.stage === QUEUED) {
        entry.first_sent = wall;
        item.sent = { t, wall };
        if (storeState === 'ready') {
          item.stage = STORING;
          item.isUnsaved = true;
          return true;
        }
      }
      const age = !item.wasSent ? undefined : wall < entry.first_sent ? entry.max_age
        : timers.request + (item.sent ? since(item.sent) : wall - entry.first_sent);
      const rest = stringify({ msg_id, age_ms: age, tags }).slice(1);
      const text = `{"channel":${stringify(channel)},"data":${data},${rest}`;
      item.stage = FLYING;
      item.wasSent = true;
      send('publish', text, ({ epoch, offset, ack: level, duplicate }) => {
        if (outbox.includes(item)) acknowledge(item, { position: epoch && { epoch, offset }, level, duplicate });
      }, (why) => outbox.includes(item) && notPublished(item, why), () => {
        // What became of an earlier sending nobody knows.
        if (!item.seen) fail(item, failed(item.isInDoubt ? 'unknown' : 'too_large'));
      });
      return true;
    }
  }

  function notPublished(item, why) {
    const { code, message, retryable } = why;
    const { channel } = item.entry;
    if (item.seen) return acknowledge(item, item.seen);
    if (code === 'unknown_outcome') return fail(item, { kind: 'unknown', code, message, retryable });
    if (code !== 'rate_limited' && !retryable) return fail(item, rejected(why));
    if (code === 'rate_limited' || code === 'overloaded') unsend(item);
    else doubt(item);
    if (code === 'rate_limited') return;
    const tries = waits.get(channel)?.tries ?? 0;
    waits.set(channel, { at: t + (why.retry_after_ms ?? backoff(tries)), tries: tries + 1 });
  }

  const left = ({ entry, created }) => max(0, entry.max_age - since(created));

  function expire(which) {
    for (const item of outbox.filter(which)) {
      if (item.stage === QUEUED && !left(item)) fail(item, failed(item.wasSent ? 'unknown' : 'expired'));
    }
  }

  // --- the store

  // 'left': what it keeps may still be read when it is open again; 'lost': it could not be opened.
  const isLeft = () => storeState === 'left' || storeState === 'lost';

  /** Opens it if it was not used, or was left. */
  function openStore(from) {
    if (!store || (from ? !isLeft() : storeState)) return;
    storeState = from ? 'again' : 'first';
    work({ open: true });
  }

  function work(what) {
    opBy = t + timers.store;
    emit('store', { op: ++op, ...what });
  }

  function release() {
    for (const item of outbox) if (item.stage === STORING && (!item.isUnsaved || storeState !== 'ready')) item.stage = STORED;
  }

  function leaveStore(message) {
    opBy = undefined;
    storeState = storeState === 'ready' ? 'left' : 'lost';
    retryAt = t + timers.store_retry;
    storeError = failed('store', message);
    release();
  }

  function write() {
    const isEnd = phase === CLOSED;
    if (storeState !== 'ready' || (opBy && !isEnd)) return;
    const puts = outbox.filter(({ isUnsaved }) => isUnsaved);
    for (const item of puts) {
      item.isUnsaved = false;
      item.isPut = true;
    }
    const positions = [];
    if (user !== undefined && (isEnd || saveAt <= t)) {
      for (const channel of channels.values()) {
        const position = channel.isUnsaved && lowest(channel, 'taken');
        if (!position) continue;
        channel.isUnsaved = false;
        positions.push({ user, channel: channel.name, position });
      }
    }
    if (positions.length) saveAt = t + timers.save;
    const batch = { put: some(puts.map(({ entry }) => entry)), remove: some(removed), positions: some(positions) };
    removed = [];
    if (batch.put || batch.remove || batch.positions) work(batch);
  }

  // --- inputs

  const ofOp = (run) => (fields) => {
    if (fields.op !== op || !opBy) return;
    opBy = undefined;
    run(fields);
  };
  const ofAttempt = (run) => (fields) => isLinked && fields.attempt === attempt && run(fields);
  const ofQuestion = (run) => (fields) => answerBy && fields.generation === generation && run(fields);
  const ofChannel = (run) => (fields) => {
    const channel = channels.get(fields.channel);
    if (!channel?.isAsked || channel.generation !== fields.generation) return;
    channel.isAsked = false;
    run(channel, fields);
  };
  const hear = () => { heard = t; };

  const inputs = {
    loaded: ofOp(({ entries }) => {
      const hasOwn = outbox.length;
      storeState = 'ready';
      storeError = undefined;
      adopt(entries);
      if (hasOwn) for (const item of outbox) item.isUnsaved = true;
    }),
    adopted: ({ entries }) => adopt(entries),
    stored: ofOp(() => {
      for (const item of outbox) item.isKept ||= item.isPut;
      release();
    }),
    store_failed: ofOp(({ message }) => leaveStore(message)),
    position({ channel: name, user: of, position }) {
      const channel = channels.get(name);
      if (channel && of === user) readFrom(channel, position);
    },
    position_failed({ channel: name, user: of, message }) {
      const channel = channels.get(name);
      if (channel && of === user) {
        channel.isRead = false;
        if (channel.hasFailed) return readFrom(channel, undefined, true);
        channel.hasFailed = true;
      }
      if (storeState === 'ready') leaveStore(message);
    },
    subscribe({ reader: id, channel: name, since: cursor, rewind, stored, token }) {
      use();
      const channel = channelOf(name);
      const reader = { id, channel, cursor, taken: cursor, rewind, stored, queue: [], bytes: 0, missed: 0 };
      channel.linger = undefined;
      channel.needsToken ||= token;
      channel.readers.push(reader);
      readers.set(id, reader);
      if (!stored) join(channel, reader);
      if (channel.phase === OFF || channel.phase === REFUSED) channel.phase = WANTED;
    },
    unsubscribe({ reader: id }) {
      const reader = readers.get(id);
      if (!reader) return;
      const { channel } = reader;
      readers.delete(id);
      channel.readers = channel.readers.filter((other) => other !== reader);
      if (channel.readers.length) return;
      channel.needsToken = channel.token = channel.isAsked = channel.hasExpired = channel.hasFailed = undefined;
      if (channel.phase === WANTED || channel.phase === REFUSED) channel.phase = OFF;
      else channel.linger = t + timers.linger;
    },
    taken: ({ reader }) => readers.has(reader) && taken(readers.get(reader)),
    publish,
    abort({ msg_id }) {
      const item = find(msg_id);
      if (item && !item.wasSent && !(item.stage & 1)) fail(item, failed('aborted'));
    },
    request(request) {
      use();
      const kind = closing !== undefined ? 'closed' : requests.length >= 1e3 ? 'full' : '';
      if (kind) emit('answer', { request: request.request, error: failed(kind) });
      else requests.push(request);
    },
    forget({ request: id }) { requests = requests.filter(({ request }) => request !== id); },
    login({ login: id }) {
      if (!provider || closing !== undefined) return emit('logged_in', { login: id, error: failed(provider ? 'closed' : 'denied') });
      logins.push(id);
      if (!phase || phase === WAITING) {
        phase = ASKING;
        openStore('');
      }
      ask('connect', true);
    },
    wake: () => wake(true),
    probe: () => wake(),
    hide() {
      if (!phase) return;
      isHidden = true;
      saveAt = t;
      abortAsk();
      drop(1e3);
      phase = IDLE;
    },
    show() {
      if (!isHidden) return;
      isHidden = false;
      use();
    },
    close({ flush }) {
      closing = min(closing ?? Infinity, t + flush);
      if (!flush || !phase) closeNow();
    },
    opened: ofAttempt(hear),
    alive: ofAttempt(hear),
    frame: ofAttempt(({ text }) => {
      hear();
      try {
        const frame = JSON.parse(text);
        const { type, id, data } = frame;
        if (type === 'ping') emit('send', { text: '{"type":"pong"}' });
        else if (type === 'pong') probeBy = undefined;
        else if (type === 'notification') notified(data, text.length);
        else if (type === 'response' || (type === 'error' && frame.error.code)) answered(frame);
      } catch {
        broken('frame');
      }
    }),
    ended: ofAttempt(ended),
    token: ofQuestion(given),
    token_failed: ofQuestion(notGiven),
    channel_token: ofChannel((channel, fields) => { channel.token = fields.token; }),
    channel_token_failed: ofChannel((channel, { denied, retry_after, message }) => {
      if (denied) end(channel, failed('denied', message));
      else later(channel, retry_after);
    }),
    tick() {
      const overdue = (phase === DIALING && connectBy <= t && 'connect')
        || ([...flights.values()].some(({ by }) => by <= t) && 'request')
        || (probeBy <= t && 'probe') || (isGreeted && heard + silence <= t && 'silence');
      if (phase === WAITING && until <= t) begin();
      else if (isLinked && overdue) broken(overdue);
      if (answerBy <= t) {
        emit('abort_ask', { generation });
        notGiven({ denied: false });
      }
      if (askAt <= t) {
        askAt = undefined;
        if (isLinked && !answerBy) ask(isStale ? 'expired' : 'expiring');
      }
      for (const channel of channels.values()) {
        if (!(channel.linger <= t)) continue;
        restart(channel);
        channel.linger = undefined;
        if (channel.phase === WANTED) channel.phase = OFF;
      }
      expire(() => true);
      if (opBy <= t) leaveStore();
      if (retryAt <= t) openStore('left');
      if (closing <= t) closeNow();
    },
  };

  /** Tells what has changed. */
  function tell() {
    const isOver = phase === CLOSED;
    for (const channel of channels.values()) {
      const { name, phase, error, readers, told } = channel;
      const isOff = isOver ? phase !== REFUSED : phase >= LEAVING && phase <= LEFT && !readers.length;
      const state = isOff ? 'off' : CHANNEL_STATES[phase];
      const why = phase === REFUSED ? error : undefined;
      if (state !== told || why !== channel.toldError) emit('channel', { channel: name, state, error: why });
      channel.told = state;
      channel.toldError = why;
      if (phase === OFF && !readers.length && channel.linger === undefined) channels.delete(name);
    }
    const count = pending();
    if (count !== toldPending) emit('pending', { count: toldPending = count });
    const isUp = phase === CONNECTED;
    const status = {
      state: STATES[phase],
      retry_at: phase !== WAITING ? undefined : toldStatus?.state === 'waiting' ? toldStatus.retry_at : wall + max(0, until - t),
      user: isUp ? user : undefined, error: isUp ? undefined : error, store: storeError,
    };
    if (told !== (told = stringify(status))) emit('status', toldStatus = status);
  }

  function due(blocked) {
    if ((!phase && closing === undefined) || phase === CLOSED) return;
    const waiting = outbox.filter(({ stage }) => stage === QUEUED).map((item) => t + left(item));
    const isUnsaved = !opBy && user !== undefined && storeState === 'ready' && [...channels.values()].some((channel) => channel.isUnsaved && lowest(channel, 'taken'));
    return max(t, min(...[
      t + 1e4, blocked, closing, phase === WAITING && until, phase === DIALING && connectBy, isLinked && isGreeted && heard + silence,
      isLinked && probeBy, answerBy, askAt, opBy, isLeft() && retryAt, isUnsaved && max(saveAt, t), ...waiting,
      ...[...flights.values()].map(({ by }) => by), ...[...channels.values()].map(({ linger }) => linger),
    ].filter((when) => when !== undefined && when !== false)));
  }

  return (monotonic, clock, random, input, fields) => {
    out = [];
    draw = random;
    const ticked = max(0, monotonic - at || 0), passed = max(0, clock - wall || 0);
    t += max(ticked, passed);
    at = monotonic;
    wall = clock;
    if (phase === CLOSED) return { out, timer: null };
    if (passed > ticked + 4e3 || t > tickBy + 4e3) slept();
    inputs[input](fields);
    const blocked = pump();
    if (closing !== undefined && (!pending() || (!phase && storeState !== 'first'))) finish();
    if (phase !== CLOSED) expire(({ entry }) => !entry.max_age);
    tell();
    write();
    if (phase === CLOSED) emit('closed', { unsent });
    tickBy = due(blocked);
    return { out, timer: tickBy === undefined ? null : tickBy - t };
  };
}

// --- the shell

// Where the kind alone says too little.
const TEXTS = {
  full: 'the outbox is full', expired: 'too old, never sent', unknown: 'sent, outcome unknown', lost: 'connection lost',
  token: 'no token', store: 'the store failed', gap: 'publications are missing',
};

/** Why something failed: `kind` is for programs, `message` for people. */
export class WsError extends Error {
  constructor(fields) {
    super([TEXTS[fields.kind] ?? fields.kind.replace('_', ' '), fields.code, fields.message].filter(Boolean).join(': '));
    this.name = 'WsError';
    Object.assign(this, { ...fields, message: this.message });
  }
}

/** Thrown by a token provider: there will be no token. */
export class TokenDenied extends Error {}

const ignore = () => {};

function report(error) {
  if (globalThis.reportError) reportError(error);
  else if (globalThis.document) setTimeout(() => { throw error; });
  else console.error(error);
}

function guarded(run, value) {
  try {
    return run(value);
  } catch (error) {
    report(error);
  }
}

/** A set of callbacks; the same one may be in it twice. */
function listeners() {
  const all = new Set();
  return {
    add(run) {
      const one = { run };
      all.add(one);
      return () => void all.delete(one);
    },
    isEmpty: () => !all.size,
    tell: (value) => [...all].forEach(({ run }) => guarded(run, value)),
  };
}

function readable(value) {
  const { add, tell, isEmpty } = listeners();
  return {
    isEmpty,
    set(next) { tell(value = next); },
    view: { get: () => value, subscribe(run) { const end = add(run); guarded(run, value); return end; } },
  };
}

function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 15) | 64;
  bytes[8] = (bytes[8] & 63) | 128;
  return [...bytes].map((byte, i) => ([4, 6, 8, 10].includes(i) ? '-' : '') + (byte + 256).toString(16).slice(1)).join('');
}

/** What a JWT says about itself. */
function claims(token) {
  try {
    const bytes = atob(token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/'));
    const { sub, exp } = JSON.parse(decodeURIComponent(escape(bytes))); // of UTF-8
    return { user: sub, expires: exp * 1e3 || undefined };
  } catch {
    return {};
  }
}

const withError = ({ error, ...rest }) => (error ? { ...rest, error: new WsError(error) } : rest);

/** A client of the server at `url` (`wss://host/ws`). Nothing happens before its first use. */
export function connect(url, { token: provider, store, WebSocket: Socket, outbox: { maxAge, ...bounds } = {}, timers, onFrame } = {}) {
  const target = new URL(url, globalThis.location?.href);
  target.protocol = target.protocol.replace('http', 'ws');
  if (!/^wss?:$/.test(target.protocol)) throw new TypeError(`not the URL of a WebSocket: ${url}`);
  // The store is for all who come to this server, and a token is not to be kept.
  const given = target.searchParams.get('token');
  if (given !== null) target.searchParams.delete('token');
  const base = target.href;
  if (given !== null) target.searchParams.set('token', given);
  target.searchParams.set('heartbeat', 'app');
  const tokenMs = timers?.token ?? TIMERS.token, storeMs = timers?.store ?? TIMERS.store;
  const step = machine({ provider: !!provider, store: !!store, max_age: maxAge, ...bounds, timers });
  const status = readable({ state: 'idle' }), pending = readable(0), lost = listeners(), notifications = listeners();
  const channels = new Map(), states = new Map(), tokens = new Map(), readers = new Map(), promises = new Map();
  const queue = [], ends = [], asking = new Set();
  let socket, timer, controller, closed, isRunning, isClosed, ids = 0, work;

  const trace = (...frame) => onFrame && guarded(() => onFrame(...frame));

  function feed(name, fields = {}) {
    queue.push([name, fields]);
    if (isRunning) return;
    isRunning = true;
    if (!ends.length) listen();
    try {
      for (let input; (input = queue.shift());) {
        const { out, timer: ms } = step(floor(performance.now()), Date.now(), Math.random, ...input);
        clearTimeout(timer);
        if (ms !== null) timer = setTimeout(feed, ms, 'tick');
        for (const one of out) for (const name in one) guarded(() => effects[name](one[name]));
      }
    } finally {
      isRunning = false;
    }
  }

  /** A promise that `settle` ends; nobody has to look at it. */
  function promise(key, signal, abort, what) {
    const own = { what };
    const made = own.made = new Promise((resolve, reject) => { Object.assign(own, { resolve, reject }); });
    promises.set(key, own);
    if (signal) {
      signal.addEventListener('abort', abort);
      const off = () => signal.removeEventListener('abort', abort);
      made.then(off, off);
    }
    made.catch(ignore);
    if (isClosed) settle(key, { kind: 'closed' });
    return made;
  }

  /** What the store does, as long as a store may take. */
  function inTime(done) {
    let late;
    const end = new Promise((_, reject) => { late = setTimeout(reject, storeMs); });
    return Promise.race([done, end]).finally(() => clearTimeout(late));
  }

  function settle(key, error, value) {
    const { resolve, reject } = promises.get(key) ?? {};
    promises.delete(key);
    if (error) reject?.(new WsError(error));
    else resolve?.(value);
  }

  function listen() {
    const on = (target, name, run) => {
      target?.addEventListener?.(name, run);
      ends.push(() => target?.removeEventListener?.(name, run));
    };
    const page = globalThis.document;
    on(globalThis, 'online', () => feed('wake'));
    on(globalThis, 'offline', () => feed('probe'));
    on(globalThis, 'pagehide', () => feed('hide'));
    on(globalThis, 'pageshow', (event) => event.persisted && feed('show'));
    on(page, 'resume', () => feed('wake'));
    on(page, 'visibilitychange', () => page.visibilityState === 'visible' && feed('wake'));
  }

  /** Asks a provider; one that throws, or takes too long, has failed. */
  function ask(run, why, signal, done, failed, isChannel) {
    const aborted = new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(new Error('no answer in time')));
    });
    const asked = (async () => run(why, signal))().then((token) => {
      // Nobody is a user too, but not for a channel.
      if (token === null && isChannel) throw new TokenDenied('no token for the channel');
      if (typeof token !== 'string' && token !== null) throw new TypeError('no token');
      return token;
    });
    Promise.race([asked, aborted]).then(done, (error) => {
      failed({ denied: error instanceof TokenDenied, retry_after: error?.retryAfter, message: String(error?.message ?? error) });
    });
  }

  const effects = {
    dial({ attempt }) {
      let message;
      try {
        socket = new (Socket ?? WebSocket)(target.href, 'ws.json.v1');
      } catch (error) {
        return feed('ended', { attempt, message: String(error) });
      }
      socket.onopen = () => {
        trace('open', '');
        feed('opened', { attempt });
      };
      socket.onmessage = ({ data }) => {
        const text = typeof data === 'string' ? data : '';
        trace('in', text);
        feed('frame', { attempt, text });
      };
      socket.onerror = (event) => { message = event.message; };
      socket.onclose = ({ code, reason }) => {
        trace('close', reason, code);
        const status = /response: (\d+)/.exec(message)?.[1];
        feed('ended', { attempt, code: code === 1006 ? undefined : code, status: status && +status, message });
      };
    },
    drop({ code }) {
      socket.onopen = socket.onmessage = socket.onclose = socket.onerror = ignore;
      // One that is taken for dead would keep the process for its goodbye.
      guarded(() => (code || !socket.terminate ? socket.close(code) : socket.terminate()));
      trace('close', '', code);
    },
    send({ text }) {
      socket.send(text);
      trace('out', text);
    },
    ask({ generation, why }) {
      controller = new AbortController();
      ask(provider, why, controller.signal,
        (token) => feed('token', { generation, token, ...(token && claims(token)) }),
        (failure) => feed('token_failed', { generation, ...failure }));
    },
    abort_ask() { controller.abort(); },
    ask_channel({ channel, generation }) {
      const own = new AbortController();
      const late = setTimeout(() => own.abort(), tokenMs);
      asking.add(own);
      const end = (name) => (fields) => {
        clearTimeout(late);
        asking.delete(own);
        feed(name, { channel, generation, ...(typeof fields === 'string' ? { token: fields } : fields) });
      };
      ask(tokens.get(channel) ?? ignore, 'connect', own.signal, end('channel_token'), end('channel_token_failed'), true);
    },
    deliver({ reader, event }) { readers.get(reader)?.push(withError(event)); },
    settle({ msg_id, ack, error, entry, kept }) {
      settle(msg_id, error, ack);
      if (error && !kept) {
        const { channel, data, tags, created } = entry;
        lost.tell([{ msg_id, channel, data: JSON.parse(data), tags, created }, new WsError(error)]);
      }
    },
    answer({ request, data, error }) { settle(request, error, data); },
    logged_in({ login, error }) { settle(login, error); },
    notification({ data }) { notifications.tell(data); },
    read_position({ channel, user }) {
      const done = (position) => feed('position', { channel, user, position });
      inTime((async () => store.position(channel, user))()).then(done, (error) => {
        feed('position_failed', { channel, user, message: String(error?.message ?? error ?? 'no answer in time') });
      });
    },
    store({ op, open, ...batch }) {
      work = (async () => (open ? store.open(base, (entries) => feed('adopted', { entries })) : store.write(batch)))();
      work.then((entries) => feed(open ? 'loaded' : 'stored', { op, entries }), (error) => {
        feed('store_failed', { op, message: String(error?.message ?? error) });
      });
    },
    channel({ channel, ...rest }) { states.get(channel)?.set(withError(rest)); },
    pending({ count }) { pending.set(count); },
    status({ store: failure, retry_at: retryAt, ...rest }) {
      status.set({ ...withError(rest), ...(retryAt !== undefined && { retryAt }), ...(failure && { store: { error: new WsError(failure) } }) });
    },
    closed({ unsent }) {
      isClosed = true;
      for (const end of ends) end();
      clearTimeout(timer);
      for (const own of asking) own.abort();
      for (const key of [...promises.keys()]) settle(key, { kind: 'closed' });
      // What was written last is to be there, unless the store hangs.
      inTime(work).catch(ignore).then(() => {
        guarded(() => store?.close());
        closed.resolve(unsent);
      });
    },
  };
  const whenClosed = new Promise((resolve) => { closed = { resolve }; });

  function failing(error) {
    const made = Promise.reject(error);
    made.catch(ignore);
    return made;
  }
  const aborted = () => failing(new WsError({ kind: 'aborted' }));
  const noJson = () => failing(new TypeError('this is no JSON'));

  function request(action, payload = {}, signal) {
    const key = ++ids;
    let text = payload;
    try {
      if (typeof payload === 'string') JSON.parse(payload);
      else text = stringify(payload);
    } catch {
      return noJson();
    }
    if (signal?.aborted) return aborted();
    const made = promise(key, signal, () => {
      settle(key, { kind: 'aborted' });
      feed('forget', { request: key });
    });
    feed('request', { request: key, action, payload: text });
    return made;
  }

  /** The state of a channel. Those that are off, and that nobody looks at, are forgotten. */
  function stateOf(name) {
    if (!states.has(name)) {
      for (const [other, { view, isEmpty }] of states) {
        if (view.get().state === 'off' && isEmpty()) for (const all of [states, channels]) all.delete(other);
      }
      states.set(name, readable({ state: 'off' }));
    }
    return states.get(name).view;
  }

  function channel(name) {
    if (channels.has(name)) return channels.get(name);
    stateOf(name);
    const made = {
      name,
      status: { get: () => stateOf(name).get(), subscribe: (run) => stateOf(name).subscribe(run) },
      subscribe(run, { since, rewind, token } = {}) {
        const id = ++ids;
        const events = [];
        let isBusy, isOver;
        const next = () => {
          while (!isBusy && !isOver && events.length) {
            const result = guarded(run, events[0]);
            const taken = () => {
              events.shift();
              isBusy = false;
              if (!isOver) feed('taken', { reader: id });
            };
            if (typeof result?.then === 'function') {
              isBusy = true;
              result.then(taken, (error) => { report(error); taken(); }).then(next);
            } else taken();
          }
        };
        // The channel has it as long as it has readers.
        if (token) tokens.set(name, token);
        readers.set(id, { name, push(event) { events.push(event); if (events.length === 1) next(); } });
        const isStored = since === 'stored';
        stateOf(name);
        feed('subscribe', { reader: id, channel: name, since: isStored ? undefined : since, rewind, stored: isStored && !!store, token: !!token });
        return () => {
          if (isOver) return;
          isOver = true;
          readers.delete(id);
          if (![...readers.values()].some((reader) => reader.name === name)) tokens.delete(name);
          feed('unsubscribe', { reader: id });
        };
      },
      publish(data, { id = uuid(), tags, maxAge: max_age, signal } = {}) {
        let text;
        try {
          text = stringify(data);
        } catch {} // a circle, a BigInt
        if (text === undefined) return noJson();
        if (signal?.aborted) return aborted();
        // Under way already: the same publication.
        const other = promises.get(id);
        const what = `${text} ${name}`;
        if (other) return other.what === what ? other.made : failing(new WsError({ kind: 'rejected', code: 'conflict', message: 'another publication with this id is under way', retryable: false }));
        const ended = promise(id, signal, () => feed('abort', { msg_id: id }), what);
        feed('publish', { msg_id: id, channel: name, data: text, tags, max_age });
        return ended;
      },
      async *history({ limit = Infinity, since, before, reverse, signal } = {}) {
        let { epoch, offset: last } = (!reverse && since) || {};
        for (let left = limit; left > 0;) {
          const page = await request('get_history', { channel: name, limit: Math.min(left, 1e3), since, before, reverse }, signal);
          if (epoch !== undefined && page.epoch !== epoch) throw new WsError({ kind: 'gap' });
          epoch = page.epoch;
          for (const publication of page.publications) {
            const { offset } = publication;
            if (last !== undefined && offset !== last + (reverse ? -1 : 1)) throw new WsError({ kind: 'gap' });
            last = offset;
            yield publication;
            left -= 1;
          }
          if (!page.more) {
            // The newest one within the bounds is the last one to be dropped: if it does not come, it is gone.
            if (!reverse && left > 0 && last < min(page.offset, (before ?? Infinity) - 1)) throw new WsError({ kind: 'gap' });
            return;
          }
          if (reverse) before = last;
          else since = { epoch, offset: last };
        }
      },
      async presence({ limit = 1e3, signal } = {}) {
        let after, all = [];
        for (;;) {
          const { clients, next, ...rest } = await request('get_presence', { channel: name, limit: Math.min(limit - all.length, 1e3), after }, signal);
          all = all.concat(clients);
          if (!next || all.length >= limit) return { ...rest, clients: all };
          after = next;
        }
      },
    };
    channels.set(name, made);
    return made;
  }

  return {
    status: status.view,
    pending: pending.view,
    channel,
    request,
    login() {
      const made = promise(++ids);
      feed('login', { login: ids });
      return made;
    },
    send(text) {
      const isOpen = socket?.readyState === 1 && !isClosed;
      if (isOpen) effects.send({ text });
      return isOpen;
    },
    wake: () => feed('wake'),
    close(flushMs = 0) {
      feed('close', { flush: flushMs });
      return whenClosed;
    },
    lost: (run) => lost.add(([entry, error]) => run(entry, error)),
    notifications: notifications.add,
  };
}
