// What is asked again and again, while the page is seen: each part asks when it is due, and one part's trouble is shown
// and heals with its next answer.

const EVERY_MS = 1000;

export class Poll {
  #tasks = new Map(); // name → {work, every, due}
  #timer = 0;
  #troubles = new Map(); // name → ApiError
  onChange = () => {};

  constructor() {
    document.addEventListener('visibilitychange', () => { this.#schedule(); this.onChange(); });
  }

  get isPaused() { return document.hidden; }
  get trouble() { return this.#troubles.values().next().value; }

  /** `work` is async and runs every `every` turns; never twice at once. */
  add(name, work, every = 1) { this.#tasks.set(name, { work, every, turn: 0, runs: false }); }

  start() {
    this.stop();
    this.#timer = -1;
    this.#schedule();
  }

  stop() {
    clearInterval(this.#timer);
    this.#timer = 0;
    this.#troubles.clear();
  }

  /** Asks now. */
  async run(name) {
    const task = this.#tasks.get(name);
    if (task.runs) return;
    task.runs = true;
    try {
      await task.work();
      this.#troubles.delete(name);
    } catch (error) {
      this.#troubles.set(name, error);
    } finally {
      task.runs = false;
      this.onChange();
    }
  }

  #schedule() {
    if (this.#timer === 0) return;
    clearInterval(this.#timer);
    this.#timer = -1;
    if (this.isPaused) return;
    const turn = () => {
      for (const [name, task] of this.#tasks) {
        if (task.turn % task.every === 0) this.run(name);
        task.turn += 1;
      }
    };
    for (const task of this.#tasks.values()) task.turn = 0;
    turn();
    this.#timer = setInterval(turn, EVERY_MS);
  }
}
