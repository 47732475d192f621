// Hooks for React: they subscribe in effects only, and close no client.
import { useCallback, useEffect, useRef, useSyncExternalStore } from 'react';

/** What a `Readable` of the client holds: `client.status`, `client.pending`, `channel.status`. */
export function useReadable(readable) {
  const subscribe = useCallback((changed) => readable.subscribe(changed), [readable]);
  return useSyncExternalStore(subscribe, readable.get, readable.get);
}

/** The status of a client. */
export function useStatus(client) {
  return useReadable(client.status);
}

/**
 * Reads a channel while the component is mounted. The newest `run` is called with each event; `options` (where to begin)
 * count when the subscription begins.
 */
export function useChannel(client, name, run, options) {
  const channel = client.channel(name);
  const newest = useRef({ run, options });
  useEffect(() => { newest.current = { run, options }; });
  useEffect(() => channel.subscribe((event) => newest.current.run(event), newest.current.options), [channel]);
  return { channel, status: useReadable(channel.status) };
}
