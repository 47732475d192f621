import type { Channel, ChannelStatus, Client, Ev, Readable, Status, SubscribeOptions } from './ws-client.js';

/** What a `Readable` of the client holds: `client.status`, `client.pending`, `channel.status`. */
export function useReadable<V>(readable: Readable<V>): V;

/** The status of a client. */
export function useStatus(client: Client): Status;

/** Reads a channel while the component is mounted; the newest `run` is called with each event. */
export function useChannel<T = unknown>(
  client: Client, name: string, run: (event: Ev<T>) => unknown, options?: SubscribeOptions,
): { channel: Channel<T>; status: ChannelStatus };
