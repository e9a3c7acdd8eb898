// A module in a worker of its own.

export class Remote {
  #worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
  #waiting = new Map();
  #calls = 0;

  constructor() {
    this.#worker.addEventListener('message', ({ data: { id, answers, error } }) => {
      const { resolve, reject } = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error) reject(new Error(error));
      else resolve(answers);
    });
    this.#worker.addEventListener('error', (event) => {
      const error = new Error(event.message || 'the worker could not be started');
      for (const { reject } of this.#waiting.values()) reject(error);
      this.#waiting.clear();
    });
  }

  // Calls functions one after another: { name, args, input } each. The answers are
  // { value, output } each.
  call(...calls) {
    const id = this.#calls++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, calls });
    });
  }
}
