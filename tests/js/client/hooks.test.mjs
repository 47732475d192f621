// The hooks: React in StrictMode mounts everything twice, and that costs no frame.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Window } from 'happy-dom';
import { FakeServer, settle } from './fake.mjs';

const window = new Window();
Object.assign(globalThis, { window, document: window.document, IS_REACT_ACT_ENVIRONMENT: true });
Object.defineProperty(globalThis, 'navigator', { configurable: true, value: window.navigator });
for (const name of ['Element', 'HTMLElement', 'SVGElement', 'ShadowRoot', 'Node']) globalThis[name] = window[name];
after(() => window.happyDOM.close());

const { connect } = await import('../../../static/client/ws-client.js');
const server = () => {
  const made = new FakeServer();
  const client = connect('ws://server/ws', { WebSocket: made.WebSocket });
  return { made, client };
};

test('React, StrictMode, two components on one channel: one subscription', async () => {
  const { StrictMode, act, createElement, useState } = await import('react');
  const { createRoot } = await import('react-dom/client');
  const { useChannel, useStatus } = await import('ws-server-client/react');
  const { made, client } = server();
  function List({ name }) {
    const [all, setAll] = useState([]);
    const { status } = useChannel(client, 'a', (event) => event.type === 'publication' && setAll((list) => [...list, event.data]));
    return createElement('p', null, `${name} ${useStatus(client).state} ${status.state} ${all}`);
  }
  const root = document.createElement('div');
  const app = createRoot(root);
  const show = (...names) => act(async () => {
    app.render(createElement(StrictMode, null, names.map((name) => createElement(List, { name, key: name }))));
    await settle();
  });
  await show('one', 'two');
  await act(async () => { await client.channel('a').publish(7); await settle(); });
  assert.equal(root.textContent, 'one connected live 7two connected live 7');
  await show('one');
  await show('one', 'two');
  assert.equal(made.sockets.length, 1);
  assert.deepEqual(made.frames.map(({ action }) => action), ['subscribe', 'publish']);
  await act(async () => { app.unmount(); await settle(); });
  assert.equal(client.status.get().state, 'connected', 'hooks close no client');
  await client.close();
});

test('Vue: a ref follows, and ends with its scope', async () => {
  const { effectScope } = await import('vue');
  const { useChannel, useStatus } = await import('ws-server-client/vue');
  const { made, client } = server();
  const seen = [];
  const scope = effectScope();
  const [status, channel] = scope.run(() => [useStatus(client), useChannel(client, 'a', ({ type }) => seen.push(type))]);
  await settle();
  assert.deepEqual([status.value.state, channel.status.value.state], ['connected', 'live']);
  scope.stop();
  made.publish({ channel: 'a', data: 1, msg_id: 'm' });
  await settle();
  assert.deepEqual(seen, ['live']);
  await client.close();
  assert.equal(status.value.state, 'connected', 'the ref has ended');
});
