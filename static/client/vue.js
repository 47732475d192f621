// Composables for Vue: what they subscribe ends with the component, and they close no client.
import { onScopeDispose, shallowRef } from 'vue';

/** What a `Readable` of the client holds, as a ref: `client.status`, `client.pending`, `channel.status`. */
export function useReadable(readable) {
  const value = shallowRef(readable.get());
  onScopeDispose(readable.subscribe((next) => { value.value = next; }));
  return value;
}

/** The status of a client. */
export function useStatus(client) {
  return useReadable(client.status);
}

/** Reads a channel while the component lives; `run` is called with each event. */
export function useChannel(client, name, run, options) {
  const channel = client.channel(name);
  onScopeDispose(channel.subscribe(run, options));
  return { channel, status: useReadable(channel.status) };
}
