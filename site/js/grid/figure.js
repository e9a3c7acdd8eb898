// The third figure: GridWorld, learned live by a flow and by a Gaussian.

import { button, choice, element, say } from '../dom.js';
import { onThemeChange } from '../draw/colors.js';
import { calm, whileVisible } from '../draw/loop.js';
import { percent, runs as runsOf } from '../run.js';
import { Board, DEATH, FREE, GOAL, SIZE, START, WALL } from './board.js';
import { Walker } from './walker.js';

// Iterations of a run, of 2048 steps each, and between two looks at the policy.
const RUN = 150;
const BETWEEN = 5;
const NAMES = ['two edges', 'three goals', 'a block', 'two slits', 'a yard'];
const KINDS = {
  [FREE]: 'free',
  [WALL]: 'wall',
  [GOAL]: 'goal',
  [DEATH]: 'death',
  [START]: 'start',
};

export async function start(figure) {
  const [flow, gauss] = [new Walker(), new Walker()];
  const find = (name) => figure.querySelector(`.${name}`);
  const view = { clock: 0, brush: WALL, cursor: null, seed: 1 };
  let { codes } = await flow.layout(0);

  const boards = ['of-flow', 'of-gauss'].map((name) => {
    const canvas = element('canvas', { 'aria-hidden': 'true' });
    const overlay = element('div', {
      className: 'overlay drawable',
      role: 'application',
      tabIndex: 0,
      'aria-label': 'The map: arrow keys choose a cell, Space paints it',
    });
    find(name).replaceChildren(canvas, overlay);
    const board = new Board(canvas, () => draw());
    paintable(board, overlay);
    return board;
  });

  const runs = runsOf(figure, {
    most: RUN,
    async learn() {
      await Promise.all([flow.learn(BETWEEN), gauss.learn(BETWEEN)]);
      describe();
      draw();
      return BETWEEN;
    },
    changed: show,
  });

  function begin() {
    runs.pause();
    return runs.enqueue(async () => {
      await Promise.all([
        flow.begin('fpo++', codes, view.seed),
        gauss.begin('ppo', codes, view.seed),
      ]);
      describe();
      draw();
    });
  }

  function show() {
    runner.textContent = runs.running ? 'Pause' : 'Train';
    figure.dataset.running = runs.running;
  }

  // Shares of the walks from the start by where they end.
  function describe() {
    const steps = (flow.iteration * 2048).toLocaleString('en');
    const line = (name, { success }) => `${name}: ${percent(success)} of episodes reach a goal`;
    say(find('count'), `${flow.iteration} iterations, ${steps} steps`);
    say(find('score-flow'), line('Flow', flow));
    say(find('score-gauss'), line('Gaussian', gauss));
    Object.assign(figure.dataset, {
      iteration: flow.iteration,
      flow: flow.success.toFixed(3),
      gauss: gauss.success.toFixed(3),
    });
  }

  function draw() {
    boards[0].draw(codes, flow, 'flow', view.clock, view.cursor);
    boards[1].draw(codes, gauss, 'gauss', view.clock, view.cursor);
  }

  // Painting cells. Training begins anew on a changed map.
  function paint([x, y]) {
    const i = y * SIZE + x;
    const before = codes[i];
    // The start moves, but never vanishes.
    if (before === view.brush || before === START) return false;
    if (view.brush === START) codes[codes.indexOf(START)] = FREE;
    codes[i] = view.brush;
    flow.walks = gauss.walks = flow.moves = gauss.moves = null;
    draw();
    return true;
  }

  function paintable(board, overlay) {
    overlay.addEventListener('pointerdown', (down) => {
      down.preventDefault();
      overlay.focus({ preventScroll: true });
      overlay.setPointerCapture(down.pointerId);
      runs.pause();
      let changed = false;
      // A finger may be about to scroll, and paints only where it moves sideways or is lifted.
      const touch = down.pointerType === 'touch';
      const move = (event) => {
        const box = overlay.getBoundingClientRect();
        const cell = board.cellAt(event.clientX - box.left, event.clientY - box.top);
        if (cell) changed = paint(cell) || changed;
      };
      if (!touch) move(down);
      const end = (event) => {
        if (touch && event.type === 'pointerup') move(event);
        for (const type of ['pointerup', 'pointercancel']) overlay.removeEventListener(type, end);
        overlay.removeEventListener('pointermove', move);
        if (changed) begin();
      };
      overlay.addEventListener('pointermove', move);
      for (const type of ['pointerup', 'pointercancel']) overlay.addEventListener(type, end);
    });
    overlay.addEventListener('keydown', (event) => {
      const moves = {
        ArrowUp: [0, 1],
        ArrowDown: [0, -1],
        ArrowLeft: [-1, 0],
        ArrowRight: [1, 0],
      };
      const within = (z) => Math.min(Math.max(z, 0), SIZE - 1);
      if (moves[event.key]) {
        const [x, y] = view.cursor ?? [12, 12];
        const [dx, dy] = moves[event.key];
        view.cursor = [within(x + dx), within(y + dy)];
      } else if (event.key === ' ' || event.key === 'Enter') {
        view.cursor ??= [12, 12];
        runs.pause();
        if (paint(view.cursor)) begin();
      } else return;
      event.preventDefault();
      const [x, y] = view.cursor;
      say(find('cursor'), `column ${x + 1}, row ${y + 1}: ${KINDS[codes[y * SIZE + x]]}`);
      draw();
    });
    overlay.addEventListener('blur', () => {
      view.cursor = null;
      draw();
    });
  }

  const runner = button('Train', runs.toggle, { className: 'primary' });
  const layout = choice({
    label: 'Map',
    options: NAMES.map((name, i) => [i, name]),
    value: 0,
    async change(index) {
      runs.pause();
      await runs.enqueue(async () => {
        ({ codes } = await flow.layout(index));
      });
      begin();
    },
  });
  const brush = choice({
    label: 'Paint',
    options: [
      [WALL, 'wall'],
      [GOAL, 'goal'],
      [DEATH, 'death'],
      [FREE, 'free'],
      [START, 'start'],
    ],
    value: view.brush,
    change(value) {
      view.brush = value;
    },
  });
  const afresh = button('Start over', () => {
    view.seed += 1;
    begin();
  });
  find('controls').append(
    element('div', { className: 'bar' }, runner, afresh),
    layout.row,
    brush.row,
  );
  layout.row.classList.add('wider');

  await begin();
  onThemeChange(draw);
  whileVisible(figure, (seconds) => {
    if (calm()) return;
    view.clock += seconds;
    draw();
  });
}
