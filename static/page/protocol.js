// What the protocol says about one frame (docs/PROTOCOL.md), as a function of its text. No DOM, no state.

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
