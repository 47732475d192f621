// What a page has and this Node.js may not: loaded before a script that is written for a browser.
import WebSocket from 'ws';

globalThis.WebSocket = WebSocket;
