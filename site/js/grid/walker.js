// A policy that learns GridWorld in a worker.

import { Remote } from '../remote.js';
import { SIZE, START } from './board.js';

const METHODS = { 'fpo++': 2, ppo: 3 };
// Every second cell shows its moves.
const SPACING = 2;
const SAMPLES = 24;
const WALKS = 10;
const EPISODES = 48;

export class Walker {
  #remote = new Remote();
  #training = null;

  // The cells of layout `index`, and how many layouts there are.
  async layout(index) {
    const [{ value, output }] = await this.#remote.call({ name: 'grid_layout', args: [index] });
    return { count: value, codes: output };
  }

  async begin(method, codes, seed) {
    if (this.#training !== null) await this.#remote.call({ name: 'end', args: [this.#training] });
    this.#training = null;
    const [made] = await this.#remote.call({
      name: 'gridworld',
      args: [METHODS[method], seed],
      input: codes,
    });
    this.#training = made.value;
    this.iteration = 0;
    this.history = [];
    this.cells = [];
    codes.forEach((code, i) => {
      const [x, y] = [i % SIZE, Math.floor(i / SIZE)];
      const shown = x % SPACING === 0 && y % SPACING === 0;
      if (shown && (code === 0 || code === START)) this.cells.push(x, y);
      if (code === START) this.start = [x, y];
    });
    await this.look();
  }

  async learn(iterations) {
    const args = [this.#training, iterations];
    const [{ value }] = await this.#remote.call({ name: 'learn', args });
    this.iteration = value;
    await this.look();
  }

  // What the policy does now.
  async look() {
    const id = this.#training;
    const [moves, walks, success] = await this.#remote.call(
      { name: 'grid_moves', args: [id, SAMPLES, 3], input: this.cells },
      { name: 'grid_walks', args: [id, ...this.start, WALKS, 4] },
      { name: 'grid_success', args: [id, EPISODES, 5] },
    );
    this.moves = moves.output;
    this.walks = separate(walks.output);
    this.success = success.value;
    this.history.push([this.iteration, this.success]);
  }
}

// Lists of cells: the numbers are the length of the first, its cells' x and y, and so on.
function separate(numbers) {
  const walks = [];
  for (let at = 0; at < numbers.length;) {
    const length = numbers[at];
    const cells = numbers.subarray(at + 1, at + 1 + 2 * length);
    walks.push(Array.from({ length }, (_, i) => [cells[2 * i], cells[2 * i + 1]]));
    at += 1 + 2 * length;
  }
  return walks;
}
