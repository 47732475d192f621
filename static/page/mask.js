// Tokens in what leaves the page (copies, exports) or outlives it (saved requests, drafts): never as they are. No DOM.

export const MASK = 'YOUR_TOKEN';

const JWT = /\beyJ[\w-]{4,}\.[\w-]+\.[\w-]*/g;
const FIELD = /("(?:token|access_token|authorization)"\s*:\s*)"(?:[^"\\]|\\.)*"?/gi;
const QUERY = /([?&](?:token|access_token)=)[^&\s"'#]*/gi;

/** The text with every token replaced: values of fields and query options that carry one, and whatever is a JWT. */
export const withoutTokens = (text) => (
  text.replace(FIELD, `$1"${MASK}"`).replace(QUERY, `$1${MASK}`).replace(JWT, MASK)
);
