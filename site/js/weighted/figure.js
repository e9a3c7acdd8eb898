// The second figure: a policy learns a reward that the reader draws, by sampling, scoring and
// redirecting its flow; a Gaussian learns the same beside it.

import { button, choice, element, say, slider } from '../dom.js';
import { onThemeChange } from '../draw/colors.js';
import { calm, whileVisible } from '../draw/loop.js';
import { percent, runs as runsOf } from '../run.js';
import { History, Ratios, Weights } from './charts.js';
import { drawable } from './drawing.js';
import { Panel } from './panel.js';
import { NAMES, Reward } from './reward.js';
import { Trainee } from './trainee.js';

// Iterations after which a run pauses by itself.
const RUN = 200;
const STAGES = ['sample', 'score', 'redirect'];
// Seconds of a stage, when stages are taken one by one.
const SECONDS = { sample: 1.6, score: 0.7, redirect: 1.1 };
const CLIP = 0.05;

const ABOUT = {
  'fpo++': 'One ratio for each pair (t, ε), and a pull that holds what has moved too far.',
  fpo: 'One ratio for each action, clipped as in PPO.',
  awfm: 'No ratio: flow matching on the policy’s own actions, the better ones weighted more.',
};

export async function start(figure) {
  const settings = {
    method: 'fpo++',
    weight: 'exp',
    temperature: 0.5,
    bonus: 0.3,
    seed: 1,
  };
  let reward = new Reward(1);
  const [flow, gauss] = [new Trainee(), new Trainee()];
  const view = { clock: 0, stage: null, progress: 0 };

  const find = (name) => figure.querySelector(`.${name}`);
  const redraw = () => draw();
  const panels = ['of-flow', 'of-gauss'].map((name) => {
    const place = find(name);
    const canvas = element('canvas', { 'aria-hidden': 'true' });
    const overlay = element('div', {
      className: 'overlay drawable',
      role: 'slider',
      tabIndex: 0,
      'aria-label': 'Draw the reward: up and down move along the axis, right and left change it',
      'aria-valuemin': 0,
      'aria-valuemax': 1,
    });
    place.replaceChildren(canvas, overlay);
    const panel = new Panel(canvas, () => {
      panel.layout(reward.dim);
      redraw();
    });
    const showPen = drawable(
      panel,
      overlay,
      () => reward,
      () => changeReward(),
    );
    return { panel, showPen, place };
  });
  const history = new History(find('history').querySelector('canvas'), redraw);
  const ratios = new Ratios(find('ratios').querySelector('canvas'), redraw);
  const weights = new Weights(find('weights').querySelector('canvas'), redraw);

  const runs = runsOf(figure, {
    most: RUN,
    async learn() {
      await learn(1);
      draw();
      return 1;
    },
    changed: showStage,
  });

  function begin() {
    runs.pause();
    view.stage = null;
    return runs.enqueue(async () => {
      await Promise.all([
        flow.begin(settings, reward),
        gauss.begin({ ...settings, method: 'ppo' }, reward),
      ]);
      describe();
      draw();
    });
  }

  let drawn = false;
  function changeReward() {
    draw();
    // Many strokes, one message.
    if (drawn) return;
    drawn = true;
    runs.enqueue(async () => {
      drawn = false;
      await Promise.all([flow.draw(reward), gauss.draw(reward)]);
      describe();
      draw();
    });
  }

  async function learn(iterations) {
    await Promise.all([flow.learn(iterations), gauss.learn(iterations)]);
    describe();
  }

  function toggle() {
    view.stage = null;
    runs.toggle();
  }

  // The next stage of one iteration: sample, score, redirect.
  function step() {
    runs.pause();
    const next = STAGES[(STAGES.indexOf(view.stage) + 1) % STAGES.length];
    if (next !== 'redirect') return play(next);
    return runs.enqueue(async () => {
      await learn(1);
      play(next);
    });
  }

  function play(stage) {
    view.stage = stage;
    view.progress = calm() ? 1 : 0;
    showStage();
    draw();
  }

  function showStage() {
    runner.textContent = runs.running ? 'Pause' : 'Run';
    for (const item of find('stages').children) {
      const now = runs.running || item.dataset.stage === view.stage;
      item.setAttribute('aria-current', String(now));
    }
    figure.dataset.stage = runs.running ? 'run' : (view.stage ?? 'none');
  }

  function describe() {
    const { method } = settings;
    const last = ({ history }) => history.at(-1)?.[1];
    const onPeaks = ({ peaks }) => peaks.map(([, , share]) => percent(share)).join(' / ');
    const line = (name, trainee) => {
      const mean = last(trainee);
      const parts = [
        `${name}: ${mean === undefined ? 'untrained' : `mean reward ${mean.toFixed(2)}`}`,
      ];
      if (trainee.peaks.length > 0) parts.push(`on the peaks ${onPeaks(trainee)}`);
      return parts.join(', ');
    };
    say(find('about-method'), ABOUT[method]);
    say(find('count'), `${flow.iteration} iterations of 512 actions`);
    say(find('score-flow'), line('Flow', flow));
    say(find('score-gauss'), line('Gaussian', gauss));
    Object.assign(figure.dataset, {
      iteration: flow.iteration,
      flowPeaks: flow.peaks.map((peak) => peak[2].toFixed(3)).join(' '),
      gaussPeaks: gauss.peaks.map((peak) => peak[2].toFixed(3)).join(' '),
      ratios: flow.ratios?.length ?? 0,
      weights: (flow.weights?.length ?? 0) / 2,
    });
    find('weights').hidden = method !== 'awfm';
    find('ratios').hidden = method === 'awfm';
  }

  // How the panels are drawn at this moment of a stage.
  function look() {
    const { stage, progress } = view;
    const smooth = progress * progress * (3 - 2 * progress);
    if (runs.running || stage === null) return { done: null, colored: 1, mixed: 1 };
    if (stage === 'sample') return { done: smooth, colored: 0, mixed: 1 };
    if (stage === 'score') return { done: 1, colored: smooth, mixed: 1 };
    return { done: 1, colored: 1, mixed: smooth };
  }

  function draw() {
    const now = { ...look(), clock: view.clock };
    panels[0].panel.draw(flow, reward, now);
    panels[1].panel.draw(gauss, reward, now);
    history.draw(flow, gauss);
    if (settings.method === 'awfm') weights.draw(flow);
    else ratios.draw(flow, gauss, CLIP);
  }

  // Controls.
  const runner = button('Run', toggle, { className: 'primary' });
  const method = choice({
    label: 'Method',
    options: [
      ['fpo++', 'FPO++'],
      ['fpo', 'FPO'],
      ['awfm', 'advantage-weighted'],
    ],
    value: settings.method,
    change(value) {
      settings.method = value;
      showWeights();
      begin();
    },
  });
  const weight = choice({
    label: 'Weight of an action',
    options: [
      ['exp', 'exp(A/β)'],
      ['softplus', 'softplus'],
      ['shift', 'A − lowest'],
    ],
    value: settings.weight,
    change(value) {
      settings.weight = value;
      showWeights();
      begin();
    },
  });
  const temperature = slider({
    label: 'Temperature β',
    min: 0.2,
    max: 2,
    step: 0.1,
    value: settings.temperature,
    show: (x) => x.toFixed(1),
    change(value) {
      settings.temperature = value;
      begin();
    },
  });
  const bonus = slider({
    label: 'Bonus for entropy',
    min: 0,
    max: 0.6,
    step: 0.05,
    value: settings.bonus,
    show: (x) => x.toFixed(2),
    change(value) {
      settings.bonus = value;
      begin();
    },
  });
  const shape = choice({
    label: 'Reward',
    options: NAMES,
    value: 'two',
    change(value) {
      reward.set(value);
      changeReward();
    },
  });
  const clear = button('Erase', () => {
    reward.clear();
    changeReward();
  });
  const axis = choice({
    label: 'Actions on',
    options: [
      [1, 'a line'],
      [2, 'a plane'],
    ],
    value: 1,
    change(value) {
      reward = new Reward(value);
      shape.set('two');
      figure.dataset.dim = value;
      for (const { panel, showPen } of panels) {
        panel.layout(value);
        showPen();
      }
      begin();
    },
  });
  function showWeights() {
    weight.show(settings.method === 'awfm');
    temperature.show(settings.method === 'awfm' && settings.weight !== 'shift');
  }
  showWeights();
  figure.dataset.dim = 1;

  const afresh = button('Start over', () => {
    settings.seed += 1;
    begin();
  });
  find('controls').append(
    element('div', { className: 'bar' }, runner, button('Step', step), afresh),
    method.row,
    bonus.row,
    weight.row,
    temperature.row,
    element('div', { className: 'bar wider' }, shape.row, clear),
    axis.row,
  );

  await begin();
  showStage();
  onThemeChange(draw);
  whileVisible(figure, (seconds) => {
    if (!calm()) view.clock += seconds / 3;
    if (view.stage && view.progress < 1) {
      view.progress = Math.min(view.progress + seconds / SECONDS[view.stage], 1);
    } else if (calm()) return;
    draw();
  });
}
