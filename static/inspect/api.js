// The HTTP API with the key that the page was given: kept for this tab alone, sent in a header, never in an address.

import { session } from '../page/dom.js';

const BASE = '/api/v1';
const TIMEOUT_MS = 10_000;

/** A refusal of the server, or no answer at all: code `offline`. */
export class ApiError extends Error {
  constructor(status, code, message) {
    super(message);
    Object.assign(this, { status, code });
  }
}

export class Api {
  #key = session.get('api-key') ?? '';

  get hasKey() { return this.#key !== ''; }

  use(key) {
    this.#key = key;
    session.set('api-key', key);
  }

  /** The answer's JSON. @throws ApiError */
  async ask(method, path, body) {
    const response = await this.#fetch(method, path, { body, signal: AbortSignal.timeout(TIMEOUT_MS) });
    try {
      return await response.json();
    } catch {
      throw new ApiError(0, 'offline', '');
    }
  }

  /** The body of an answer as it comes, in pieces of text. It ends when the server ends it, or `signal`. */
  async stream(path, signal) {
    const response = await this.#fetch('GET', path, { signal });
    return response.body.pipeThrough(new TextDecoderStream()).getReader();
  }

  async #fetch(method, path, { body, signal }) {
    const headers = { Authorization: `Bearer ${this.#key}` };
    if (body !== undefined) headers['Content-Type'] = 'application/json';
    let response;
    try {
      response = await fetch(BASE + path, {
        method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body), cache: 'no-store',
      });
    } catch (reason) {
      throw new ApiError(0, 'offline', String(reason));
    }
    if (response.ok) return response;
    const { error } = await response.json().catch(() => ({ error: {} }));
    throw new ApiError(response.status, error?.code ?? 'internal', error?.message ?? response.statusText);
  }
}

/** A name as a part of a path. */
export const part = (name) => encodeURIComponent(name);
