// Who is in a channel, as far as this page knows: the pages it has loaded, and the joins and leaves since. No DOM.

const CLIENTS_KEPT_MAX = 2000; // all of them are painted again with every change

export class Present {
  connections = 0;
  users = 0;
  next = undefined; // the cursor of the next page, where there is one
  clients = new Map(); // connection id → {connection_id, user, info, isNew?}
  at = Date.now();
  joined = 0;
  left = 0;
  isStale = false; // only counts come, or nothing any more: the list is no longer what is there
  tells = null; // whether the channel's namespace tells joins and leaves; null: nothing has shown it yet

  /** `isTold`: this page is subscribed, so joins and leaves come, where the server tells them. */
  constructor(channel, isTold) { Object.assign(this, { channel, isTold }); }

  /** A page of `get_presence`. Where the list is full there is no next one. */
  add({ connections, users, clients, next }) {
    for (const client of clients) this.#list(client);
    Object.assign(this, { connections, users, next: this.#isFull ? undefined : next });
  }

  get #isFull() { return this.clients.size >= CLIENTS_KEPT_MAX; }

  #list(client) {
    if (!this.#isFull || this.clients.has(client.connection_id)) this.clients.set(client.connection_id, client);
  }

  /** What was known of this channel before this was loaded. Others are there, and nobody said so: nothing is told. */
  follow(before) {
    if (before.channel !== this.channel) return;
    this.tells = before.tells;
    const wasMissed = before.isTold && !before.isStale && before.connections !== this.connections;
    if (this.tells === null && wasMissed) this.tells = false;
  }

  /** A notification; whether it changed anything. */
  hear(data) {
    if (data.channel !== this.channel) return false;
    switch (data.event) {
      case 'join': this.#join(data.client); break;
      case 'leave': this.#leave(data.client); break;
      case 'presence':
        Object.assign(this, { connections: data.connections, users: data.users, isStale: true });
        break;
      case 'unsubscribed': this.isStale = true; return true;
      default: return false;
    }
    this.tells = true;
    return true;
  }

  #join(client) {
    this.joined += 1;
    if (this.clients.has(client.connection_id)) return; // the page that came meanwhile has it
    this.connections += 1;
    if (!this.#has(client.user)) this.users += 1;
    this.#list({ ...client, isNew: true });
  }

  #leave(client) {
    this.left += 1;
    this.connections -= 1;
    this.clients.delete(client.connection_id);
    if (!this.#has(client.user)) this.users -= 1;
  }

  /** While not all pages are loaded this is a guess, and so is the number of users until the next load. */
  #has(user) {
    if (user === null || user === undefined) return true; // anonymous: counts as no user
    for (const client of this.clients.values()) if (client.user === user) return true;
    return false;
  }
}
