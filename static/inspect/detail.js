// One connection: what it is, its cursors, its frames, and what can be done to it.

import { create, element, setText } from '../page/dom.js';
import { moment, number, t } from '../page/text.js';
import { part } from './api.js';
import { duration } from './connections.js';
import { bytes } from './rates.js';

export class Detail {
  #api;
  #poll;
  #frames;
  #explain;
  #id = null;

  constructor(api, poll, frames, explain) {
    this.#api = api;
    this.#poll = poll;
    this.#frames = frames;
    this.#explain = explain;
    poll.add('detail', () => this.#load());
    element('detail-leave').addEventListener('click', () => this.leave());
    element('close-form').addEventListener('submit', (event) => { event.preventDefault(); this.#close(); });
  }

  get isOpen() { return this.#id !== null; }

  open(id) {
    this.#id = id;
    this.#frames.choose(id);
    setText(element('detail-id'), id);
    element('detail').dataset.connection = id;
    this.#tell('', '');
    element('cursors').replaceChildren();
    element('detail-facts').replaceChildren();
    element('detail').hidden = false;
    element('detail').focus();
    element('detail').scrollIntoView();
    this.#poll.run('detail');
    this.#frames.start();
  }

  leave() {
    const row = document.querySelector(`tr[data-connection="${this.#id}"] button`);
    this.#id = null;
    this.#frames.choose(null);
    element('detail').hidden = true;
    row?.focus();
  }

  async #load() {
    const id = this.#id;
    if (id === null || element('detail').dataset.gone === id) return;
    try {
      const one = await this.#api.ask('GET', `/connections/${id}`);
      if (id === this.#id) this.#show(one);
    } catch (error) {
      if (error.status !== 404) throw error;
      if (id !== this.#id) return;
      element('detail').dataset.gone = id;
      this.#tell('error', t('i-gone'));
    }
  }

  #show(one) {
    const facts = [
      ['i-user', one.user ?? t('i-anonymous')],
      ['i-address', one.remote_addr],
      ['i-since', `${moment(one.connected_at)} · ${duration(Date.now() - one.connected_at)}`],
      ['i-outbox', bytes(one.outbox_bytes)],
    ];
    if (one.blocked_ms !== undefined) facts.push(['i-blockedSince', duration(one.blocked_ms)]);
    if (one.node !== undefined) facts.push(['i-node', one.node]);
    const lag = one.subscriptions.reduce((sum, { lag: behind }) => sum + (behind ?? 0), 0);
    facts.push(['i-lag', t('i-publicationsN', { n: number(lag) })]);
    element('detail-facts').replaceChildren(...facts.map(([key, value]) => {
      const fact = create('div');
      fact.append(create('dt', '', t(key)), create('dd', '', value));
      return fact;
    }));
    element('cursors-empty').hidden = one.subscriptions.length > 0;
    this.#showCursors(one.subscriptions);
  }

  #showCursors(subscriptions) {
    const list = element('cursors');
    const old = new Map([...list.children].map((row) => [row.dataset.channel, row]));
    const wanted = subscriptions.map(({ channel, offset, after, lag }) => {
      const row = old.get(channel) ?? this.#cursorRow(channel);
      const at = after === undefined ? '' : t('i-at', { after: number(after), offset: number(offset) });
      const behind = lag === undefined ? t('i-starting') : t('i-lagN', { n: number(lag) });
      const facts = row.querySelector('.facts-of');
      setText(facts, [at, behind].filter(Boolean).join(' · '));
      facts.classList.toggle('lagging', lag > 0);
      return row;
    });
    for (const row of old.values()) if (!wanted.includes(row)) row.remove();
    for (const [n, row] of wanted.entries()) if (list.children[n] !== row) list.insertBefore(row, list.children[n] ?? null);
  }

  #cursorRow(channel) {
    const row = create('li');
    row.dataset.channel = channel;
    const button = create('button', '', t('i-unsubscribe'));
    button.type = 'button';
    button.setAttribute('aria-label', t('doesWith', { does: t('i-unsubscribe'), channel }));
    button.addEventListener('click', () => this.#do('DELETE', `/subscriptions/${part(channel)}`, undefined, 'i-unsubscribed'));
    row.append(create('b', 'mono', channel), create('span', 'facts-of'), button);
    return row;
  }

  #close() {
    const reason = element('close-reason').value;
    const body = { code: Number(element('close-code-field').value), ...(reason && { reason }) };
    this.#do('DELETE', '', body, 'i-closing');
  }

  async #do(method, path, body, done) {
    const id = this.#id;
    try {
      await this.#api.ask(method, `/connections/${id}${path}`, body);
      if (id === this.#id) this.#tell('ok', t(done));
      this.#poll.run('detail');
    } catch (error) {
      if (id === this.#id) this.#tell('error', this.#explain(error));
    }
  }

  #tell(status, words) {
    element('detail-result').dataset.status = status;
    setText(element('detail-result'), words);
  }
}
