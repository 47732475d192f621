// The frames of the list as a file: one JSON object a line, oldest first. Tokens are masked.

import { withoutTokens } from './mask.js';

const LATER_MS = 10_000; // by then the browser has read it

/** One line for each frame: when, which way, what, and its text as it was on the wire, but for tokens. */
export function toJsonLines(frames) {
  return frames.map(({ time, direction, kind, name, id, rtt, bytes, text }) => `${JSON.stringify({
    time: new Date(time).toISOString(), direction, kind, name, id, rtt_ms: rtt && Math.round(rtt * 1000) / 1000, bytes,
    text: withoutTokens(text),
  })}\n`).join('');
}

/** Has the browser save the text under this name. */
export function download(name, text) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type: 'application/x-ndjson' }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), LATER_MS);
}

/** Such as frames-20261128-093000.jsonl, in local time. */
export function fileName(now = new Date()) {
  const local = new Date(now.getTime() - now.getTimezoneOffset() * 60_000).toISOString();
  return `frames-${local.slice(0, 19).replace(/[-:]/g, '').replace('T', '-')}.jsonl`;
}
