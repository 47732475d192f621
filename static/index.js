// The test page of ws-server: a plain client of the protocol (docs/PROTOCOL.md) that shows every frame both ways.
//
// For tests. Values that are shown formatted are also there raw, in data-value.
//   #state[data-state=disconnected|connecting|connected|draining]  #connection-id  #server  #user  #heartbeat  #frame-limit
//   #url  #url-note[data-status]  #connect[data-does=connect|disconnect]  #auto-reconnect
//   #close-info[data-code][data-reconnect=true|false|none]  #close-code  #close-meaning  #close-advice  #reconnect-note
//   #echo-payload  #echo-send  #echo-result[data-status=waiting|ok|error|invalid|offline]  and so for broadcast-, connections-
//   #raw-text  #raw-send  #raw-size  #raw-result[data-status]  #raw-template  #raw-templates button[data-template]
//   #frames li[data-direction=in|out|local][data-kind=request|response|error|notification|heartbeat|socket|other][data-name][data-id]
//   #filter  #filter-direction  #filter-kind  #show-heartbeats  #auto-scroll  #pause  #clear  #shown[data-value]  #dropped[data-dropped]
//   #frames-in  #frames-out  #bytes-in  #bytes-out  #errors  #rtt  (each with data-value)  #lang  #theme
//
// How it is made: `Client` knows the protocol and no DOM; each `mount…` function owns one part of the page and listens to the
// client. A new panel is a <section> in #panels, a mount function in the list at the end, and its words in TEXT.

// ---------------------------------------------------------------- Limits

const FRAMES_KEPT_MAX = 1000;
const UPDATE_EVERY_MS = 100; // a list of a thousand rows is not cheap to lay out, and nobody reads faster
const TEXT_KEPT_CHARS_MAX = 16 * 1024 * 1024;
const PREVIEW_CHARS_MAX = 240;
const PREVIEW_PARSED_CHARS_MAX = 8192; // a larger frame's preview is its beginning
const COLOURED_TOKENS_MAX = 4000; // a larger frame is shown without colours: one node a token would be slow
const INDENT_DEPTH_MAX = 32; // deeper levels stand at the same indent: thousands of levels would need gigabytes of spaces
const WAITING_REQUESTS_MAX = 1000;
const BACKOFF_FIRST_MS = 500;
const BACKOFF_LAST_MS = 30_000;
const STABLE_AFTER_MS = 10_000;
const CLOSE_GRACE_MS = 2_000;

// ---------------------------------------------------------------- Words

const TEXT = {
  en: {
    skip: 'Skip to the frames', subtitle: 'test page', otherLanguage: '中文', switchLanguage: '切换到中文',
    switchDark: 'Switch to the dark theme', switchLight: 'Switch to the light theme',
    disconnected: 'Disconnected', connecting: 'Connecting', connected: 'Connected', draining: 'Draining',
    connection: 'Connection', url: 'WebSocket URL', urlNote: 'adds heartbeat=app', badUrl: 'Not a WebSocket URL: it must look like ws://host/ws.', refusedUrl: 'The browser refuses this URL: {reason}',
    connect: 'Connect', disconnect: 'Disconnect', autoReconnect: 'Reconnect automatically',
    connectionId: 'Connection', server: 'Server', user: 'User', heartbeat: 'Heartbeat', frameLimit: 'Frame limit', anonymous: 'anonymous',
    heartbeatValue: 'every {interval} s, patience {timeout} s', bytesValue: '{n} bytes', serverValue: '{server}, protocol {protocol}',
    actions: 'Actions', sendKeys: 'Ctrl/⌘ + Enter sends', send: 'Send', payloadOf: 'Payload of {action}, JSON', sendAction: 'Send {action}',
    raw: 'Raw frame', templates: 'Templates', sizeValue: '{n} B', sizeOfLimit: '{n} of {limit} B',
    waiting: 'Waiting for the answer…', sentBytes: 'Sent, {n} B.', notConnected: 'Not connected.', noAnswer: 'The connection ended before an answer came.',
    notJson: 'Not valid JSON: {reason}', notObject: 'The payload must be a JSON object: {…}', retryable: '{error} (may be retried)',
    frames: 'Frames', framesIn: 'In', framesOut: 'Out', bytesIn: 'Bytes in', bytesOut: 'Bytes out', errors: 'Errors', rtt: 'RTT',
    listTools: 'Filter and control the list', filterText: 'Filter by text', direction: 'Direction', kind: 'Kind', anyDirection: 'Both directions', anyKind: 'All kinds',
    in: 'Received', out: 'Sent', local: 'This page', heartbeats: 'Heartbeats', autoScroll: 'Follow', pause: 'Pause', resume: 'Resume', resumeWaiting: 'Resume ({n})', clear: 'Clear',
    request: 'request', response: 'response', error: 'error', notification: 'notification', heartbeatKind: 'heartbeat', socket: 'socket', other: 'other',
    empty: 'No frames yet. Connect, then send something.', noneShown: 'No frame matches the filter.', shownAll: '{n} in the list', shown: '{n} shown of {all}', dropped: '{n} older ones dropped',
    listKeys: '↑ ↓ move · Enter opens', copy: 'Copy', copied: 'Copied', copyFailed: 'Not copied',
    shouldReconnect: 'Clients should reconnect.', shouldNotReconnect: 'Clients should not reconnect.',
    byPage: 'Closed by this page', sentence: '{words}. ', cancelled: 'The attempt was cancelled.', noticedSilence: 'This page heard nothing for {s} s',
    handshakeFailed: 'The handshake failed: nothing listens there, or the server refused (draining or full: 503; origin: 403). A browser does not say which.',
    nextTry: 'Next try at {time} (no. {n}).', movesAt: 'The server is about to stop: this page moves to a new connection at {time}.', drainStays: 'The server is about to stop. Automatic reconnect is off: this page stays until the end.',
    close1000: 'Normal closure', close1001: 'Going away: the end of a drain', close1002: 'Protocol error', close1003: 'Unsupported data: binary frame',
    close1005: 'Closed without a code', close1006: 'Broken off without a close frame', close1007: 'Invalid UTF-8', close1008: 'Policy violation',
    close1009: 'Frame too big', close1010: 'Extension missing', close1011: 'Internal error', close1012: 'Service restart', close1013: 'Try again later',
    close4000: 'Heartbeat timeout', close4001: 'Too slow: the client did not read fast enough', close4002: 'Token expired', close4003: 'The operator asks to reconnect',
    close4005: 'Connection limit of this user', close4500: 'Not authenticated in time', close4501: 'Invalid token', close4502: 'Permission denied',
    close4503: 'Disconnected by the server API', close4504: 'Too many errors', closeOther: 'A code that this page does not know',
  },
  zh: {
    skip: '跳到帧列表', subtitle: '测试页面', otherLanguage: 'English', switchLanguage: 'Switch to English',
    switchDark: '切换到深色主题', switchLight: '切换到浅色主题',
    disconnected: '未连接', connecting: '连接中', connected: '已连接', draining: '即将停机',
    connection: '连接', url: 'WebSocket 地址', urlNote: '自动附加 heartbeat=app', badUrl: '不是有效的 WebSocket 地址，应形如 ws://host/ws。', refusedUrl: '浏览器拒绝该地址：{reason}',
    connect: '连接', disconnect: '断开', autoReconnect: '自动重连',
    connectionId: '连接 ID', server: '服务器', user: '用户', heartbeat: '心跳', frameLimit: '帧上限', anonymous: '匿名',
    heartbeatValue: '每 {interval} 秒一次，最多再等 {timeout} 秒', bytesValue: '{n} 字节', serverValue: '{server}，协议版本 {protocol}',
    actions: '操作', sendKeys: 'Ctrl/⌘ + Enter 发送', send: '发送', payloadOf: '{action} 的 JSON 参数', sendAction: '发送 {action}',
    raw: '原始帧', templates: '模板', sizeValue: '{n} B', sizeOfLimit: '{n} / {limit} B',
    waiting: '等待响应…', sentBytes: '已发送 {n} B。', notConnected: '尚未连接。', noAnswer: '响应到达之前连接已断开。',
    notJson: '不是有效的 JSON：{reason}', notObject: '参数必须是 JSON 对象：{…}', retryable: '{error}（可重试）',
    frames: '帧', framesIn: '收', framesOut: '发', bytesIn: '收到字节', bytesOut: '发出字节', errors: '错误', rtt: '往返',
    listTools: '筛选和控制列表', filterText: '按文本筛选', direction: '方向', kind: '类型', anyDirection: '双向', anyKind: '全部类型',
    in: '收到', out: '发出', local: '本页', heartbeats: '心跳帧', autoScroll: '跟随', pause: '暂停', resume: '继续', resumeWaiting: '继续（{n}）', clear: '清空',
    request: '请求', response: '响应', error: '错误', notification: '通知', heartbeatKind: '心跳', socket: '连接', other: '其他',
    empty: '还没有帧。先连接，再发送。', noneShown: '没有符合筛选条件的帧。', shownAll: '共 {n} 条', shown: '显示 {n} / {all}', dropped: '已丢弃较早的 {n} 帧',
    listKeys: '↑ ↓ 移动 · Enter 展开', copy: '复制', copied: '已复制', copyFailed: '复制失败',
    shouldReconnect: '客户端应当重连。', shouldNotReconnect: '客户端不应重连。',
    byPage: '由本页关闭', sentence: '{words}。', cancelled: '已取消连接。', noticedSilence: '本页已有 {s} 秒没有收到任何帧',
    handshakeFailed: '握手失败：该地址无人监听，或被服务器拒绝（停机或已满：503；来源：403）。浏览器不说明是哪一种。',
    nextTry: '将于 {time} 重试（第 {n} 次）。', movesAt: '服务器即将停机：本页将于 {time} 换到新连接。', drainStays: '服务器即将停机。自动重连已关闭：本页停留到最后。',
    close1000: '正常关闭', close1001: '服务器离开：停机结束', close1002: '协议错误', close1003: '不支持的数据：二进制帧',
    close1005: '关闭时没有给出代码', close1006: '没有关闭帧就中断了', close1007: '无效的 UTF-8', close1008: '违反策略',
    close1009: '帧过大', close1010: '缺少扩展', close1011: '服务器内部错误', close1012: '服务重启', close1013: '请稍后再试',
    close4000: '心跳超时', close4001: '读取太慢', close4002: '令牌已过期', close4003: '运维要求重连',
    close4005: '该用户的连接数已达上限', close4500: '未在限时内认证', close4501: '令牌无效', close4502: '没有权限',
    close4503: '被服务器 API 断开', close4504: '错误过多', closeOther: '本页不认识的代码',
  },
};

const element = (id) => document.getElementById(id);

/** Settings that outlive the page; a browser may forbid storage, then they live as long as the page. */
const settings = {
  get(key) { try { return localStorage.getItem(`ws-server.${key}`); } catch { return null; } },
  set(key, value) { try { localStorage.setItem(`ws-server.${key}`, value); } catch { /* not kept */ } },
};

let language = settings.get('lang') ?? (navigator.languages.find((tag) => /^(zh|en)\b/i.test(tag)) ?? 'en').slice(0, 2).toLowerCase();
if (!Object.hasOwn(TEXT, language)) language = 'en';

/** The words for `key`, with `{name}` filled in from `values`. */
function t(key, values = {}) {
  return TEXT[language][key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

const spoken = new Map(); // element → function: texts with values in them, said again when the language changes
const languageListeners = [];

function say(target, words) {
  spoken.set(target, words);
  target.textContent = words();
}

function translatePage(root = document) {
  for (const each of root.querySelectorAll('[data-i18n]')) each.textContent = t(each.dataset.i18n);
  for (const each of root.querySelectorAll('[data-i18n-label]')) each.setAttribute('aria-label', t(each.dataset.i18nLabel));
  for (const each of root.querySelectorAll('[data-i18n-placeholder]')) each.placeholder = t(each.dataset.i18nPlaceholder);
}

function setLanguage(next) {
  language = next;
  document.documentElement.lang = next === 'zh' ? 'zh-CN' : 'en';
  translatePage();
  for (const [target, words] of spoken) target.textContent = words();
  for (const listener of languageListeners) listener();
}

const grouped = new Intl.NumberFormat('en');
const number = (n) => grouped.format(n);
const milliseconds = (ms) => `${ms < 100 ? ms.toFixed(1) : Math.round(ms)} ms`;

function clock(time, withMilliseconds) {
  const date = new Date(time);
  const two = (n) => String(n).padStart(2, '0');
  const seconds = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return withMilliseconds ? `${seconds}.${String(date.getMilliseconds()).padStart(3, '0')}` : seconds;
}

/** Runs `work` before the next paint and at most every `everyMs`, once, however often it was asked for. */
function oncePerPaint(work, everyMs = 0) {
  let asked = false;
  let doneAt = -Infinity;
  const run = () => {
    asked = false;
    doneAt = performance.now();
    work();
  };
  return () => {
    if (asked) return;
    asked = true;
    const wait = doneAt + everyMs - performance.now();
    if (wait > 0) setTimeout(() => requestAnimationFrame(run), wait);
    else requestAnimationFrame(run);
  };
}

// ---------------------------------------------------------------- JSON as text

const encoder = new TextEncoder();
const bytesOf = (text) => encoder.encode(text).length;

function parseJson(text) {
  try { return { value: JSON.parse(text) }; } catch (problem) { return { problem: withoutQuote(problem.message) }; }
}

/** Chromium ends some of its messages with the whole text once more: the reader has it before their eyes. */
const withoutQuote = (message) => message.replace(/, (\.\.\.)?"[^]*"(\.\.\.)? is not valid JSON$/, '');

const isObject = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);

const JSON_TOKEN = /"(?:[^"\\]+|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

/**
 * Valid JSON as [class, text] pieces with line breaks and indents. Works on the text, not on the parsed value, because
 * parsing would change what was on the wire: large numbers, doubled keys, escapes.
 */
function layoutJson(json) {
  const tokens = json.match(JSON_TOKEN) ?? [];
  const pieces = [];
  let depth = 0;
  const breakLine = () => `\n${'  '.repeat(Math.min(depth, INDENT_DEPTH_MAX))}`;
  for (let i = 0; i < tokens.length; i += 1) {
    const token = tokens[i];
    if ((token === '{' || token === '[') && /^[}\]]$/.test(tokens[i + 1])) {
      pieces.push(['', token + tokens[i += 1]]);
    } else if (token === '{' || token === '[') {
      depth += 1;
      pieces.push(['', token + breakLine()]);
    } else if (token === '}' || token === ']') {
      depth -= 1;
      pieces.push(['', breakLine() + token]);
    } else if (token === ',') pieces.push(['', token + breakLine()]);
    else if (token === ':') pieces.push(['', ': ']);
    else pieces.push([tokenClass(token, tokens[i + 1]), token]);
  }
  return pieces;
}

function tokenClass(token, next) {
  if (token[0] === '"') return next === ':' ? 'json-key' : 'json-string';
  return /^[-\d]/.test(token) ? 'json-number' : 'json-word';
}

function showJson(target, text) {
  if (parseJson(text).problem) {
    target.textContent = text;
    return;
  }
  const pieces = layoutJson(text);
  if (pieces.length > COLOURED_TOKENS_MAX) {
    target.textContent = pieces.map(([, piece]) => piece).join('');
    return;
  }
  target.replaceChildren(...pieces.map(([name, piece]) => {
    if (!name) return piece;
    const span = document.createElement('span');
    span.className = name;
    span.textContent = piece;
    return span;
  }));
}

// ---------------------------------------------------------------- Close codes (PROTOCOL, section 6)

// 1005 and 1006 tell nothing, 1011–1014 pass: come back. The others would only happen again.
const RFC_CODES_FINAL = new Set([1000, 1002, 1003, 1007, 1008, 1009, 1010, 1015]);

function shouldReconnect(code) {
  if (code >= 4000) return code < 4500;
  return !RFC_CODES_FINAL.has(code);
}

const closeMeaning = (code) => t(Object.hasOwn(TEXT.en, `close${code}`) ? `close${code}` : 'closeOther');

// ---------------------------------------------------------------- Client

/** What a frame is, read from its text: kind, name (action, event, error code), id and parsed value. */
function classify(text) {
  const { value } = parseJson(text);
  if (!isObject(value)) return { kind: 'other', name: '', value: null };
  const id = typeof value.id === 'string' ? value.id : undefined;
  const name = (from) => (typeof from === 'string' ? from : '');
  switch (value.type) {
    case 'request': return { kind: 'request', name: name(value.action), id, value };
    case 'response': return { kind: 'response', name: '', id, value };
    case 'error': return { kind: 'error', name: name(value.error?.code), id, value };
    case 'notification': return { kind: 'notification', name: name(value.data?.event), value };
    case 'ping': case 'pong': return { kind: 'heartbeat', name: value.type, value };
    default: return { kind: 'other', name: name(value.type), id, value };
  }
}

/** The part of a frame that differs from frame to frame, on one line. */
function previewOf({ kind, value, text }) {
  // Parsing rounds large numbers, and a preview must not show others than were on the wire.
  if (kind === 'other' || text.length > PREVIEW_PARSED_CHARS_MAX || /\d{16}/.test(text)) return text.slice(0, PREVIEW_CHARS_MAX).replace(/\s+/g, ' ');
  const { event, ...rest } = isObject(value?.data) ? value.data : {};
  const parts = {
    request: () => JSON.stringify(value.payload ?? {}),
    response: () => JSON.stringify(value.data ?? null),
    error: () => String(value.error?.message ?? ''),
    notification: () => JSON.stringify(rest),
  };
  return parts[kind]?.().slice(0, PREVIEW_CHARS_MAX) ?? '';
}

function withHeartbeat(address) {
  const url = new URL(address);
  if (!url.searchParams.has('heartbeat')) url.searchParams.set('heartbeat', 'app');
  return url.href;
}

/**
 * One logical connection: sockets come and go, this stays. Drive it with `connect`, `disconnect`, `send`, `request`.
 * Events: `change` (state, hello, notice or retry are new), `frame` (one frame, either way, or a socket opened or closed),
 * `notification` (the `data` of one). It touches no DOM.
 */
class Client {
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
   * Sends any text. For a request with an id returns a promise of its answer: {data, rtt, preview}, {error, rtt, preview}, or
   * {lost: true} when the connection ends first; for anything else null. Throws when the socket is not open.
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
    return this.send(`{"id":"${this.nextId()}","type":"request","action":${JSON.stringify(action)},"payload":${payload}}`);
  }

  #expect(frame, answer) {
    this.#waiting.get(frame.id)?.answer({ lost: true });
    this.#waiting.set(frame.id, { action: frame.name, sentAt: performance.now(), answer });
    if (this.#waiting.size > WAITING_REQUESTS_MAX) this.#waiting.delete(this.#waiting.keys().next().value);
  }

  #show(frame) {
    const { value, ...kept } = frame; // the list keeps a thousand frames: their text is enough
    this.#emit('frame', { time: Date.now(), bytes: bytesOf(frame.text), preview: previewOf(frame), ...kept });
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
    const answer = { rtt: frame.rtt, preview: previewOf(frame) };
    return () => request.answer(frame.kind === 'error' ? { ...answer, error: frame.value.error } : { ...answer, data: frame.value.data });
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
    this.#show({ direction: 'local', kind: 'socket', name: `close ${this.notice.code}`, text: reason, preview: reason, bytes: 0 });
    for (const { answer } of this.#waiting.values()) answer({ lost: true });
    this.#waiting.clear();
    if (this.#wanted && this.autoReconnect && (this.#slotAt !== null || shouldReconnect(this.notice.code))) this.#retryLater();
    this.#setState('disconnected');
  }

  #retryLater() {
    // A server that accepts and closes at once must not be asked twice a second for ever: only a lasting connection resets the backoff.
    if (this.#openedAt !== null && performance.now() - this.#openedAt > STABLE_AFTER_MS) this.#attempts = 0;
    const backoff = Math.min(BACKOFF_LAST_MS, BACKOFF_FIRST_MS * 2 ** this.#attempts) * (0.5 + Math.random() / 2);
    const wait = this.#slotAt === null ? backoff : Math.max(0, this.#slotAt - Date.now());
    this.#attempts += 1;
    this.retry = { at: Date.now() + wait, attempt: this.#attempts };
    this.#timers.retry = setTimeout(() => this.connect(this.#address), wait);
  }

  /** The user asked: the first attempt again. */
  forgetFailures() { this.#attempts = 0; }
}

// ---------------------------------------------------------------- Bar: state, language, theme

function mountBar(client) {
  const render = () => {
    element('state').dataset.state = client.state;
    element('state').textContent = t(client.state);
  };
  client.on('change', render);
  languageListeners.push(render);

  say(element('lang'), () => t('otherLanguage'));
  const label = () => { element('lang').title = t('switchLanguage'); element('lang').lang = language === 'zh' ? 'en' : 'zh-CN'; };
  languageListeners.push(label);
  element('lang').addEventListener('click', () => {
    settings.set('lang', language === 'zh' ? 'en' : 'zh');
    setLanguage(language === 'zh' ? 'en' : 'zh');
  });
}

function mountTheme() {
  const system = matchMedia('(prefers-color-scheme: dark)');
  const isDark = () => (document.documentElement.dataset.theme ?? (system.matches ? 'dark' : 'light')) === 'dark';
  const render = () => {
    const words = t(isDark() ? 'switchLight' : 'switchDark');
    element('theme').title = words;
    element('theme').setAttribute('aria-label', words);
  };
  const chosen = settings.get('theme');
  if (chosen === 'dark' || chosen === 'light') document.documentElement.dataset.theme = chosen;
  element('theme').addEventListener('click', () => {
    const next = isDark() ? 'light' : 'dark';
    document.documentElement.dataset.theme = next;
    settings.set('theme', next);
    render();
  });
  system.addEventListener('change', render);
  languageListeners.push(render);
}

// ---------------------------------------------------------------- Panel: connection

function defaultAddress() {
  const url = new URL('ws', location.href);
  url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
  return url.href;
}

function mountConnection(client) {
  const url = element('url');
  url.value = defaultAddress();
  showUrlProblem(url, null);
  client.autoReconnect = element('auto-reconnect').checked; // a browser keeps it over a reload

  const render = () => {
    const does = client.isActive ? 'disconnect' : 'connect';
    element('connect').dataset.does = does;
    element('connect').textContent = t(does);
    renderHello(client.hello);
    renderNotice(client);
  };
  client.on('change', render);
  languageListeners.push(render);

  element('connection-form').addEventListener('submit', (event) => {
    event.preventDefault();
    if (client.isActive) client.disconnect();
    else tryConnect(client, url);
  });
  url.addEventListener('input', () => showUrlProblem(url, null));
  element('auto-reconnect').addEventListener('change', (event) => client.setAutoReconnect(event.target.checked));
}

function tryConnect(client, url) {
  client.forgetFailures();
  const problem = connectProblem(client, url.value.trim());
  showUrlProblem(url, problem);
  if (problem) url.focus();
}

/** Connects; what stands in the way as a function that says it, or null. */
function connectProblem(client, address) {
  if (!URL.canParse(address) || !/^(ws|http)s?:/i.test(address)) return () => t('badUrl');
  try {
    client.connect(address);
    return null;
  } catch (problem) {
    return () => t('refusedUrl', { reason: problem.message }); // such as ws: from an https: page
  }
}

function showUrlProblem(url, problem) {
  url.setAttribute('aria-invalid', String(problem !== null));
  element('url-note').dataset.status = problem ? 'invalid' : '';
  say(element('url-note'), problem ?? (() => t('urlNote')));
}

function renderHello(hello) {
  const seconds = (ms) => number(ms / 1000);
  const { heartbeat, limits, user } = hello ?? {};
  element('connection-id').textContent = hello?.connection_id ?? '–';
  element('server').textContent = hello ? t('serverValue', { server: hello.server, protocol: hello.protocol }) : '–';
  element('user').textContent = hello ? user ?? t('anonymous') : '–';
  element('heartbeat').textContent = heartbeat ? t('heartbeatValue', { interval: seconds(heartbeat.interval_ms), timeout: seconds(heartbeat.timeout_ms) }) : '–';
  element('frame-limit').textContent = limits ? t('bytesValue', { n: number(limits.message_bytes_max) }) : '–';
}

function renderNotice({ notice, retry, autoReconnect }) {
  const box = element('close-info');
  box.hidden = notice === null;
  if (!notice) return;
  const ownDoing = Boolean(notice.byPage);
  box.dataset.code = notice.code ?? '';
  box.dataset.reconnect = ownDoing ? 'none' : String(notice.draining || shouldReconnect(notice.code));
  element('close-code').textContent = notice.code ?? '';
  element('close-meaning').textContent = notice.draining ? drainWords(notice, autoReconnect) : endWords(notice);
  element('close-advice').textContent = ownDoing || notice.draining ? '' : t(shouldReconnect(notice.code) ? 'shouldReconnect' : 'shouldNotReconnect');
  element('reconnect-note').textContent = retry ? t('nextTry', { time: clock(retry.at), n: retry.attempt }) : '';
}

function drainWords(notice, autoReconnect) {
  return autoReconnect && notice.at ? t('movesAt', { time: clock(notice.at) }) : t('drainStays');
}

function endWords({ code, reason, opened, byPage, silence }) {
  if (byPage && !opened) return t('cancelled');
  if (code === 1006 && !opened) return t('handshakeFailed');
  const sentences = [reason ? `${closeMeaning(code)} – ${reason}` : closeMeaning(code)];
  if (byPage) sentences.push(t('byPage'));
  if (silence) sentences.push(t('noticedSilence', { s: silence }));
  return sentences.map((words) => t('sentence', { words })).join('').trimEnd();
}

// ---------------------------------------------------------------- Panel: actions

// A further base action is one more line here; its elements get the ids `${id}-payload`, `${id}-send`, `${id}-result`.
const ACTIONS = [
  { id: 'echo', action: 'echo', payload: '{"message": "Hello"}' },
  { id: 'broadcast', action: 'broadcast', payload: '{"message": "Hello everyone!"}' },
  { id: 'connections', action: 'get_connections', payload: '{}' },
];

function mountActions(client) {
  for (const each of ACTIONS) element('actions').append(actionRow(client, each));
}

function actionRow(client, { id, action, payload }) {
  const row = element('action-template').content.cloneNode(true);
  const [label, button, field, result] = ['label', 'button', 'textarea', 'output'].map((tag) => row.querySelector(tag));
  [field.id, button.id, result.id] = [`${id}-payload`, `${id}-send`, `${id}-result`];
  label.htmlFor = field.id;
  label.textContent = action;
  field.value = payload;
  field.setAttribute('aria-describedby', result.id);
  languageListeners.push(() => {
    button.setAttribute('aria-label', t('sendAction', { action }));
    field.setAttribute('aria-label', t('payloadOf', { action }));
  });
  const send = () => {
    const json = checkedPayload(field, result);
    if (json === null) return;
    if (!client.isOpen) showResult(result, 'offline', () => t('notConnected'));
    else showAnswer(result, client.request(action, json));
  };
  field.addEventListener('input', () => checkedPayload(field, result));
  button.addEventListener('click', send);
  sendOnKeys(field, send);
  forgetOffline(client, result);
  return row;
}

/** The field's JSON text, or null after saying what is wrong with it. Nothing typed means {}. */
function checkedPayload(field, result) {
  const text = field.value.trim() || '{}';
  const { value, problem } = parseJson(text);
  const wrong = problem ? () => t('notJson', { reason: problem }) : !isObject(value) ? () => t('notObject') : null;
  field.setAttribute('aria-invalid', String(wrong !== null));
  if (wrong) showResult(result, 'invalid', wrong);
  else if (result.dataset.status === 'invalid') showResult(result, '', () => '');
  return wrong ? null : text;
}

/** "Not connected" is true only until the page is connected. */
function forgetOffline(client, result) {
  client.on('change', () => { if (client.isOpen && result.dataset.status === 'offline') showResult(result, '', () => ''); });
}

function showResult(result, status, words) {
  result.dataset.status = status;
  say(result, words);
}

async function showAnswer(result, promise) {
  // Only the newest request of a field may write its result: answers of earlier ones can still come.
  const mine = (result.answering = {});
  showResult(result, 'waiting', () => t('waiting'));
  const answer = await promise;
  if (result.answering !== mine) return;
  if (answer.lost) showResult(result, 'error', () => t('noAnswer'));
  else if (answer.error) showResult(result, 'error', () => errorWords(answer.error));
  else showResult(result, 'ok', () => `${milliseconds(answer.rtt)} · ${answer.preview}`);
}

function errorWords({ code, message, retryable }) {
  const error = `${code}: ${message}`;
  return retryable ? t('retryable', { error }) : error;
}

function sendOnKeys(field, send) {
  field.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey) || event.isComposing) return;
    event.preventDefault();
    send();
  });
}

// ---------------------------------------------------------------- Panel: raw frame

const RAW_TEMPLATES = {
  request: (id) => `{\n  "id": "${id}",\n  "type": "request",\n  "action": "echo",\n  "payload": {"message": "Hello"}\n}`,
  ping: () => '{"type": "ping"}',
  unknown: (id) => `{"id": "${id}", "type": "request", "action": "no_such_action"}`,
  malformed: () => '{"id": "1", "type": ',
};

function mountRaw(client) {
  const [field, result] = [element('raw-text'), element('raw-result')];
  const renderSize = () => {
    const [n, limit] = [bytesOf(field.value), client.hello?.limits?.message_bytes_max];
    element('raw-size').dataset.over = String(n > limit);
    element('raw-size').textContent = limit ? t('sizeOfLimit', { n: number(n), limit: number(limit) }) : t('sizeValue', { n: number(n) });
  };
  const fill = (name) => {
    field.value = RAW_TEMPLATES[name](client.nextId());
    renderSize();
    field.focus();
  };
  const send = () => {
    if (!client.isOpen) return showResult(result, 'offline', () => t('notConnected'));
    const n = bytesOf(field.value);
    const promise = client.send(field.value);
    if (promise) return showAnswer(result, promise);
    result.answering = null;
    return showResult(result, 'ok', () => t('sentBytes', { n: number(n) }));
  };
  element('raw-templates').append(...Object.keys(RAW_TEMPLATES).map((name) => templateButton(name, fill)));
  element('raw-templates').firstElementChild.id = 'raw-template';
  field.value = RAW_TEMPLATES.request(client.nextId());
  field.addEventListener('input', renderSize);
  element('raw-send').addEventListener('click', send);
  sendOnKeys(field, send);
  forgetOffline(client, result);
  client.on('change', renderSize);
  languageListeners.push(renderSize);
}

function templateButton(name, fill) {
  const button = document.createElement('button');
  button.type = 'button';
  button.dataset.template = name;
  button.textContent = name; // a word of the protocol, the same in every language
  button.addEventListener('click', () => fill(name));
  return button;
}

// ---------------------------------------------------------------- Counters

const COUNTERS = [
  { id: 'frames-in', words: 'framesIn' }, { id: 'frames-out', words: 'framesOut' },
  { id: 'bytes-in', words: 'bytesIn' }, { id: 'bytes-out', words: 'bytesOut' },
  { id: 'errors', words: 'errors' }, { id: 'rtt', words: 'rtt' },
];

function mountCounters(client) {
  const counts = Object.fromEntries(COUNTERS.map(({ id }) => [id, 0]));
  counts.rtt = null;
  element('counters').append(...COUNTERS.map(({ id, words }) => counterPair(id, words)));
  const render = oncePerPaint(() => {
    for (const { id } of COUNTERS) {
      element(id).dataset.value = counts[id] ?? '';
      element(id).textContent = id === 'rtt' ? (counts.rtt === null ? '–' : milliseconds(counts.rtt)) : number(counts[id]);
    }
    element('errors').dataset.alarm = String(counts.errors > 0);
  }, UPDATE_EVERY_MS);
  render();
  client.on('frame', ({ direction, kind, bytes, rtt }) => {
    if (direction === 'local') return;
    counts[`frames-${direction}`] += 1;
    counts[`bytes-${direction}`] += bytes;
    if (direction === 'in' && kind === 'error') counts.errors += 1;
    counts.rtt = rtt ?? counts.rtt;
    render();
  });
}

function counterPair(id, words) {
  const pair = document.createElement('div');
  const [term, value] = [document.createElement('dt'), document.createElement('dd')];
  term.dataset.i18n = words;
  value.id = id;
  pair.append(term, value);
  return pair;
}

// ---------------------------------------------------------------- The list of frames

const KINDS = ['request', 'response', 'error', 'notification', 'heartbeat', 'socket', 'other'];
const ARROWS = { in: '↓', out: '↑', local: '•' };
const kindWords = (kind) => t(kind === 'heartbeat' ? 'heartbeatKind' : kind);

function mountFrames(client) {
  const list = element('frames');
  const rows = new Map(); // li → frame, oldest first
  const filter = { text: '', direction: '', kind: '', heartbeats: false };
  const state = { paused: false, following: true, dropped: 0, chars: 0, shown: 0 };
  let arrived = []; // frames that have no row yet

  const flush = oncePerPaint(() => {
    if (!state.paused) {
      addRows();
      dropOldest();
      setTabStop();
      if (state.following) list.scrollTop = list.scrollHeight;
    }
    renderFoot();
  }, UPDATE_EVERY_MS);

  function addRows() {
    const fragment = new DocumentFragment();
    for (const frame of arrived) {
      const row = frameRow(frame);
      row.hidden = !matches(frame, filter);
      state.shown += row.hidden ? 0 : 1;
      state.chars += frame.text.length;
      rows.set(row, frame);
      fragment.append(row);
    }
    arrived = [];
    list.append(fragment);
  }

  function dropOldest() {
    while (rows.size > FRAMES_KEPT_MAX || (state.chars > TEXT_KEPT_CHARS_MAX && rows.size > 1)) {
      const [row, frame] = rows.entries().next().value;
      const hadFocus = row.contains(document.activeElement);
      state.dropped += 1;
      state.chars -= frame.text.length;
      state.shown -= row.hidden ? 0 : 1;
      rows.delete(row);
      row.remove();
      if (hadFocus) focusRow(visibleFrom(list.firstElementChild, 'nextElementSibling'));
    }
  }

  function applyFilter() {
    state.shown = 0;
    for (const [row, frame] of rows) {
      row.hidden = !matches(frame, filter);
      state.shown += row.hidden ? 0 : 1;
    }
    flush();
  }

  function renderFoot() {
    element('shown').dataset.value = state.shown;
    say(element('shown'), () => t(state.shown === rows.size ? 'shownAll' : 'shown', { n: number(state.shown), all: number(rows.size) }));
    element('dropped').dataset.dropped = state.dropped;
    say(element('dropped'), () => t('dropped', { n: number(state.dropped) }));
    element('pause').setAttribute('aria-pressed', String(state.paused));
    const waiting = arrived.length;
    say(element('pause'), () => (!state.paused ? t('pause') : waiting ? t('resumeWaiting', { n: number(waiting) }) : t('resume')));
    element('frames-empty').hidden = state.shown > 0;
    say(element('frames-empty'), () => t(rows.size === 0 ? 'empty' : 'noneShown'));
    element('auto-scroll').checked = state.following;
  }

  // One tab stop for the whole list, arrows inside: a thousand stops would lock the keyboard in.
  let tabStop = null;
  function setTabStop(row = list.contains(document.activeElement) ? tabStop : visibleFrom(list.lastElementChild, 'previousElementSibling')) {
    if (row === tabStop) return;
    if (tabStop) tabStop.firstElementChild.tabIndex = -1;
    tabStop = row;
    if (tabStop) tabStop.firstElementChild.tabIndex = 0;
  }
  function focusRow(row) {
    if (!row) return;
    setTabStop(row);
    row.firstElementChild.focus();
  }

  function toggle(row) {
    const frame = rows.get(row);
    if (!frame.text) return;
    const open = row.firstElementChild.getAttribute('aria-expanded') !== 'true';
    row.firstElementChild.setAttribute('aria-expanded', String(open));
    if (!open) row.lastElementChild.remove();
    else {
      row.append(frameDetail(frame));
      state.following = false; // who opens a frame reads it: it must not run away
      flush();
    }
  }

  client.on('frame', (frame) => {
    arrived.push(frame);
    // In a hidden tab, or paused, nothing is painted for a long time: the queue has the list's limit.
    if (arrived.length > FRAMES_KEPT_MAX) {
      arrived.shift();
      state.dropped += 1;
    }
    flush();
  });

  list.addEventListener('click', (event) => {
    const button = event.target.closest('.row');
    if (button) toggle(button.parentElement);
  });
  list.addEventListener('focusin', (event) => setTabStop(event.target.closest('li')));
  list.addEventListener('keydown', (event) => {
    if (!event.target.matches('.row')) return;
    const row = event.target.parentElement;
    const moves = {
      ArrowDown: () => visibleFrom(row.nextElementSibling, 'nextElementSibling'),
      ArrowUp: () => visibleFrom(row.previousElementSibling, 'previousElementSibling'),
      Home: () => visibleFrom(list.firstElementChild, 'nextElementSibling'),
      End: () => visibleFrom(list.lastElementChild, 'previousElementSibling'),
    };
    if (!Object.hasOwn(moves, event.key)) return;
    event.preventDefault();
    focusRow(moves[event.key]());
  });
  list.addEventListener('scroll', () => {
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 24;
    if (atEnd === state.following || state.paused) return;
    state.following = atEnd;
    element('auto-scroll').checked = atEnd;
  });

  const onFilter = (id, type, change) => element(id).addEventListener(type, (event) => { change(event.target); applyFilter(); });
  onFilter('filter', 'input', (field) => { filter.text = field.value.trim().toLowerCase(); });
  onFilter('filter-direction', 'change', (field) => { filter.direction = field.value; });
  onFilter('filter-kind', 'change', (field) => { filter.kind = field.value; });
  onFilter('show-heartbeats', 'change', (field) => { filter.heartbeats = field.checked; });
  filter.heartbeats = element('show-heartbeats').checked;

  element('auto-scroll').addEventListener('change', (event) => { state.following = event.target.checked; flush(); });
  element('pause').addEventListener('click', () => { state.paused = !state.paused; flush(); });
  element('clear').addEventListener('click', () => {
    rows.clear();
    arrived = [];
    tabStop = null;
    Object.assign(state, { dropped: 0, chars: 0, shown: 0, following: true });
    list.replaceChildren();
    flush();
  });
  languageListeners.push(() => {
    fillSelect(element('filter-direction'), [['', t('anyDirection')], ['in', t('in')], ['out', t('out')]]);
    fillSelect(element('filter-kind'), [['', t('anyKind')], ...KINDS.map((kind) => [kind, kindWords(kind)])]);
    for (const row of rows.keys()) translateRow(row);
  });
  flush();
}

function matches(frame, filter) {
  if (frame.kind === 'heartbeat' && !filter.heartbeats && filter.kind !== 'heartbeat') return false;
  if (filter.direction && frame.direction !== filter.direction) return false;
  if (filter.kind && frame.kind !== filter.kind) return false;
  return !filter.text || `${frame.name}\n${frame.text}`.toLowerCase().includes(filter.text);
}

function visibleFrom(row, step) {
  while (row?.hidden) row = row[step];
  return row ?? null;
}

function frameRow(frame) {
  const row = element('frame-template').content.firstElementChild.cloneNode(true);
  const { direction, kind, name, id, preview, rtt, bytes } = frame;
  Object.assign(row.dataset, { direction, kind, name });
  if (id !== undefined) row.dataset.id = id;
  const part = (selector, words) => { row.querySelector(selector).textContent = words; };
  part('time', clock(frame.time, true));
  part('.arrow', ARROWS[direction]);
  part('.name', id === undefined ? name : `${name} #${id}`);
  part('.preview', preview);
  part('.rtt', rtt === undefined ? '' : milliseconds(rtt));
  part('.size', kind === 'socket' ? '' : `${number(bytes)} B`);
  translateRow(row);
  return row;
}

function translateRow(row) {
  row.querySelector('.kind').textContent = kindWords(row.dataset.kind);
  row.querySelector('.arrow').setAttribute('aria-label', t(row.dataset.direction));
  const copy = row.querySelector('.copy');
  if (copy) copy.textContent = t('copy');
}

function frameDetail(frame) {
  const detail = element('detail-template').content.firstElementChild.cloneNode(true);
  const copy = detail.querySelector('.copy');
  copy.textContent = t('copy');
  copy.addEventListener('click', async () => {
    const done = await copyText(frame.text);
    copy.textContent = t(done ? 'copied' : 'copyFailed');
    setTimeout(() => { copy.textContent = t('copy'); }, 1500);
  });
  detail.querySelector('pre').setAttribute('aria-label', frame.name || kindWords(frame.kind));
  showJson(detail.querySelector('pre'), frame.text);
  return detail;
}

async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text); // no clipboard API on plain http:// other than localhost
  }
}

function copyBySelection(text) {
  const focused = document.activeElement;
  const field = document.createElement('textarea');
  field.className = 'hidden';
  field.value = text;
  document.body.append(field);
  field.select();
  const done = document.execCommand('copy');
  field.remove();
  focused?.focus();
  return done;
}

function fillSelect(select, options) {
  const value = select.value;
  select.replaceChildren(...options.map(([key, words]) => new Option(words, key)));
  select.value = value;
}

// ---------------------------------------------------------------- Start

const client = new Client();
for (const mount of [mountBar, mountTheme, mountConnection, mountActions, mountRaw, mountCounters, mountFrames]) mount(client);
setLanguage(language);
