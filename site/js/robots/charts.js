// The cloud of the flow's actions, and the reward of the last seconds.

import { color } from '../draw/colors.js';
import { Surface } from '../draw/surface.js';

const DOT = 2.2;
const FONT = '12px system-ui, "DejaVu Sans", sans-serif';

// What shows the latest samples, anew when they or its size change.
class Cloud {
  constructor(canvas) {
    this.surface = new Surface(canvas, () => this.draw());
    this.state = null;
  }

  set(state) {
    this.state = state;
    this.draw();
  }
}

// Lines across at these values, which stand at the left.
function rule(context, values, left, right, y) {
  context.font = FONT;
  context.textAlign = 'right';
  context.textBaseline = 'middle';
  for (const value of values) {
    context.fillStyle = color('line');
    context.fillRect(left, y(value) - 0.5, right - left, 1);
    context.fillStyle = color('soft');
    context.fillText(value, left - 6, y(value));
  }
  context.textBaseline = 'alphabetic';
}

// The samples of each entry of the action, side by side, and the action that is taken.
export class Strips extends Cloud {
  draw() {
    if (!this.state) return;
    const { samples, action, names } = this.state;
    const { context, width, height } = this.surface;
    const dim = action.length;
    const [left, right, top, bottom] = [22, 4, 6, 24];
    const column = (width - left - right) / dim;
    const y = (value) => top + ((1 - value) / 2) * (height - top - bottom);
    this.surface.clear();
    rule(context, [-1, 0, 1], left, width - right, y);
    context.textAlign = 'center';
    for (let j = 0; j < dim; j++) {
      const middle = left + (j + 0.5) * column;
      context.fillStyle = color('flow', 0.4);
      for (let k = j; k < samples.length; k += dim) {
        // Beside each other, the same sample always at the same place.
        const aside = ((((k / dim) | 0) * 0.618034) % 1) - 0.5;
        const x = middle + 0.62 * column * aside;
        context.beginPath();
        context.arc(x, y(samples[k]), DOT, 0, 7);
        context.fill();
      }
      context.fillStyle = color('reward');
      context.fillRect(middle - 0.36 * column, y(action[j]) - 1.25, 0.72 * column, 2.5);
      context.fillStyle = color('soft');
      context.fillText(names[j], middle, height - 6, column - 2);
    }
  }
}

// Two entries of the samples against each other.
export class Plane extends Cloud {
  draw() {
    if (!this.state) return;
    const {
      samples,
      action,
      axes: [a, b],
    } = this.state;
    const { context, width, height } = this.surface;
    const dim = action.length;
    const [side, pad] = [Math.min(width, height), 7];
    const left = (width - side) / 2;
    const x = (value) => left + pad + ((value + 1) / 2) * (side - 2 * pad);
    const y = (value) => pad + ((1 - value) / 2) * (side - 2 * pad);
    this.surface.clear();
    context.strokeStyle = color('line');
    context.strokeRect(x(-1), y(1), side - 2 * pad, side - 2 * pad);
    context.beginPath();
    context.moveTo(x(0), y(-1));
    context.lineTo(x(0), y(1));
    context.moveTo(x(-1), y(0));
    context.lineTo(x(1), y(0));
    context.stroke();
    context.fillStyle = color('flow', 0.45);
    for (let k = 0; k < samples.length; k += dim) {
      context.beginPath();
      context.arc(x(samples[k + a]), y(samples[k + b]), DOT, 0, 7);
      context.fill();
    }
    context.strokeStyle = color('reward');
    context.lineWidth = 2.5;
    context.beginPath();
    context.arc(x(action[a]), y(action[b]), 5, 0, 7);
    context.stroke();
    context.lineWidth = 1;
  }
}

// The rewards of the last seconds, between 0 and 1.
export class Rewards {
  #values = [];

  constructor(canvas, seconds) {
    this.seconds = seconds;
    this.surface = new Surface(canvas, () => this.draw());
  }

  clear(timestep) {
    this.timestep = timestep;
    this.#values = [];
  }

  add(reward) {
    this.#values.push(reward);
    if (this.#values.length > this.seconds / this.timestep) this.#values.shift();
  }

  draw() {
    const { context, width, height } = this.surface;
    const [left, right, top, bottom] = [22, 4, 6, 24];
    const x = (k) => left + ((k * this.timestep) / this.seconds) * (width - left - right);
    const y = (value) => top + (1 - value) * (height - top - bottom);
    this.surface.clear();
    rule(context, [0, 1], left, width - right, y);
    context.textAlign = 'left';
    context.fillText(`the last ${this.seconds} s`, left, height - 6);
    context.strokeStyle = color('good');
    context.lineWidth = 1.75;
    context.lineJoin = 'round';
    context.beginPath();
    this.#values.forEach((value, k) => context.lineTo(x(k), y(value)));
    context.stroke();
  }
}
