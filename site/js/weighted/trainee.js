// A policy that is trained in a worker: what is asked of it, and what it shows.

import { Remote } from '../remote.js';

export const SHOWN = 480;
// The noise of the shown actions, the same in every iteration.
const NOISE = 7;

export const METHODS = { awfm: 0, fpo: 1, 'fpo++': 2, ppo: 3 };
export const WEIGHTS = { shift: 0, softplus: 1, exp: 2 };

export class Trainee {
  #remote = new Remote();
  #training = null;
  states = null;

  // Begins anew: with { method, weight, temperature, bonus, seed } and a reward.
  async begin(settings, reward) {
    const { method, weight, temperature, bonus, seed } = settings;
    const { dim, points } = reward;
    if (this.#training !== null) await this.#remote.call({ name: 'end', args: [this.#training] });
    const args = [METHODS[method], WEIGHTS[weight], temperature, bonus, dim, points, seed];
    const [made] = await this.#remote.call({ name: 'bandit', args });
    this.#training = made.value;
    Object.assign(this, { dim, iteration: 0, before: null, ratios: null, weights: null });
    this.history = [];
    await this.draw(reward);
  }

  // Takes over a reward that was drawn anew.
  async draw(reward) {
    const id = this.#training;
    const [, shown, peaks] = await this.#remote.call(
      { name: 'draw', args: [id], input: reward.values },
      ...this.#showing(),
    );
    this.#take(shown, peaks);
  }

  // Iterations.
  async learn(iterations) {
    const id = this.#training;
    const [learned, shown, peaks, ratios, weights] = await this.#remote.call(
      { name: 'learn', args: [id, iterations] },
      ...this.#showing(),
      { name: 'ratios', args: [id] },
      { name: 'weights', args: [id] },
    );
    this.iteration = learned.value;
    this.history.push([this.iteration, learned.output[0]]);
    this.before = this.states;
    this.#take(shown, peaks);
    this.ratios = ratios.output;
    // Advantages of the batch and, if there are any, their weights.
    this.weights = weights.output;
  }

  #showing() {
    const id = this.#training;
    const show = { name: 'show', args: [id, SHOWN, NOISE, 0] };
    return this.dim === 1 ? [show, { name: 'peaks', args: [id, 2000, NOISE] }] : [show, show];
  }

  #take({ value, output }, peaks) {
    const length = value * SHOWN * this.dim;
    this.steps = value - 1;
    this.states = output.subarray(0, length);
    this.rewards = output.subarray(length, length + SHOWN);
    this.advantages = output.subarray(length + SHOWN);
    // Where the reward is high, and how many actions are there: [low, high, share] each.
    this.peaks = [];
    if (this.dim === 1) {
      for (let i = 0; i < peaks.output.length; i += 3) {
        this.peaks.push([...peaks.output.subarray(i, i + 3)]);
      }
    }
  }
}
