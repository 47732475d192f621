import type { Store } from './ws-client.js';

/** Keeps publications and positions while the page lives, for one client after another. */
export function memoryStore(): Store;
