// A sent frame as a program that sends it: for people who have tried it here and want it in their own code. No DOM.
// Tokens are masked, in the frame and in the address.

import { compactJson, isObject, parseExact, parseJson } from './json.js';
import { withoutTokens } from './mask.js';

/** Key of the button → function of (address, text of the frame); null where there is no such program. */
export const LANGUAGES = { javascript: asJavaScript, python: asPython, curl: asCurl, websocat: asWebsocat };

function asJavaScript(address, frame) {
  const [url, text] = [address, frame].map(withoutTokens);
  return [
    '// A browser, or Node.js 22 and later.',
    `const socket = new WebSocket(${JSON.stringify(url)});`,
    "socket.addEventListener('message', ({ data }) => console.log(data));",
    "socket.addEventListener('close', ({ code, reason }) => console.log('closed', code, reason));",
    `socket.addEventListener('open', () => socket.send(${asExpression(text)}));`,
    '',
  ].join('\n');
}

/** JSON is JavaScript too, unless reading it would change what is sent. */
function asExpression(text) {
  const isSame = isObject(parseJson(text).value) && !/\d{16}|__proto__/.test(text);
  return isSame ? `JSON.stringify(${compactJson(text)})` : JSON.stringify(text);
}

function asPython(address, frame) {
  const [url, text] = [address, frame].map((each) => JSON.stringify(withoutTokens(each))); // also a literal of Python
  return [
    '# pip install websockets',
    'import asyncio',
    '',
    'import websockets',
    '',
    '',
    'async def main():',
    `    async with websockets.connect(${url}) as socket:`,
    `        await socket.send(${text})`,
    '        async for frame in socket:',
    '            print(frame)',
    '',
    '',
    'asyncio.run(main())',
    '',
  ].join('\n');
}

// What the server API offers too (PROTOCOL section 9): payload → [method, path, query or body].
const API = {
  publish: ({ channel, ...body }) => ['POST', `${pathOf(channel)}/publications`, body],
  broadcast: ({ message }) => ['POST', '/broadcast', { message }],
  get_history: ({ channel, limit, since, before, reverse }) => ['GET', `${pathOf(channel)}/publications`, {
    limit, since_epoch: since?.epoch, since_offset: since?.offset, before, reverse,
  }],
  get_presence: ({ channel, limit, after }) => ['GET', `${pathOf(channel)}/presence`, { limit, after }],
};

const canStandInPath = (channel) => typeof channel === 'string' && channel !== '' && !/\p{Surrogate}/u.test(channel);
const pathOf = (channel) => `/channels/${encodeURIComponent(channel)}`;

/** The same over HTTP, with the API key of the environment. */
function asCurl(address, frame) {
  const { value } = parseJson(frame);
  if (value?.type !== 'request' || !Object.hasOwn(API, value.action) || !isObject(value.payload)) return null;
  if (value.action !== 'broadcast' && !canStandInPath(value.payload.channel)) return null;
  const [method, path, fields] = API[value.action](parseExact(frame).payload);
  const url = `${apiOf(address)}${path}`;
  const key = '-H "Authorization: Bearer $WS_SERVER_API_KEY"';
  if (method === 'GET') return withoutTokens(`curl -sS ${quoted(url + queryOf(fields))} ${key}\n`);
  const body = quoted(withoutTokens(JSON.stringify(fields)));
  const text = `curl -sS ${quoted(url)} ${key} \\\n  -H 'Content-Type: application/json' --data-binary ${body}\n`;
  return withoutTokens(text);
}

/** The API lies beside the path of the connections. Nothing else of their address belongs into it, least a token. */
function apiOf(address) {
  if (!URL.canParse(address)) return '/api/v1';
  const { protocol, host, pathname } = new URL(address);
  return `${protocol.replace(/^ws/, 'http')}//${host}${pathname.replace(/\/[^/]*\/?$/, '')}/api/v1`;
}

function queryOf(fields) {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined && value !== null);
  const texts = given.map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)]);
  return texts.length > 0 ? `?${new URLSearchParams(texts)}` : '';
}

/** For a shell. */
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function asWebsocat(address, frame) {
  const [url, text] = [address, oneLine(frame)].map((each) => quoted(withoutTokens(each)));
  return `printf '%s\\n' ${text} | websocat --no-close ${url}\n`;
}

/** websocat sends a frame for each line. */
const oneLine = (text) => (parseJson(text).problem ? text.replace(/\s*[\r\n]+\s*/g, ' ') : compactJson(text));
