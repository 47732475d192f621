// Globals of a browser that this Node.js may lack: loaded before a script that is written for a browser.
import WebSocket from 'ws';

globalThis.WebSocket = WebSocket;
