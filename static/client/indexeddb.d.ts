import type { Store } from './ws-client.js';

/** A store in IndexedDB: publications and positions outlive the page, and what a page left is sent by the next one. */
export interface IndexedDbStore extends Store {
  readonly name: string;
  /** The pages that have entries in it, and when each last touched them, in ms since 1970. */
  owners(): Promise<{ name: string; touched: number }[]>;
}

/** A store for one client; `name` tells databases apart. Nothing is opened before the client's first use. */
export function indexedDb(name?: string): IndexedDbStore;
