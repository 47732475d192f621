// JSON as text: reading it with a short account of what is wrong, and laying it out for people. No DOM.

const INDENT_DEPTH_MAX = 32; // deeper levels stand at the same indent: thousands would need gigabytes of spaces

const encoder = new TextEncoder();

/** The length in UTF-8, as on the wire. */
export const bytesOf = (text) => encoder.encode(text).length;

/** {value} or {problem}: what is wrong, as the browser says it. */
export function parseJson(text) {
  try { return { value: JSON.parse(text) }; } catch (problem) { return { problem: withoutQuote(problem.message) }; }
}

/**
 * Valid JSON as a value that `JSON.stringify` writes with the numbers that were there: parsing rounds large ones. A
 * browser without JSON.rawJSON rounds them all the same.
 */
export function parseExact(text) {
  if (!JSON.rawJSON) return JSON.parse(text);
  const keep = (_, value, { source }) => (
    typeof value === 'number' && String(value) !== source ? JSON.rawJSON(source) : value
  );
  return JSON.parse(text, keep);
}

/** `value`, parsed from `text`, with the numbers that were there; undefined where this browser would round them. */
export function exactValue(value, text) {
  if (!/\d{16}/.test(text)) return value;
  return JSON.rawJSON ? parseExact(text) : undefined;
}

/** Chromium ends some of its messages with the whole text once more: the reader has it before their eyes. */
const withoutQuote = (message) => message.replace(/, (\.\.\.)?"[^]*"(\.\.\.)? is not valid JSON$/, '');

export const isObject = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);

const TOKEN = /"(?:[^"\\]+|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

/** Valid JSON without the white space between its tokens. */
export const compactJson = (json) => (json.match(TOKEN) ?? []).join('');

/**
 * Valid JSON as [class, text] pieces with line breaks and indents. Works on the text, not on the parsed value, because
 * parsing would change what was on the wire: large numbers, doubled keys, escapes.
 */
export function layoutJson(json) {
  const tokens = json.match(TOKEN) ?? [];
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
