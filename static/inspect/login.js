// Asking for a key, and saying what is wrong with one.

import { element, setText } from '../page/dom.js';
import { t } from '../page/text.js';
import { ApiError } from './api.js';

const NOWHERE = '00000000-0000-4000-8000-000000000000'; // no connection has this id

/** An error in words. */
export function explain({ code, status, message }) {
  const known = { offline: 'i-offline', not_available: 'i-off', unauthenticated: 'i-badKey', permission_denied: 'i-noAdmin' };
  return known[code] ? t(known[code]) : `${code} (${status}): ${message}`;
}

/** A request that only `admin` may make, and that changes nothing; in a batch, as its 404 is no error here. */
async function probe(api) {
  const requests = [{ method: 'DELETE', path: `/connections/${NOWHERE}` }];
  const { responses: [{ status, body: { error } }] } = await api.ask('POST', '/batch', { requests });
  if (status !== 404) throw new ApiError(status, error.code, error.message);
}

/** Calls `open` when the server has taken a key with the right `admin`. Returns a function that asks for one. */
export function mountLogin(api, open) {
  const result = element('login-result');
  const tell = (error) => {
    result.dataset.status = error ? 'error' : '';
    result.dataset.code = error?.code ?? '';
    setText(result, error ? explain(error) : '');
    if (error?.code === 'not_available') element('configure').open = true;
  };
  const askFor = (error) => {
    tell(error);
    element('login').hidden = false;
    element('key').focus();
  };
  const check = async () => {
    // Without a key there is nothing to try: the server would only count, and log, one more refusal.
    const refused = api.hasKey ? await probe(api).then(() => null, (error) => error) : null;
    if (refused || !api.hasKey) {
      askFor(refused);
      return;
    }
    tell(null);
    element('key').blur(); // a field that is hidden keeps the keyboard for a moment
    element('login').hidden = true;
    open();
  };
  element('login-form').addEventListener('submit', (event) => {
    event.preventDefault();
    api.use(element('key').value.trim());
    element('key').value = '';
    check();
  });
  return (error) => (error ? askFor(error) : check());
}
