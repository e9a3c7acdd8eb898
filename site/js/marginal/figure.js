// The first figure: noise flows to actions.

import { button, checkbox, choice, element, say, slider } from '../dom.js';
import { onThemeChange } from '../draw/colors.js';
import { calm, whileVisible } from '../draw/loop.js';
import { Handles } from './handles.js';
import { Model, MOST_MODES, PARTICLES } from './model.js';
import { Modes } from './modes.js';
import { Scene } from './scene.js';

// Seconds from noise to action.
const WAY = 4;
const STEPS = [1, 2, 4, 8, 16, 32, 64, 128];
// Spreads the particles evenly over their ways, in no visible order.
const GOLDEN = 0.618033988749895;

export async function start(figure) {
  const model = await Model.load();
  const stage = figure.querySelector('.stage');
  const canvases = {
    back: element('canvas', { 'aria-hidden': 'true' }),
    front: element('canvas', { 'aria-hidden': 'true' }),
  };
  const overlay = element('div', { className: 'overlay' });
  stage.replaceChildren(canvases.back, canvases.front, overlay);

  const view = { playing: !calm(), together: false, clock: 0 };
  const scene = new Scene(model, canvases, () => {
    handles.move();
    draw();
  });

  function draw() {
    const phase = view.clock / WAY;
    const done = view.together ? () => model.moment : (i) => (phase + i * GOLDEN) % 1;
    scene.drawFront(done, true);
  }

  // The moment, in words and in numbers for tests.
  function describe() {
    scene.updateMoment();
    const { found, chance } = model.distance();
    const percent = (x) => `${(100 * x).toFixed(1)} %`;
    const t = model.time().toFixed(2);
    say(
      readout,
      `At t = ${t} the distribution of the ${PARTICLES} particles is ${percent(found)} from the ` +
        `exact marginal; chance alone explains ${percent(chance)}.`,
    );
    Object.assign(figure.dataset, { distance: found.toFixed(5), chance: chance.toFixed(5), t });
  }

  function changed() {
    model.update();
    refresh();
  }

  function refresh() {
    scene.update();
    describe();
    handles.move();
    modes.refresh();
    // Noisy steps have one rule, and to one action all rules are the same.
    sampler.show(model.usesSampler());
    correction.show(model.stochasticity > 0);
    figure.dataset.peak = String(scene.target.indexOf(Math.max(...scene.target)));
    draw();
  }

  const edit = {
    change: changed,
    add(mean = 0) {
      if (model.modes.length >= MOST_MODES) return;
      model.modes.push({ weight: 1, mean, std: 0.3 });
      rebuild();
      changed();
    },
    remove(i) {
      if (model.modes.length === 1) return;
      model.modes.splice(i, 1);
      rebuild();
      changed();
      overlay.querySelector('.handle').focus();
    },
  };
  const handles = new Handles(overlay, scene, edit);
  const modes = new Modes(figure.querySelector('.numbers'), model, edit);
  function rebuild() {
    scene.update();
    handles.rebuild();
    modes.rebuild();
  }

  const readout = figure.querySelector('.readout');
  const target = choice({
    label: 'Flow to',
    options: [
      ['mixture', 'a mixture'],
      ['action', 'one action'],
    ],
    value: 'mixture',
    change(value) {
      model.action = value === 'action' ? 0.8 : null;
      model.update();
      rebuild();
      refresh();
    },
  });
  const steps = choice({
    label: 'Steps',
    options: STEPS.map((n) => [n, String(n)]),
    value: model.steps,
    change(value) {
      model.steps = value;
      changed();
    },
  });
  const sampler = choice({
    label: 'Rule of a step',
    options: [
      ['euler', 'Euler'],
      ['midpoint', 'midpoint'],
      ['heun', 'Heun'],
      ['rk4', 'Runge–Kutta'],
    ],
    value: model.sampler,
    change(value) {
      model.sampler = value;
      changed();
    },
  });
  const stochasticity = slider({
    label: 'Stochasticity',
    min: 0,
    max: 1,
    step: 0.05,
    value: model.stochasticity,
    show: (x) => x.toFixed(2),
    change(value) {
      model.stochasticity = value;
      changed();
    },
  });
  const correction = choice({
    label: 'What makes up for the noise',
    options: [
      ['score', 'the score'],
      ['renoise', 'removing as much'],
      ['none', 'nothing'],
    ],
    value: model.correction,
    change(value) {
      model.correction = value;
      changed();
    },
  });
  const moment = slider({
    label: 'Moment',
    min: 0,
    max: 1,
    step: 1 / 128,
    value: model.moment,
    show: () => `t = ${model.time().toFixed(2)}`,
    change(value) {
      model.moment = value;
      describe();
      draw();
    },
  });
  const play = button('', () => setPlaying(!view.playing));
  function setPlaying(playing) {
    view.playing = playing;
    play.textContent = playing ? 'Pause' : 'Play';
  }
  setPlaying(view.playing);
  const together = checkbox({
    label: 'all together',
    value: view.together,
    change(value) {
      view.together = value;
      draw();
    },
  });
  const option = (label, name) =>
    checkbox({
      label,
      value: scene.options[name],
      change(value) {
        scene.options[name] = value;
        scene.drawBack();
      },
    });

  const bar = (...parts) => element('div', { className: 'bar' }, ...parts);
  figure
    .querySelector('.controls')
    .append(
      bar(play, button('New noise', reseed), together.row),
      moment.row,
      steps.row,
      target.row,
      stochasticity.row,
      correction.row,
      sampler.row,
      bar(option('some paths', 'paths').row, option('velocity field', 'field').row),
    );
  function reseed() {
    model.seed += 1;
    changed();
  }

  // Buttons in the text set the figure to what the text says.
  const controls = { steps, sampler, stochasticity, correction, target, together };
  for (const link of document.querySelectorAll('[data-try="marginal"]')) {
    link.addEventListener('click', () => {
      const wanted = JSON.parse(link.dataset.set);
      for (const [name, value] of Object.entries(wanted)) {
        if (name === 'target') model.action = value === 'action' ? 0.8 : null;
        else if (name === 'together') view.together = value;
        else model[name] = value;
        controls[name]?.set(value);
      }
      model.update();
      rebuild();
      refresh();
      figure.scrollIntoView({ behavior: calm() ? 'auto' : 'smooth', block: 'nearest' });
    });
  }

  rebuild();
  refresh();
  onThemeChange(() => {
    scene.drawBack();
    draw();
  });
  whileVisible(figure, (seconds) => {
    if (!view.playing) return;
    view.clock += seconds;
    if (view.together) {
      // A rest at the end.
      model.moment = Math.min(((view.clock / WAY) % 1) * 1.25, 1);
      moment.set(model.moment);
      describe();
    }
    draw();
  });
}
