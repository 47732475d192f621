// Claude in a channel: asks, follows an answer while it is written, stops it. What a run is: docs/PROTOCOL.md.
import { WsError } from './ws-client.js';

/** What Claude can be told in the channel of this name. */
export function claude(client, channel) {
  /** Repeats what was lost with its connection, unless it may be why: the run's id makes that safe. */
  async function request(action, payload, signal) {
    for (let asked = 1; ; asked += 1) {
      try {
        return await client.request(action, { channel, ...payload }, signal);
      } catch (error) {
        if (error.kind !== 'lost' || asked === 10) throw error;
      }
    }
  }

  return {
    ask({ signal, ...question }) {
      const run_id = question.run_id ?? [...crypto.getRandomValues(new Uint32Array(4))].map((part) => part.toString(36)).join('-');
      return request('ask_claude', { ...question, run_id }, signal);
    },

    async cancel({ run_id }, { signal } = {}) {
      const { status } = await request('cancel_claude', { run_id }, signal);
      return status;
    },

    async *follow({ stream, stream_epoch: epoch }, { since = { epoch, offset: 0 }, signal } = {}) {
      let wake = () => {}, next, place = since, isBehindGap = false;
      // The reader's promise holds the next event back until this one was taken.
      const read = (event) => new Promise((taken) => { next = { event, taken }; wake(); });
      const subscribe = () => client.channel(stream).subscribe(read, { since: place });
      let end = subscribe();
      const isOver = () => signal?.aborted || client.status.get().state === 'closed';
      const ends = [() => end(), client.status.subscribe(() => wake())];
      const abort = () => wake();
      signal?.addEventListener('abort', abort);
      try {
        for (;;) {
          while (!next && !isOver()) await new Promise((resolve) => { wake = resolve; });
          if (isOver()) throw new WsError({ kind: signal?.aborted ? 'aborted' : 'closed' });
          const { event: { type, data, offset, error, ...rest }, taken } = next;
          if (type === 'refused') throw error;
          const { position, recovered } = rest;
          if (recovered === false && position && (position.epoch !== place.epoch || position.offset !== place.offset)) {
            // Its place was forgotten, as another user has logged in: what it missed is asked for.
            next = undefined;
            const before = end;
            end = subscribe();
            before();
            continue;
          }
          // The newest publication of a run that goes on is always kept.
          if (type === 'live' && isBehindGap && position?.offset === place.offset) throw new WsError({ kind: 'gap' });
          isBehindGap = type === 'gap' && (rest.to !== undefined || !rest.after);
          if (type === 'gap') {
            place = { epoch: rest.epoch ?? place.epoch, offset: rest.to ?? rest.after ?? place.offset };
            yield { type, ...rest, position: place };
          } else if (type === 'publication') {
            const { claude: kind, ...fields } = data;
            place = { ...place, offset };
            yield { type: kind, ...fields, position: place };
            if (kind === 'finished') return;
          }
          next = undefined;
          taken();
        }
      } finally {
        signal?.removeEventListener('abort', abort);
        for (const one of ends) one();
      }
    },
  };
}
