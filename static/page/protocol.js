// What the protocol says about one frame or one close code (docs/PROTOCOL.md), as functions of values. No DOM, no
// state.

import { isObject, parseJson } from './json.js';

/** All kinds of frames, in the order of the filter. `socket` and `other` are of this page, not of the protocol. */
export const KINDS = ['request', 'response', 'error', 'notification', 'heartbeat', 'socket', 'other'];

/** What a frame is, read from its text: kind, name (action, event, error code), id and parsed value. */
export function classify(text) {
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

// 1005 and 1006 tell nothing, 1011–1014 pass: come back. The others would only happen again.
const RFC_CODES_FINAL = new Set([1000, 1002, 1003, 1007, 1008, 1009, 1010, 1015]);

/** Whether a client should come back after this close code (section 6). */
export function shouldReconnect(code) {
  if (code >= 4000) return code < 4500;
  return !RFC_CODES_FINAL.has(code);
}

/** Whether this close code forbids to come back, also for a client that had planned to (section 6). */
export const isFinal = (code) => code >= 4500;

/**
 * The address with the heartbeat that a browser can answer, unless it names one, and with the token, unless there is
 * none. Throws when it is no URL.
 */
export function socketUrl(address, token) {
  const url = new URL(address);
  if (!url.searchParams.has('heartbeat')) url.searchParams.set('heartbeat', 'app');
  if (token) url.searchParams.set('token', token);
  return url.href;
}
