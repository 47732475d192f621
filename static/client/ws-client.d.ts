/** A place in a channel's stream: offsets count within an epoch. */
export interface Position { epoch: string; offset: number }

export type Tags = Record<string, string>;

export type ErrorKind =
  | 'rejected' | 'full' | 'too_large' | 'expired' | 'unknown' | 'closed' | 'aborted' | 'lost' | 'token' | 'denied'
  | 'store' | 'gap';

/** Why something failed: `kind` is for programs, `message` for people. */
export class WsError extends Error {
  readonly kind: ErrorKind;
  /** The code of the server's error (`rejected`, `unknown`). */
  readonly code?: string;
  readonly retryable?: boolean;
  /** The close code of the connection (`lost`). */
  readonly close?: number;
  /** The HTTP status of the handshake, where the WebSocket tells it. */
  readonly status?: number;
  /** What the client found wrong with the connection. */
  readonly cause?: 'connect' | 'request' | 'silence' | 'probe' | 'frame' | 'socket';
}

/** Thrown by a token provider: there will be no token. The client closes. */
export class TokenDenied extends Error {}

/**
 * Gives a token, or null for the anonymous user. What it throws is tried again later, after `retryAfter` ms where the
 * error has such a property.
 */
export type TokenProvider = (why: 'connect' | 'expiring' | 'expired', signal: AbortSignal) =>
  string | null | Promise<string | null>;

/** Gives a subscription token. */
export type ChannelTokenProvider = (why: 'connect', signal: AbortSignal) => string | Promise<string>;

/** A value that changes. Subscribers get it at once and after each change, as in a Svelte store. */
export interface Readable<V> {
  get(): V;
  subscribe(run: (value: V) => void): () => void;
}

export interface Status {
  state: 'idle' | 'connecting' | 'connected' | 'waiting' | 'closed';
  /** While waiting: when the next attempt begins, in ms since 1970. */
  retryAt?: number;
  /** While connected: the user; null is the anonymous one. */
  user?: string | null;
  /** What the last attempt or connection failed with. */
  error?: WsError;
  /** Present while the store is out of use; the client goes on in memory. */
  store?: { error: WsError };
}

/** How long the client waits for what, in ms; docs/CLIENTS.md has the defaults. */
export interface Timers {
  connect: number; request: number; backoff_min: number; backoff_max: number; stable: number; probe: number;
  token: number; linger: number; refused: number; store: number; store_retry: number; save: number;
}

/** What a store keeps of a publication. `data` is JSON as it is sent. */
export interface StoredEntry {
  msg_id: string; channel: string; data: string; tags?: Tags; created: number; first_sent?: number; max_age: number;
  /** null is the anonymous user; absent: not known yet. */
  user?: string | null;
}

/** Changes that are made together, or not at all. */
export interface Batch {
  put?: StoredEntry[];
  /** Ids of entries that have ended. */
  remove?: string[];
  positions?: { user: string | null; channel: string; position: Position }[];
}

/** Keeps publications and positions for the next client at the same URL. A call that fails makes the client go on in memory. */
export interface Store {
  /** Everything that is kept for this URL and that nobody else will send, the oldest first. `adopted` is told what comes later. */
  open(url: string, adopted: (entries: StoredEntry[]) => void): Promise<StoredEntry[]>;
  write(batch: Batch): Promise<void>;
  position(channel: string, user: string | null): Promise<Position | undefined>;
  close(): void;
}

export interface Options {
  token?: TokenProvider;
  /** Default: the outbox lives as long as the client. */
  store?: Store;
  /** A WebSocket constructor, for Node.js before 22: that of the package `ws`. */
  WebSocket?: unknown;
  /** Bounds of the outbox: 1,000 entries, 4 MiB, 24 h. */
  outbox?: { entries?: number; bytes?: number; maxAge?: number };
  timers?: Partial<Timers>;
  /** Is told every frame as it is on the wire, and when a socket opens and ends: for logs, and programs for developers. */
  onFrame?: FrameListener;
}

/**
 * `text`: the frame, or the reason of a close; empty for a frame that is no text. `code`: of a
 * close, absent where the client took the connection for dead.
 */
export type FrameListener = (what: 'open' | 'in' | 'out' | 'close', text: string, code?: number) => void;

/** A publication of this client, as `lost` tells it. */
export interface Entry { msg_id: string; channel: string; data: unknown; tags?: Tags; created: number }

export interface Client {
  readonly status: Readable<Status>;
  /** Publications of the current user that have not ended. */
  readonly pending: Readable<number>;
  /** The same object each time, as long as the channel is in use. */
  channel<T = unknown>(name: string): Channel<T>;
  /**
   * Any action of the protocol. It is never sent twice. `payload`: an object, or the JSON text of one, sent as it is.
   * Rejects with a `WsError`: `too_large` for what no frame can hold; or a `TypeError` for what is no JSON.
   */
  request<R = unknown>(action: string, payload?: object | string, signal?: AbortSignal): Promise<R>;
  /**
   * Sends a frame as it is, past limits, pace and outbox; its answer is seen by `onFrame` alone. Whether it was sent.
   * Ids that are numbers are the client's: an answer to one settles its own request, so give yours a prefix.
   */
  send(text: string): boolean;
  /** Asks the token provider now: logged in, out, or as someone else. */
  login(): Promise<void>;
  /** Connects now, or asks a connection whether it lives. Pages do so by themselves. */
  wake(): void;
  /**
   * Ends the client; waits up to `flushMs` for the outbox, and with 0 for the store alone. Resolves with the number of
   * publications left.
   */
  close(flushMs?: number): Promise<number>;
  /**
   * Every publication that ends badly, above all those of an earlier page, and not those that the store keeps or is just
   * being given.
   */
  lost(run: (entry: Entry, error: WsError) => void): () => void;
  /** Notifications that belong to no channel: broadcasts. */
  notifications(run: (data: { event: string; [field: string]: unknown }) => void): () => void;
}

/** What a publication was answered. */
export interface Ack {
  /** Its place; absent in a channel without history. */
  position?: Position;
  /** What the answer stands for; absent where the publication was seen before an answer came. */
  level?: 'memory' | 'durable' | 'replicated';
  duplicate: boolean;
}

export interface Sender { connection_id?: string; user?: string | null; service?: string }

export interface Publication<T> {
  offset?: number;
  data: T;
  /** When the server accepted it, in ms since 1970. */
  time: number;
  from?: Sender;
  msg_id?: string;
  tags?: Tags;
}

export interface PresentClient { connection_id: string; user: string | null; info: unknown }

/** What is gone for good: offsets; or a new epoch began; or so many, where offsets do not exist. */
export type Gap = { from: number; to: number } | { epoch: string; after: number } | { missed?: number };

export type Ev<T> =
  | ({ type: 'publication'; own: boolean } & Publication<T>)
  | ({ type: 'gap' } & Gap)
  /** From here on events come as they happen. `recovered`: whether nothing was missed since it was live last. */
  | { type: 'live'; position?: Position; recovered?: boolean }
  | { type: 'join' | 'leave'; client: PresentClient }
  | { type: 'presence'; connections: number; users: number }
  | { type: 'refused'; error: WsError };

export interface ChannelStatus {
  state: 'off' | 'subscribing' | 'catching up' | 'live' | 'refused';
  error?: WsError;
}

export interface SubscribeOptions {
  /** Where to begin; `stored`: where the store says that this user was, or as without it. */
  since?: Position | 'stored';
  /** So many publications before now. */
  rewind?: number;
  token?: ChannelTokenProvider;
}

export interface PublishOptions {
  /**
   * The publication's `msg_id`, at most 128 bytes; default: a UUID. One that is under way with another channel or other
   * data rejects (code `conflict`).
   */
  id?: string;
  tags?: Tags;
  /** After so many ms it is not sent any more; 0: now or not at all. */
  maxAge?: number;
  /** Takes it back, unless it was sent. */
  signal?: AbortSignal;
}

export interface HistoryOptions {
  limit?: number; since?: Position; before?: number; reverse?: boolean; signal?: AbortSignal;
}

export interface Presence { channel: string; connections: number; users: number; clients: PresentClient[] }

export interface Channel<T = unknown> {
  readonly name: string;
  readonly status: Readable<ChannelStatus>;
  /**
   * Any number of readers share one subscription. One that returns a promise gets its next event when that has settled.
   * Returns how to end it.
   */
  subscribe(run: (event: Ev<T>) => unknown, options?: SubscribeOptions): () => void;
  /** Queued at once, sent when it can be. Rejects with a `WsError`. */
  publish(data: T, options?: PublishOptions): Promise<Ack>;
  /** Pages as they are needed. Throws a `WsError` of kind `gap` where publications are missing. */
  history(options?: HistoryOptions): AsyncIterable<Publication<T>>;
  presence(options?: { limit?: number; signal?: AbortSignal }): Promise<Presence>;
}

/** A client of the server at `url` (`wss://host/ws`). Throws for what is no URL. Nothing happens before its first use. */
export function connect(url: string | URL, options?: Options): Client;
