// Draws a layout, what a policy does in its cells, and walks from the start.

import { color } from '../draw/colors.js';
import { Surface } from '../draw/surface.js';

export const SIZE = 25;
export const FREE = 0;
export const WALL = 1;
export const GOAL = 2;
export const DEATH = 3;
export const START = 4;

// As in bindings/wasm/src/grid.rs: the eight neighbors, counterclockwise from the right.
const DIRECTIONS = [
  [1, 0],
  [1, 1],
  [0, 1],
  [-1, 1],
  [-1, 0],
  [-1, -1],
  [0, -1],
  [1, -1],
];

export class Board {
  constructor(canvas, redraw) {
    this.surface = new Surface(canvas, redraw);
  }

  get cell() {
    return this.surface.width / SIZE;
  }

  // The middle of a cell; rows count upward.
  middle(x, y) {
    return [(x + 0.5) * this.cell, (SIZE - y - 0.5) * this.cell];
  }

  cellAt(px, py) {
    const [x, y] = [Math.floor(px / this.cell), SIZE - 1 - Math.floor(py / this.cell)];
    return x >= 0 && x < SIZE && y >= 0 && y < SIZE ? [x, y] : null;
  }

  // `policy`: { cells, moves, walks }, `clock` moves the walkers.
  draw(codes, policy, name, clock, cursor) {
    const { context: ctx } = this.surface;
    this.surface.clear();
    this.#cells(ctx, codes);
    if (policy.moves) this.#moves(ctx, policy, name);
    if (policy.walks) this.#walks(ctx, policy.walks, name, clock);
    if (cursor) {
      const [x, y] = this.middle(...cursor);
      ctx.strokeStyle = color('ink');
      ctx.lineWidth = 2;
      ctx.strokeRect(x - this.cell / 2, y - this.cell / 2, this.cell, this.cell);
    }
  }

  #cells(ctx, codes) {
    const size = this.cell;
    const fills = {
      [WALL]: color('soft'),
      [GOAL]: color('good', 0.55),
      [DEATH]: color('bad', 0.6),
    };
    ctx.fillStyle = color('raised');
    ctx.fillRect(0, 0, this.surface.width, this.surface.height);
    ctx.strokeStyle = color('line', 0.6);
    ctx.lineWidth = 0.5;
    ctx.beginPath();
    for (let k = 0; k <= SIZE; k++) {
      ctx.moveTo(k * size, 0);
      ctx.lineTo(k * size, SIZE * size);
      ctx.moveTo(0, k * size);
      ctx.lineTo(SIZE * size, k * size);
    }
    ctx.stroke();
    codes.forEach((code, i) => {
      const [x, y] = [i % SIZE, Math.floor(i / SIZE)];
      if (fills[code]) {
        ctx.fillStyle = fills[code];
        // Half a pixel more, so that equal neighbors have no seam.
        ctx.fillRect(x * size, (SIZE - 1 - y) * size, size + 0.5, size + 0.5);
      } else if (code === START) {
        const [mx, my] = this.middle(x, y);
        ctx.strokeStyle = color('ink');
        ctx.lineWidth = 1.5;
        ctx.beginPath();
        ctx.arc(mx, my, size * 0.42, 0, 2 * Math.PI);
        ctx.stroke();
      }
    });
  }

  // Arrows as long as the share of actions that move there.
  #moves(ctx, { cells, moves }, name) {
    const head = this.cell * 0.2;
    ctx.strokeStyle = color(name);
    ctx.lineWidth = Math.max(this.cell / 12, 1);
    ctx.lineCap = 'round';
    ctx.beginPath();
    for (let i = 0; i < cells.length / 2; i++) {
      const [x, y] = this.middle(cells[2 * i], cells[2 * i + 1]);
      DIRECTIONS.forEach(([dx, dy], k) => {
        const share = moves[9 * i + k];
        if (share < 0.15) return;
        const unit = 1 / Math.hypot(dx, dy);
        const [ux, uy] = [dx * unit, -dy * unit];
        const length = (0.25 + share) * this.cell;
        const [tx, ty] = [x + ux * length, y + uy * length];
        ctx.moveTo(x, y);
        ctx.lineTo(tx, ty);
        // The head, from both sides.
        ctx.moveTo(tx - head * (ux + 0.7 * uy), ty - head * (uy - 0.7 * ux));
        ctx.lineTo(tx, ty);
        ctx.lineTo(tx - head * (ux - 0.7 * uy), ty - head * (uy + 0.7 * ux));
      });
    }
    ctx.stroke();
  }

  #walks(ctx, walks, name, clock) {
    ctx.lineWidth = Math.max(this.cell / 7, 1.5);
    ctx.strokeStyle = color('ink', 0.35);
    ctx.lineJoin = 'round';
    walks.forEach((walk, k) => {
      // Beside each other, not over each other.
      const shift = ((k % 5) - 2) * this.cell * 0.11;
      ctx.beginPath();
      for (const cell of walk) {
        const [x, y] = this.middle(...cell);
        ctx.lineTo(x + shift, y + shift);
      }
      ctx.stroke();
    });
    walks.forEach((walk, k) => {
      const shift = ((k % 5) - 2) * this.cell * 0.11;
      const place = Math.min((clock * 8) % (walk.length + 6), walk.length - 1);
      const [step, part] = [Math.floor(place), place % 1];
      const [from, to] = [walk[step], walk[Math.min(step + 1, walk.length - 1)]];
      const [x, y] = this.middle(
        from[0] + (to[0] - from[0]) * part,
        from[1] + (to[1] - from[1]) * part,
      );
      ctx.fillStyle = color(name);
      ctx.strokeStyle = color('raised');
      ctx.lineWidth = 1;
      ctx.beginPath();
      ctx.arc(x + shift, y + shift, this.cell * 0.34, 0, 2 * Math.PI);
      ctx.fill();
      ctx.stroke();
    });
  }
}
