// A store in memory: for what outlives one client, and not the page.

/** Keeps publications and positions while the page lives, for one client after another. */
export function memoryStore() {
  const entries = new Map(), places = new Map();
  let at;
  const key = (user, channel) => JSON.stringify([at, user, channel]);
  return {
    async open(url) {
      at = url;
      return [...entries.values()].filter((entry) => entry.url === at);
    },
    async write({ put = [], remove = [], positions = [] }) {
      for (const entry of put) entries.set(entry.msg_id, { ...entry, url: at });
      for (const id of remove) entries.delete(id);
      for (const { user, channel, position } of positions) places.set(key(user, channel), position);
    },
    position: async (channel, user) => places.get(key(user, channel)),
    close() {},
  };
}
