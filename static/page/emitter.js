// Listeners by name of event. No DOM.

export class Emitter {
  #listeners = new Map(); // type → functions

  on(type, listener) {
    if (!this.#listeners.has(type)) this.#listeners.set(type, []);
    this.#listeners.get(type).push(listener);
  }

  emit(type, ...details) {
    for (const listener of this.#listeners.get(type) ?? []) listener(...details);
  }
}
