// Draws the first figure: time from left to right, the axis of actions upward, and at the right
// the density of the actions.

import { channels, color } from '../draw/colors.js';
import { Surface } from '../draw/surface.js';
import { BINS, HIGH, LOW, PARTICLES, POINTS } from './model.js';

const COLUMNS = 96;
const ROWS = 128;
// Particles whose whole way is drawn.
const PATHS = 36;

export class Scene {
  options = { paths: true, field: false };

  constructor(model, canvases, resized) {
    this.model = model;
    const redraw = () => {
      this.layout();
      this.drawBack();
      resized();
    };
    this.back = new Surface(canvases.back, redraw);
    this.front = new Surface(canvases.front, redraw);
    this.shade = document.createElement('canvas');
    [this.shade.width, this.shade.height] = [COLUMNS, ROWS];
    this.layout();
  }

  layout() {
    const { width, height } = this.back;
    const narrow = width < 560;
    this.left = narrow ? 26 : 40;
    this.top = 12;
    this.bottom = height - 34;
    // Of the density at the right.
    this.base = width - Math.max(width * 0.24, 96);
    this.room = width - this.base - (narrow ? 30 : 44);
  }

  // Places of parts of the way, of actions and of densities.
  x = (done) => this.left + done * (this.base - this.left);
  y = (action) => this.bottom - ((action - LOW) / (HIGH - LOW)) * (this.bottom - this.top);
  beside = (density) => this.base + (density / this.peak) * this.room;

  // And back.
  actionAt = (y) => LOW + ((this.bottom - y) / (this.bottom - this.top)) * (HIGH - LOW);

  // Recomputes what depends on the flow, and draws it.
  update() {
    const { model } = this;
    this.densities = model.grid('flow_density', COLUMNS, ROWS);
    // A single action has no density; close to it is as good to look at.
    this.target = model.curve(model.action === null ? 0 : 0.02);
    this.peak = Math.max(0.7, ...this.target) * 1.06;
    this.arrived = model.histogram(model.steps);
    this.drawBack();
  }

  drawBack() {
    const { back, options } = this;
    if (!this.densities) return;
    back.clear();
    this.#drawShade();
    this.#drawAxes();
    if (options.field) this.#drawField();
    if (options.paths) this.#drawPaths();
    this.#drawTarget();
  }

  #drawShade() {
    const context = this.shade.getContext('2d');
    const image = context.createImageData(COLUMNS, ROWS);
    const { r, g, b } = channels('flow');
    for (let row = 0; row < ROWS; row++) {
      for (let column = 0; column < COLUMNS; column++) {
        const at = 4 * ((ROWS - 1 - row) * COLUMNS + column);
        const density = this.densities[row * COLUMNS + column];
        image.data.set([r, g, b, 150 * (1 - Math.exp(-density * 1.1))], at);
      }
    }
    context.putImageData(image, 0, 0);
    const { context: ctx } = this.back;
    ctx.imageSmoothingEnabled = true;
    ctx.imageSmoothingQuality = 'high';
    const [x, y] = [this.left, this.top];
    ctx.drawImage(this.shade, x, y, this.base - x, this.bottom - y);
  }

  #drawAxes() {
    const { context: ctx, width } = this.back;
    const narrow = width < 560;
    ctx.font = `${narrow ? 11 : 12.5}px system-ui, sans-serif`;
    ctx.fillStyle = color('soft');
    ctx.strokeStyle = color('line');
    ctx.lineWidth = 1;
    ctx.textBaseline = 'middle';
    ctx.textAlign = 'right';
    for (let action = -3; action <= 3; action++) {
      ctx.fillText(String(action).replace('-', '−'), this.left - 8, this.y(action));
    }
    ctx.textBaseline = 'top';
    const ticks = [
      [0, narrow ? 'noise' : 'noise, t = 1', 'left'],
      [0.25, narrow ? '' : '0.75', 'center'],
      [0.5, narrow ? 't = ½' : '0.5', 'center'],
      [0.75, narrow ? '' : '0.25', 'center'],
      [1, narrow ? 'action' : 'action, t = 0', 'center'],
    ];
    for (const [done, text, align] of ticks) {
      ctx.textAlign = align;
      ctx.fillText(text, this.x(done), this.bottom + 10);
      ctx.beginPath();
      ctx.moveTo(this.x(done), this.bottom);
      ctx.lineTo(this.x(done), this.bottom + 5);
      ctx.stroke();
    }
    ctx.beginPath();
    ctx.moveTo(this.left, this.bottom + 0.5);
    ctx.lineTo(width, this.bottom + 0.5);
    ctx.moveTo(this.base + 0.5, this.top);
    ctx.lineTo(this.base + 0.5, this.bottom);
    ctx.stroke();
  }

  // Velocities as strokes of one length: against time, so that they point where particles go.
  #drawField() {
    const { context: ctx } = this.back;
    const spacing = this.back.width < 560 ? 22 : 28;
    const columns = Math.max(4, Math.floor((this.base - this.left) / spacing));
    const rows = Math.max(4, Math.floor((this.bottom - this.top) / spacing));
    const velocities = this.model.grid('flow_velocity', columns, rows);
    const unit = (this.bottom - this.top) / (HIGH - LOW);
    ctx.strokeStyle = color('ink', 0.55);
    ctx.lineWidth = 1;
    const length = spacing * 0.38;
    ctx.beginPath();
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const x = this.x((column + 0.5) / columns);
        const y = this.y(LOW + ((HIGH - LOW) * (row + 0.5)) / rows);
        // Time runs from 1 to 0 to the right: dx/d(done) = −v.
        const rise = -velocities[row * columns + column] * unit;
        const run = this.base - this.left;
        const scale = length / Math.hypot(rise, run);
        const [dx, dy] = [run * scale, -rise * scale];
        ctx.moveTo(x - dx, y - dy);
        ctx.lineTo(x + dx, y + dy);
        const head = 0.3;
        ctx.lineTo(x + dx - head * (dx + dy), y + dy - head * (dy - dx));
        ctx.moveTo(x + dx, y + dy);
        ctx.lineTo(x + dx - head * (dx - dy), y + dy - head * (dy + dx));
      }
    }
    ctx.stroke();
  }

  #drawPaths() {
    const { context: ctx } = this.back;
    const { path, steps } = this.model;
    ctx.strokeStyle = color('ink', 0.3);
    ctx.lineWidth = 1;
    ctx.beginPath();
    for (let n = 0; n < PATHS; n++) {
      ctx.moveTo(this.x(0), this.y(path[n]));
      for (let step = 1; step <= steps; step++) {
        ctx.lineTo(this.x(step / steps), this.y(path[step * PARTICLES + n]));
      }
    }
    ctx.save();
    this.#clip(ctx);
    ctx.stroke();
    ctx.restore();
  }

  #clip(ctx) {
    const shape = new Path2D();
    shape.rect(this.left, this.top, this.base - this.left, this.bottom - this.top);
    ctx.clip(shape);
  }

  // The density of the actions, and the particles that have arrived.
  #drawTarget() {
    const { context: ctx } = this.back;
    ctx.fillStyle = color('flow', 0.3);
    this.#bars(ctx, this.arrived, this.beside);
    ctx.strokeStyle = color('flow');
    ctx.lineWidth = 2;
    ctx.beginPath();
    this.#curve(ctx, this.target, this.beside);
    ctx.stroke();
  }

  #bars(ctx, density, place) {
    const height = (this.bottom - this.top) / BINS;
    density.forEach((d, bin) => {
      const x = place(0);
      ctx.fillRect(x, this.bottom - (bin + 1) * height + 0.5, place(d) - x, height - 1);
    });
  }

  #curve(ctx, density, place) {
    let below = true;
    density.forEach((d, i) => {
      const y = this.y(LOW + ((HIGH - LOW) * i) / (POINTS - 1));
      // Nothing is drawn where there is nothing.
      const next = density[Math.min(i + 1, POINTS - 1)];
      if (Math.max(d, next) < 0.004) below = true;
      else if (below) {
        ctx.moveTo(place(d), y);
        below = false;
      } else ctx.lineTo(place(d), y);
    });
  }

  // Draws the particles: `done(i)` is the part of its way that particle i has done.
  drawFront(done, showMoment) {
    const { front, model } = this;
    const { context: ctx } = front;
    front.clear();
    ctx.fillStyle = color('flow', 0.75);
    const size = front.width < 560 ? 1.8 : 2.4;
    for (let i = 0; i < PARTICLES; i++) {
      const part = done(i);
      const y = this.y(model.at(i, part));
      if (y < this.top || y > this.bottom) continue;
      ctx.fillRect(this.x(part) - size / 2, y - size / 2, size, size);
    }
    if (showMoment) this.#drawMoment(ctx);
  }

  // The marginal at the moment: the particles as bars, the exact one as a line.
  #drawMoment(ctx) {
    const { model } = this;
    const x = this.x(model.step() / model.steps);
    const unit = Math.min(this.room, (this.base - this.left) * 0.22) / 1.2;
    const place = (density) => x - Math.min(density, 3) * unit;
    ctx.fillStyle = color('reward', 0.45);
    this.#bars(ctx, this.moment.histogram, place);
    ctx.strokeStyle = color('ink');
    ctx.lineWidth = 1.5;
    ctx.beginPath();
    this.#curve(ctx, this.moment.curve, place);
    ctx.stroke();
    ctx.strokeStyle = color('ink', 0.5);
    ctx.setLineDash([3, 3]);
    ctx.beginPath();
    ctx.moveTo(x, this.top);
    ctx.lineTo(x, this.bottom);
    ctx.stroke();
    ctx.setLineDash([]);
  }

  // Recomputes the marginal at the moment.
  updateMoment() {
    const { model } = this;
    const t = model.time();
    this.moment = {
      histogram: model.histogram(model.step()),
      curve: model.curve(model.action === null ? t : Math.max(t, 0.02)),
    };
  }
}
