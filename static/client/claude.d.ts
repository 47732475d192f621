import type { Client, Gap, Position } from './ws-client.js';

/** A question: `prompt`, or `messages` that begin and end with `user`. */
export type Question = ({ prompt: string; messages?: undefined } | { messages: Message[]; prompt?: undefined }) & {
  /**
   * 1–64 of `A–Z a–z 0–9 - _`. The same one with the same question is the same run: with one of yours, a question can be
   * asked again after any error. Default: a new one.
   */
  run_id?: string;
  /** So many complete runs of the channel go before the prompt. */
  context?: number;
  /** These only where the server lets clients set them. */
  system?: string;
  model?: string;
  max_tokens?: number;
  effort?: string;
  thinking?: 'omitted' | 'summarized';
  /** Gives up waiting for the answer to the question; `cancel` stops a run. */
  signal?: AbortSignal;
};

export interface Message { role: 'user' | 'assistant'; content: string }

/** A run that has begun. `stream` is the channel of its text. */
export interface Run {
  run_id: string; channel: string; epoch?: string; offset?: number; stream: string; stream_epoch: string;
}

export type RunStatus = 'cancelling' | 'complete' | 'cancelled' | 'failed' | 'refused' | 'interrupted';

export interface RunError {
  code: string; message: string; details?: { type?: string; status?: number }; retry_after_ms?: number;
}

/** `position`: where to go on from, as `since`. */
export type RunEvent = { position: Position } & (
  | { type: 'text' | 'thinking'; index: number; text: string }
  | { type: 'retrying'; after_ms: number; error: RunError }
  /** A part of the text is gone; all of it comes in the channel, with `finished`. */
  | ({ type: 'gap' } & Gap)
  /** The last one. */
  | {
    type: 'finished'; run_id: string; status: Exclude<RunStatus, 'cancelling'>; stop_reason?: string; model?: string;
    usage?: Record<string, number>; error?: RunError;
  }
);

export interface Claude {
  /**
   * Resolves when the run has begun; it goes on without its asker. If the connection is lost meanwhile, it
   * asks again with the same `run_id`: there is one run.
   * Rejects with a `WsError`: `too_large` for what no frame can hold, `lost` after the tenth lost connection.
   */
  ask(question: Question): Promise<Run>;
  /**
   * The text while it is written, from its beginning or a position, over reconnects too; ends with `finished`. Leaving
   * the loop only stops reading. Rejects with a `WsError` where the stream may not be read, nothing of it is kept any more
   * (`gap`; the end of such a run stands in the channel), or the client has closed.
   */
  follow(run: Pick<Run, 'stream' | 'stream_epoch'>, options?: { since?: Position; signal?: AbortSignal }): AsyncIterable<RunEvent>;
  /** Stops a run: `cancelling`, or how it had ended. */
  cancel(run: Pick<Run, 'run_id'>, options?: { signal?: AbortSignal }): Promise<RunStatus>;
}

/** What Claude can be told in the channel of this name. */
export function claude(client: Client, channel: string): Claude;
