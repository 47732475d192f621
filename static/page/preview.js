// One line that tells a frame from the others of its kind: what differs comes first, as `chat:42 #1 {"text":"hi"}`.

import { exactValue, isObject } from './json.js';

const CHARS_MAX = 240;
const PARSED_CHARS_MAX = 1024 * 1024; // a larger frame's preview is its beginning

/** The preview of a classified frame. */
export function previewOf({ kind, value, text }) {
  const exact = kind === 'other' || text.length > PARSED_CHARS_MAX ? undefined : exactValue(value, text);
  if (exact === undefined) return oneLine(text);
  const parts = {
    request: () => inChannel(exact.payload ?? {}),
    response: () => inChannel(exact.data ?? null),
    error: () => String(exact.error?.message ?? ''),
    notification: () => ofEvent(exact.data),
  };
  return oneLine(parts[kind]?.() ?? '');
}

const oneLine = (text) => text.slice(0, CHARS_MAX).replace(/\s+/g, ' ');

function ofEvent(event) {
  if (!isObject(event)) return JSON.stringify(event) ?? '';
  const { event: name, ...rest } = event;
  if (name !== 'publication') return inChannel(rest);
  const { channel, offset, data } = rest; // the others are in the detail
  return inChannel({ channel, offset, data });
}

/** The channel, the offset and the data, as far as they are there, then the rest as JSON. */
function inChannel(fields) {
  if (!isObject(fields) || typeof fields.channel !== 'string') return JSON.stringify(fields) ?? '';
  const { channel, offset, data, ...rest } = fields;
  const parts = [channel];
  if (offset !== undefined) parts.push(`#${JSON.stringify(offset)}`);
  if (data !== undefined) parts.push(JSON.stringify(data));
  if (Object.keys(rest).length > 0) parts.push(JSON.stringify(rest));
  return parts.join(' ');
}
