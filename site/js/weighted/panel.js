// Draws a policy: the ways of its actions from noise, colored by advantage, and beside them the
// reward. Over a line, time runs from left to right; over a plane, actions move in the plane.

import { channels, color } from '../draw/colors.js';
import { Surface } from '../draw/surface.js';
import { BOUND } from './reward.js';
import { SHOWN } from './trainee.js';

const LINES = 72;
const BINS = 60;
const GOLDEN = 0.618033988749895;

export class Panel {
  constructor(canvas, resized) {
    this.surface = new Surface(canvas, resized);
    this.layout(1);
  }

  layout(dim) {
    const { width, height } = this.surface;
    this.dim = dim;
    if (dim === 1) {
      this.left = 24;
      this.top = 10;
      this.bottom = height - 24;
      this.base = width * 0.66;
      this.room = width - this.base - 6;
    } else {
      const side = Math.min(width, height - 4);
      this.left = (width - side) / 2;
      this.base = this.left + side;
      this.top = 2;
      this.bottom = this.top + side;
    }
  }

  x = (done) => this.left + done * (this.base - this.left);
  y = (action) => this.bottom - ((action + BOUND) / (2 * BOUND)) * (this.bottom - this.top);
  across = (action) => this.left + ((action + BOUND) / (2 * BOUND)) * (this.base - this.left);
  beside = (value) => this.base + Math.min(value, 1.08) * this.room * 0.92;

  // And back.
  actionAt = (y) => ((this.bottom - y) / (this.bottom - this.top)) * 2 * BOUND - BOUND;
  acrossAt = (x) => ((x - this.left) / (this.base - this.left)) * 2 * BOUND - BOUND;
  valueAt = (x) => (x - this.base) / (this.room * 0.92);

  // view: { done: null (each on its own) or a part of the way for all, clock, colored: 0 to 1,
  // mixed: 0 (before) to 1 (now) }.
  draw(trainee, reward, view) {
    const { context: ctx } = this.surface;
    this.surface.clear();
    if (this.dim === 1) this.#axes(ctx);
    if (this.dim === 1) this.#reward(ctx, reward);
    else this.#plane(ctx, reward);
    if (!trainee.states) return;
    const { states, before } = trainee;
    const old = before && before.length === states.length ? before : states;
    const at = (k) => old[k] + (states[k] - old[k]) * view.mixed;
    if (this.dim === 1) this.#histogram(ctx, trainee, at);
    this.#ways(ctx, trainee, at, view);
    this.#dots(ctx, trainee, at, view);
  }

  #axes(ctx) {
    ctx.font = '12px system-ui, sans-serif';
    ctx.fillStyle = color('soft');
    ctx.strokeStyle = color('line');
    ctx.lineWidth = 1;
    ctx.textAlign = 'right';
    ctx.textBaseline = 'middle';
    for (const action of [-2, 0, 2]) {
      ctx.fillText(String(action).replace('-', '−'), this.left - 6, this.y(action));
    }
    ctx.textBaseline = 'top';
    ctx.textAlign = 'left';
    ctx.fillText('noise', this.left, this.bottom + 7);
    ctx.textAlign = 'center';
    ctx.fillText('action', this.base, this.bottom + 7);
    ctx.textAlign = 'right';
    ctx.fillText('reward', this.surface.width - 4, this.bottom + 7);
    ctx.beginPath();
    ctx.moveTo(this.left, this.bottom + 0.5);
    ctx.lineTo(this.surface.width, this.bottom + 0.5);
    ctx.moveTo(this.base + 0.5, this.top);
    ctx.lineTo(this.base + 0.5, this.bottom);
    ctx.stroke();
  }

  #reward(ctx, reward) {
    ctx.beginPath();
    ctx.moveTo(this.base, this.y(-BOUND));
    reward.values.forEach((value, i) => ctx.lineTo(this.beside(value), this.y(reward.place(i))));
    ctx.lineTo(this.base, this.y(BOUND));
    ctx.fillStyle = color('reward', 0.35);
    ctx.fill();
    ctx.beginPath();
    reward.values.forEach((value, i) => ctx.lineTo(this.beside(value), this.y(reward.place(i))));
    ctx.strokeStyle = color('reward');
    ctx.lineWidth = 2;
    ctx.stroke();
  }

  #plane(ctx, reward) {
    const { points, values } = reward;
    this.image ??= document.createElement('canvas');
    [this.image.width, this.image.height] = [points, points];
    const image = this.image.getContext('2d').createImageData(points, points);
    const { r, g, b } = channels('reward');
    values.forEach((value, i) => {
      const [column, row] = [i % points, Math.floor(i / points)];
      image.data.set([r, g, b, 190 * value], 4 * ((points - 1 - row) * points + column));
    });
    this.image.getContext('2d').putImageData(image, 0, 0);
    const side = this.base - this.left;
    ctx.imageSmoothingEnabled = true;
    ctx.drawImage(this.image, this.left, this.top, side, side);
    ctx.strokeStyle = color('line');
    ctx.lineWidth = 1;
    ctx.strokeRect(this.left + 0.5, this.top + 0.5, side - 1, side - 1);
  }

  // The shown actions, over the reward.
  #histogram(ctx, { steps }, at) {
    const counts = new Array(BINS).fill(0);
    for (let i = 0; i < SHOWN; i++) {
      const action = at(steps * SHOWN + i);
      const bin = Math.floor(((action + BOUND) / (2 * BOUND)) * BINS);
      if (bin >= 0 && bin < BINS) counts[bin] += 1;
    }
    const height = (this.bottom - this.top) / BINS;
    // As long as a reward of 1 when a quarter of all actions is in one bin.
    ctx.fillStyle = color('flow', 0.5);
    counts.forEach((count, bin) => {
      const length = this.beside(Math.min(count / SHOWN / 0.25, 1.1)) - this.base;
      ctx.fillRect(this.base, this.bottom - (bin + 1) * height + 0.5, length, height - 1);
    });
  }

  #shade(advantage, colored, opacity) {
    if (colored === 0) return color('flow', opacity);
    const { r, g, b } = channels('flow');
    const to = channels(advantage > 0 ? 'good' : 'bad');
    const share = colored * Math.min(Math.abs(advantage) * 2.5, 1);
    const mix = (from, other) => Math.round(from + (other - from) * share);
    return `rgb(${mix(r, to.r)} ${mix(g, to.g)} ${mix(b, to.b)} / ${opacity})`;
  }

  #point(at, step, i, fraction = 0) {
    const d = this.dim;
    const read = (k, j) => at((k * SHOWN + i) * d + j);
    const between = (j) =>
      fraction === 0
        ? read(step, j)
        : read(step, j) + (read(step + 1, j) - read(step, j)) * fraction;
    return Array.from({ length: d }, (_, j) => between(j));
  }

  #place(done, point) {
    return this.dim === 1
      ? [this.x(done), this.y(point[0])]
      : [this.across(point[0]), this.y(point[1])];
  }

  #ways(ctx, { steps, advantages }, at, view) {
    ctx.lineWidth = 1;
    for (let i = 0; i < LINES; i++) {
      ctx.strokeStyle = this.#shade(advantages[i], view.colored, 0.4);
      ctx.beginPath();
      for (let k = 0; k <= steps; k++) {
        const [x, y] = this.#place(k / steps, this.#point(at, k, i));
        if (k === 0) ctx.moveTo(x, y);
        else ctx.lineTo(x, y);
      }
      ctx.stroke();
    }
  }

  #dots(ctx, { steps, advantages }, at, view) {
    for (let i = 0; i < SHOWN; i++) {
      const done = view.done ?? Math.min(((view.clock + i * GOLDEN) % 1) * 1.2, 1);
      const place = done * steps;
      const step = Math.min(Math.floor(place), steps - 1);
      const [x, y] = this.#place(done, this.#point(at, step, i, place - step));
      if (y < this.top || y > this.bottom) continue;
      ctx.fillStyle = this.#shade(advantages[i], view.colored, 0.9);
      ctx.beginPath();
      ctx.arc(x, y, 1.9, 0, 2 * Math.PI);
      ctx.fill();
    }
  }
}
