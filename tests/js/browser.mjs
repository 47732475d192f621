// Globals of a browser that this Node.js may lack, and the modules that the server serves: loaded before a script that
// is written for a page. WEBSOCKET_ADDR: the address of the page's server.
import 'fake-indexeddb/auto';
import { register } from 'node:module';
import WebSocket from 'ws';

globalThis.WebSocket = WebSocket;
globalThis.location = new URL(`http://${process.env.WEBSOCKET_ADDR ?? 'localhost'}/`);

const client = new URL('../../static/client/', import.meta.url);
const resolve = `const resolve = (name, context, next) =>
  next(name.startsWith('/client/') ? new URL(name.slice(8), '${client}').href : name, context);
export { resolve };`;
register(`data:text/javascript,${encodeURIComponent(resolve)}`);
