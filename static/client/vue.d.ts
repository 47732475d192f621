import type { ShallowRef } from 'vue';
import type { Channel, ChannelStatus, Client, Ev, Readable, Status, SubscribeOptions } from './ws-client.js';

/** What a `Readable` of the client holds, as a ref. */
export function useReadable<V>(readable: Readable<V>): ShallowRef<V>;

/** The status of a client. */
export function useStatus(client: Client): ShallowRef<Status>;

/** Reads a channel while the component lives; `run` is called with each event. */
export function useChannel<T = unknown>(
  client: Client, name: string, run: (event: Ev<T>) => unknown, options?: SubscribeOptions,
): { channel: Channel<T>; status: ShallowRef<ChannelStatus> };
