// A store in IndexedDB: publications and positions outlive the page, and what a page left is sent by the next one.
//
// Each page is an owner with a name of its own, drawn anew. While it has entries it holds a Web Lock and touches its
// record every 20 s; entries whose owner's lock is gone, or that was not touched for 60 s, are adopted by others.

const TOUCH = 20e3, GONE = 60e3;

const done = (request) => new Promise((resolve, reject) => {
  request.onsuccess = request.oncomplete = () => resolve(request.result);
  request.onerror = request.onabort = () => reject(request.error ?? new Error('the transaction was aborted'));
});

/** A store for one client; `name` tells databases apart. Nothing is opened before the client's first use. */
export function indexedDb(name = 'ws-client') {
  const owner = [...crypto.getRandomValues(new Uint32Array(4))].map((part) => part.toString(36)).join('');
  const lockOf = (of) => `${name} ${of}`;
  const order = new Map(), saved = new Map();
  let db, url, adopted, timer, last = 0, release, holding, isClosed;

  async function openDb() {
    // Another layout is another database.
    const request = indexedDB.open(`${name} 1`);
    request.onupgradeneeded = () => {
      request.result.createObjectStore('entries', { keyPath: 'id' });
      request.result.createObjectStore('owners', { keyPath: 'name' });
      request.result.createObjectStore('positions', { keyPath: ['key', 'owner'] });
    };
    const opened = await done(request);
    opened.onversionchange = opened.onclose = () => {
      opened.close();
      if (db === opened) db = undefined;
    };
    return opened;
  }

  function begin(mode = 'readwrite') {
    if (!db) throw new Error('the database is closed');
    const tx = db.transaction(['entries', 'owners', 'positions'], mode);
    const end = done(tx);
    end.catch(() => {}); // who waits for it is told; not all do
    return { done: end, entries: tx.objectStore('entries'), owners: tx.objectStore('owners'), positions: tx.objectStore('positions') };
  }

  /** Holds this page's lock: the entries belong to somebody who lives. */
  function hold() {
    if (!globalThis.navigator?.locks) return undefined;
    return holding ??= new Promise((resolve) => {
      navigator.locks.request(lockOf(owner), () => new Promise((end) => {
        release = end;
        resolve();
      })).catch(resolve);
    });
  }

  function letGo() {
    // One that is not granted yet is kept: it would wait for itself.
    if (!release) return;
    release();
    release = holding = undefined;
  }

  /** Whether nobody is there who will send this owner's entries. */
  async function isGone({ name: of, touched }) {
    if (of === owner) return false;
    if (Date.now() - touched > GONE) return true;
    if (!globalThis.navigator?.locks) return false;
    return navigator.locks.request(lockOf(of), { ifAvailable: true }, (lock) => !!lock);
  }

  /** All owners with entries or positions, and when each was last here (ms since 1970). */
  async function owners() {
    return done(begin('readonly').owners.getAll());
  }

  /** Makes the entries of an owner this page's. */
  async function take(from) {
    const tx = begin();
    const found = (await done(tx.entries.getAll())).filter((one) => one.url === url && one.owner === from);
    for (const one of found) {
      order.set(one.id, one.at);
      tx.entries.put({ ...one, owner });
    }
    if (found.length) tx.owners.put({ name: owner, touched: Date.now() });
    await tx.done;
    return found;
  }

  async function adopt() {
    const all = [];
    for (const one of await owners()) {
      if (!await isGone(one)) continue;
      await hold();
      all.push(...await take(one.name));
      const rest = await done(begin('readonly').entries.getAll());
      if (!rest.some((entry) => entry.owner === one.name)) await done(begin().owners.delete(one.name));
    }
    if (!order.size) letGo();
    return all.sort((a, b) => a.at - b.at).map(({ entry }) => entry);
  }

  async function touch() {
    const tx = begin();
    const touched = Date.now();
    if (order.size) tx.owners.put({ name: owner, touched });
    for (const one of saved.values()) tx.positions.put({ ...one, touched });
    await tx.done;
    const entries = await adopt();
    if (entries.length) adopted(entries);
  }

  /** Looks soon after the beginning (a page that reloads gives its lock up a moment late), then every 20 s. */
  function plan(ms) {
    clearTimeout(timer);
    if (isClosed) return;
    timer = setTimeout(() => touch().catch(() => {}).then(() => plan(Math.min(TOUCH, ms * 2))), ms);
    timer.unref?.();
  }

  const keyOf = (user, channel) => JSON.stringify([url, user, channel]);

  return {
    name,
    owners,
    async open(at, onAdopted) {
      url = at;
      adopted = onAdopted;
      db ??= await openDb();
      const mine = await take(owner);
      const entries = [...mine.sort((a, b) => a.at - b.at).map(({ entry }) => entry), ...await adopt()];
      plan(500);
      return entries;
    },
    async write({ put = [], remove = [], positions = [] }) {
      if (put.length) await hold();
      const tx = begin();
      const touched = Date.now();
      for (const entry of put) {
        // Of one millisecond too, in their order: a number of this size tells 1/4096 of it apart.
        if (!order.has(entry.msg_id)) order.set(entry.msg_id, last = Math.max(touched, last + 1e-3));
        tx.entries.put({ id: entry.msg_id, at: order.get(entry.msg_id), url, owner, entry });
      }
      if (put.length) tx.owners.put({ name: owner, touched });
      for (const id of remove) tx.entries.delete(id);
      for (const { user, channel, position } of positions) {
        const key = keyOf(user, channel);
        saved.set(key, { key, owner, position });
        tx.positions.put({ key, owner, position, touched });
        forgetOld(tx.positions, key, touched);
      }
      for (const id of remove) order.delete(id);
      if (!order.size && remove.length) tx.owners.delete(owner);
      await tx.done;
      if (!order.size) letGo();
    },
    async position(channel, user) {
      const key = keyOf(user, channel);
      const all = await done(begin('readonly').positions.getAll(IDBKeyRange.bound([key], [key, []])));
      if (!all.length) return undefined;
      const last = all.reduce((a, b) => (b.touched > a.touched ? b : a)).position;
      const fresh = all.filter(({ touched, position }) => Date.now() - touched <= GONE && position.epoch === last.epoch);
      return fresh.reduce((low, { position }) => (position.offset < low.offset ? position : low), last);
    },
    close() {
      isClosed = true;
      clearTimeout(timer);
      db?.close();
      db = undefined;
      letGo();
    },
  };

  /** What pages that are gone have saved is of no use once there is something newer. */
  function forgetOld(positions, key, now) {
    positions.getAll(IDBKeyRange.bound([key], [key, []])).onsuccess = ({ target }) => {
      for (const one of target.result) if (one.owner !== owner && now - one.touched > GONE) positions.delete([key, one.owner]);
    };
  }
}
