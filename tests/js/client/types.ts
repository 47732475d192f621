import { connect, WsError, type Ack } from 'ws-server-client';
import { claude, type Run } from 'ws-server-client/claude';
import { indexedDb } from 'ws-server-client/indexeddb';
import { memoryStore } from 'ws-server-client/memory';

interface Message { text: string }

const client = connect('wss://example.com/ws', { token: async () => null, store: indexedDb() });
connect(new URL('wss://example.com/ws'), { store: memoryStore() });
const room = client.channel<Message>('room');
const end: () => void = room.subscribe((event) => {
  if (event.type === 'publication') event.data.text.toUpperCase();
  else if (event.type === 'gap' && 'from' in event) event.to.toFixed();
}, { since: 'stored' });
const ack: Promise<Ack> = room.publish({ text: 'hello' }, { maxAge: 5_000 });
ack.catch((error: unknown) => error instanceof WsError && error.kind === 'expired');
for await (const { data } of room.history({ limit: 10 })) data.text.trim();
client.status.subscribe(({ state }) => state === 'connected');
const run: Run = await claude(client, 'room').ask({ prompt: 'Why?' });
for await (const event of claude(client, 'room').follow(run)) {
  if (event.type === 'text') event.text.trim();
  else if (event.type === 'finished') event.usage?.output_tokens?.toFixed();
}
end();
