// The panel of the connection: where to, what the server said at the start, why the last socket ended.

import { element } from './dom.js';
import { clock, closeMeaning, moment, number, onLanguage, say, t } from './text.js';

export function mountConnection(client) {
  const url = element('url');
  url.value = defaultAddress();
  showUrlProblem(url, null);
  client.autoReconnect = element('auto-reconnect').checked; // a browser keeps it over a reload

  const render = () => {
    const does = client.isActive ? 'disconnect' : 'connect';
    element('connect').dataset.does = does;
    element('connect').textContent = t(does);
    renderHello(client);
    renderNotice(client);
  };
  client.on('change', render);
  onLanguage(render);

  element('connection-form').addEventListener('submit', (event) => {
    event.preventDefault();
    if (client.isActive) client.disconnect();
    else tryConnect(client, url);
  });
  url.addEventListener('input', () => showUrlProblem(url, null));
  element('auto-reconnect').addEventListener('change', (event) => client.setAutoReconnect(event.target.checked));
}

/** Connects when the page is opened, unless its own URL says `?connect=off`. */
export function connectAtStart(client) {
  if (new URLSearchParams(location.search).get('connect') !== 'off') tryConnect(client, element('url'));
}

function defaultAddress() {
  const url = new URL('ws', location.href);
  url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
  return url.href;
}

function tryConnect(client, url) {
  const problem = connectProblem(client, url.value.trim());
  showUrlProblem(url, problem);
  if (problem) url.focus();
}

/** Connects; what stands in the way as a function that says it, or null. */
function connectProblem(client, address) {
  try {
    client.connect(address);
    return null;
  } catch {
    return () => t('badUrl');
  }
}

function showUrlProblem(url, problem) {
  url.setAttribute('aria-invalid', String(problem !== null));
  element('url-note').dataset.status = problem ? 'invalid' : '';
  say(element('url-note'), problem ?? (() => t('urlNote')));
}

function renderHello({ hello, expiry }) {
  const show = (id, words) => { element(id).textContent = words ?? '–'; };
  const { connection_id: connection, heartbeat, limits } = hello ?? {};
  show('connection-id', connection);
  show('server', hello && t('serverValue', { server: hello.server, protocol: hello.protocol }));
  show('user', hello && (hello.user ?? t('anonymous')));
  show('expires', hello?.user && (expiry ? moment(expiry.at) : t('never')));
  show('heartbeat', heartbeat && heartbeatWords(heartbeat));
  show('frame-limit', limits && t('bytesValue', { n: number(limits.message_bytes_max) }));
}

function heartbeatWords({ interval_ms: interval, timeout_ms: timeout }) {
  return t('heartbeatValue', { interval: number(interval / 1000), timeout: number(timeout / 1000) });
}

function renderNotice({ notice, retry, autoReconnect }) {
  const box = element('close-info');
  box.hidden = notice === null;
  if (!notice) return;
  const ownDoing = Boolean(notice.byPage);
  const comeBack = Boolean(notice.draining || notice.comesBack);
  const advice = ownDoing || notice.draining ? '' : t(comeBack ? 'shouldReconnect' : 'shouldNotReconnect');
  box.dataset.code = notice.code ?? '';
  box.dataset.reconnect = ownDoing ? 'none' : String(comeBack);
  element('close-code').textContent = notice.code ?? '';
  element('close-meaning').textContent = notice.draining ? drainWords(notice, autoReconnect) : endWords(notice);
  element('close-advice').textContent = advice;
  element('reconnect-note').textContent = retry ? t('nextTry', { time: clock(retry.at), n: retry.attempt }) : '';
}

function drainWords(notice, autoReconnect) {
  return autoReconnect && notice.at ? t('movesAt', { time: clock(notice.at) }) : t('drainStays');
}

function endWords({ code, reason, opened, byPage, dropped, error }) {
  if (byPage && !opened) return t('cancelled');
  if (!byPage && error && error.kind !== 'lost') return t('gaveUp', { reason: error.message });
  // Such as ws: from an https: page.
  if (!opened && error?.cause === 'socket' && error.message.includes('SecurityError')) return error.message;
  if (!opened && (error?.cause === 'socket' || code === 1006)) return t('handshakeFailed');
  const sentences = [reason ? `${closeMeaning(code)} – ${reason}` : closeMeaning(code)];
  if (byPage) sentences.push(t(dropped ? 'droppedByPage' : 'byPage'));
  else if (error?.cause && error.cause !== 'socket') sentences.push(t(`cause-${error.cause}`));
  return sentences.map((words) => t('sentence', { words })).join('').trimEnd();
}
