// Envoy asks at its `path_prefix` with the original path and query behind it. As the value of the last parameter they are
// kept apart from what the gateway's configuration says: a client must not be able to add parameters of its own.

const QUESTION = '/forward-auth?'
const ORIGINAL = /([?&]original_uri=).*$/s

/** The address without what follows the first `original_uri=`, which decides nothing. */
export const withoutOriginal = (url: string): string => (url.startsWith(QUESTION) ? url.replace(ORIGINAL, '$1') : url)
