// Small charts: the rewards of iterations, and the ratios or the weights of the latest one.

import { color } from '../draw/colors.js';
import { Surface } from '../draw/surface.js';

class Chart {
  constructor(canvas, redraw) {
    this.surface = new Surface(canvas, redraw);
  }

  begin(low, high, labels) {
    const { context: ctx, width, height } = this.surface;
    this.surface.clear();
    [this.low, this.high] = [low, high];
    [this.left, this.right, this.top, this.bottom] = [8, width - 8, 8, height - 22];
    ctx.font = '12px system-ui, sans-serif';
    ctx.fillStyle = color('soft');
    ctx.strokeStyle = color('line');
    ctx.lineWidth = 1;
    ctx.textBaseline = 'top';
    for (const [value, text, align = 'center'] of labels) {
      ctx.textAlign = align;
      ctx.fillText(text, this.x(value), this.bottom + 6);
    }
    ctx.beginPath();
    ctx.moveTo(this.left, this.bottom + 0.5);
    ctx.lineTo(this.right, this.bottom + 0.5);
    ctx.stroke();
    return ctx;
  }

  x = (value) =>
    this.left + ((value - this.low) / (this.high - this.low)) * (this.right - this.left);
  y = (share) => this.bottom - share * (this.bottom - this.top);
}

// Mean rewards of both policies over the iterations, from 0 to 1.
export class History extends Chart {
  draw(flow, gauss) {
    const last = Math.max(50, flow.iteration ?? 0);
    const ctx = this.begin(0, last, [
      [0, '0', 'left'],
      [last, `${last} iterations`, 'right'],
    ]);
    for (const [trainee, name] of [
      [gauss, 'gauss'],
      [flow, 'flow'],
    ]) {
      ctx.strokeStyle = color(name);
      ctx.lineWidth = 2;
      ctx.beginPath();
      for (const [iteration, reward] of trainee.history ?? []) {
        ctx.lineTo(this.x(iteration), this.y(Math.min(reward, 1)));
      }
      ctx.stroke();
    }
  }
}

// How many of the samples have which ratio, after an iteration.
export class Ratios extends Chart {
  draw(flow, gauss, clip) {
    const [low, high, bins] = [0.7, 1.3, 40];
    const ctx = this.begin(low, high, [
      [low, '≤ 0.7', 'left'],
      [1, '1'],
      [high, '≥ 1.3', 'right'],
    ]);
    ctx.fillStyle = color('line', 0.5);
    ctx.fillRect(
      this.x(1 - clip),
      this.top,
      this.x(1 + clip) - this.x(1 - clip),
      this.y(0) - this.top,
    );
    for (const [{ ratios }, name] of [
      [gauss, 'gauss'],
      [flow, 'flow'],
    ]) {
      if (!ratios) continue;
      const counts = new Array(bins).fill(0);
      for (const ratio of ratios) {
        const bin = Math.floor(((ratio - low) / (high - low)) * bins);
        counts[Math.min(Math.max(bin, 0), bins - 1)] += 1;
      }
      const most = Math.max(...counts);
      ctx.fillStyle = color(name, 0.35);
      ctx.strokeStyle = color(name);
      ctx.lineWidth = 1.5;
      ctx.beginPath();
      ctx.moveTo(this.x(low), this.y(0));
      counts.forEach((count, bin) => {
        const [from, to] = [bin, bin + 1].map((b) => this.x(low + ((high - low) * b) / bins));
        ctx.lineTo(from, this.y(count / most));
        ctx.lineTo(to, this.y(count / most));
      });
      ctx.lineTo(this.x(high), this.y(0));
      ctx.fill();
      ctx.stroke();
    }
  }
}

// The weight of every action of the latest batch over its advantage.
export class Weights extends Chart {
  draw({ weights }) {
    const [low, high] = [-2.5, 2.5];
    const ctx = this.begin(low, high, [
      [low, 'A = −2.5', 'left'],
      [0, '0'],
      [high, '2.5', 'right'],
    ]);
    if (!weights?.length) return;
    const n = weights.length / 2;
    const most = Math.max(...weights.subarray(n));
    ctx.textAlign = 'left';
    ctx.fillText(`weight up to ${most.toFixed(1)}`, this.left, this.top);
    for (let i = 0; i < n; i++) {
      const [advantage, weight] = [weights[i], weights[n + i]];
      ctx.fillStyle = color(advantage > 0 ? 'good' : 'bad', 0.6);
      const x = Math.min(Math.max(advantage, low), high);
      ctx.fillRect(this.x(x) - 1.5, this.y(weight / most) - 1.5, 3, 3);
    }
  }
}
