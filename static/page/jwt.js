// What a token says of itself, unverified: the server alone decides. No DOM.

import { isObject, parseJson } from './json.js';

/** When it expires, in ms since 1970, or null where it does not say, or is no token at all. */
export function expiryOf(token) {
  try {
    const claims = parseJson(atob(token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/'))).value;
    return isObject(claims) && Number.isFinite(claims.exp) ? claims.exp * 1000 : null;
  } catch {
    return null; // not base64
  }
}
