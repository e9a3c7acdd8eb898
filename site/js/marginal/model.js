// What the first figure shows: the choices of the reader, and what the module makes of them.

import { Module } from '../module.js';

export const LOW = -3.2;
export const HIGH = 3.2;
export const PARTICLES = 2400;
export const MOST_MODES = 6;

// Points of the curves across the axis.
export const POINTS = 161;
// Bins of histograms.
export const BINS = 48;

export const CORRECTIONS = { score: 0, renoise: 1, none: 2 };
export const SAMPLERS = { euler: 0, midpoint: 1, heun: 2, rk4: 3 };

export class Model {
  modes = [
    { weight: 1, mean: -1.35, std: 0.25 },
    { weight: 1.3, mean: 0.95, std: 0.4 },
  ];
  // The only action, if noise flows to one.
  action = null;
  steps = 64;
  sampler = 'heun';
  stochasticity = 0;
  correction = 'score';
  seed = 1;
  // How much of the way is done at the moment that is looked at, from 0 (noise) to 1.
  moment = 0.5;

  // [steps + 1, PARTICLES]
  path = new Float32Array();

  static async load() {
    return new Model(await Module.load(new URL('../../flow.wasm', import.meta.url)));
  }

  constructor(module) {
    this.module = module;
    this.update();
  }

  // Computes the flow, and the walk along it.
  update() {
    const { module, action } = this;
    if (action === null) {
      module.send(this.modes.flatMap(({ weight, mean, std }) => [weight, mean, std]));
      module.call('flow_to_modes');
    } else {
      module.call('flow_to_action', action);
    }
    this.walk();
  }

  // Lets the particles walk.
  walk() {
    const { module, steps, stochasticity, correction, seed } = this;
    const sampler = SAMPLERS[this.usesSampler() ? this.sampler : 'euler'];
    const way = action_correction(this.action, correction);
    module.call('flow_walk', PARTICLES, steps, sampler, stochasticity, CORRECTIONS[way], seed);
    this.path = module.output().slice();
  }

  // Whether the rule for steps without noise matters: noisy steps are Euler's, and to a single
  // action every rule is exact.
  usesSampler() {
    return this.stochasticity === 0 && this.action === null;
  }

  // The step at which the moment is.
  step() {
    return Math.round(this.moment * this.steps);
  }

  time() {
    return 1 - this.step() / this.steps;
  }

  // The distance of the particles from the exact marginal at the moment, and what chance explains.
  distance() {
    return {
      found: this.module.call('flow_distance', this.step()),
      // Exceeded by chance once in twenty (Kolmogorov and Smirnov).
      chance: 1.36 / Math.sqrt(PARTICLES),
    };
  }

  // The exact density at time t, at POINTS points.
  curve(t) {
    this.module.call('flow_curve', t, POINTS, LOW, HIGH);
    return this.module.output().slice();
  }

  // The particles' density after a step, in BINS bins.
  histogram(step) {
    this.module.call('flow_histogram', step, BINS, LOW, HIGH);
    return this.module.output().slice();
  }

  // Densities or velocities over time and the axis, [rows, columns], from below.
  grid(what, columns, rows) {
    this.module.call(what, columns, rows, LOW, HIGH);
    return this.module.output().slice();
  }

  // Where particle i is when it has done this part of its way.
  at(i, done) {
    const place = done * this.steps;
    const step = Math.min(Math.floor(place), this.steps - 1);
    const [from, to] = [step * PARTICLES + i, (step + 1) * PARTICLES + i];
    return this.path[from] + (this.path[to] - this.path[from]) * (place - step);
  }
}

// Towards one action the score has no bound; removing noise is exact there.
function action_correction(action, correction) {
  return action !== null && correction === 'score' ? 'renoise' : correction;
}
