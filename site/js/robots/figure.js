// Robots: a policy acts in MuJoCo, at the rate of the real robot's control.

import { button, checkbox, choice, element, report, say, slider } from '../dom.js';
import { onThemeChange } from '../draw/colors.js';
import { calm, whileVisible } from '../draw/loop.js';
import { Plane, Rewards, Strips } from './charts.js';
import { fetchBytes, loadModules } from './modules.js';
import { Push } from './push.js';
import { Robot } from './robot.js';
import { RobotScene } from './scene.js';

// The policies of site/policies/ that can be chosen.
const POLICIES = [
  ['cheetah-run', 'Cheetah'],
  ['walker-walk', 'Walker'],
  ['finger-spin', 'Finger'],
];
// Episodes of `fpo eval` have this seed.
const SEED = 1000;
const SAMPLES = 96;
// Seconds between clouds, and seconds that rewards are shown for.
const CLOUD_EVERY = 0.06;
const HISTORY = 10;
// How long a key or a button pushes, and how strongly, in weights of the robot.
const SHOVE = 0.25;
const SHOVES = { '← Push': [-1, 0], '↑ Push': [0, 2.2], '→ Push': [1, 0] };
const SAID = { '← Push': 'Push back', '↑ Push': 'Push up', '→ Push': 'Push forward' };
const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 2.2], ArrowDown: [0, -2] };

export async function start(figure) {
  const find = (selector) => figure.querySelector(selector);
  const status = find('.loading');
  const modules = await loadModules();
  const robot = await Robot.with(modules.mujoco, modules.bytes);
  const canvas = find('.robot canvas');
  const scene = openScene(modules, canvas);
  const push = new Push(scene);
  const strips = new Strips(find('.strips canvas'));
  const plane = new Plane(find('.plane canvas'));
  const rewards = new Rewards(find('.rewards canvas'), HISTORY);

  const state = { running: !calm(), speed: 1, noise: 1, follow: true, axes: [0, 1] };
  let [behind, sinceCloud, episode] = [0, 0, 0];
  let [steps, sum, from, costs] = [0, 0, 0, 0];
  let action = new Float32Array();

  // Elements.
  const play = button('', () => setRunning(!state.running), { className: 'primary' });
  const pushes = Object.entries(SHOVES).map(([text, force]) =>
    button(text, () => shove(force), { ariaLabel: SAID[text] }),
  );
  const robots = choice({
    label: 'Robot',
    options: POLICIES,
    value: POLICIES[0][0],
    change: (name) => attempt(() => open(name)),
  });
  const flowSteps = slider({
    label: 'Steps of the flow',
    min: 1,
    max: 20,
    step: 1,
    value: 10,
    change: (value) => {
      robot.setFlowSteps(value);
      refresh();
    },
  });
  const noise = slider({
    label: 'Noise',
    min: 0,
    max: 3,
    step: 0.05,
    value: 1,
    show: (value) => `× ${value.toFixed(2)}`,
    change: (value) => {
      state.noise = value;
      refresh();
    },
  });
  const speed = choice({
    label: 'Time',
    options: [
      [0.1, '1/10'],
      [0.25, '1/4'],
      [1, 'real'],
      [4, '4 ×'],
    ],
    value: 1,
    change: (value) => (state.speed = value),
  });
  const follow = checkbox({
    label: 'Camera follows',
    value: true,
    change: (value) => (state.follow = value),
  });
  const file = element('input', {
    type: 'file',
    id: 'own-policy',
    accept: '.safetensors',
    className: 'visually-hidden',
  });
  file.addEventListener('change', () => {
    if (file.files.length > 0) take(file.files[0]);
    file.value = '';
  });
  const chooser = element(
    'div',
    { className: 'file' },
    file,
    element('label', { htmlFor: file.id }, 'Open a policy.safetensors…'),
    element('span', {}, 'or drop one on the figure'),
  );
  const axes = ['across', 'up'].map((name, i) => {
    const select = element('select', { ariaLabel: `The action shown ${name}` });
    select.addEventListener('change', () => {
      state.axes[i] = Number(select.value);
      refresh();
    });
    return select;
  });
  find('.axes').append(axes[0], element('span', {}, '×'), axes[1]);
  find('.choose').append(robots.row, chooser);
  find('.drive').append(
    play,
    button('Reset', () => reset(episode + 1)),
    ...pushes,
    speed.row,
    follow.row,
  );
  find('.flow').append(flowSteps.row, noise.row);

  function setRunning(running) {
    state.running = running;
    play.textContent = running ? 'Pause' : 'Play';
    figure.dataset.running = running;
  }

  function shove(force) {
    push.shove(force, SHOVE);
    if (!state.running) setRunning(true);
  }

  // An action of the reader's that can fail without ending the figure.
  async function attempt(operation) {
    const line = find('.refused');
    try {
      await operation();
      say(line, '');
    } catch (error) {
      say(line, error.message);
    }
    figure.dataset.refused = line.textContent;
  }

  async function open(name) {
    const url = `policies/${name}.safetensors`;
    load(await fetchBytes(url), `our policy for ${name}`, name);
  }

  const take = (given) =>
    attempt(async () => {
      try {
        load(new Uint8Array(await given.arrayBuffer()), given.name);
      } catch (error) {
        throw new Error(`${given.name}: ${error.message}`);
      }
    });

  // A policy of the reader's own is none of those that can be chosen.
  function load(bytes, from, chosen = null) {
    robot.load(bytes, SEED);
    push.forget();
    scene.show(robot);
    robots.set(chosen);
    flowSteps.show(robot.flowSteps > 0);
    // The number that it was trained with.
    if (robot.flowSteps > 0) flowSteps.set(robot.flowSteps);
    const names = actuators();
    axes.forEach((select, i) => {
      const options = names.map((name, j) => element('option', { value: j }, name));
      select.replaceChildren(...options);
      state.axes[i] = Math.min(i, names.length - 1);
      select.value = state.axes[i];
    });
    state.names = names;
    const kind = robot.flowSteps > 0 ? `a flow of ${robot.flowSteps} steps` : 'a Gaussian';
    const task = `${robot.name}: ${robot.summary}`;
    say(find('.about'), `${task}. Acting: ${from}, ${kind}, ${rate()} actions a second.`);
    Object.assign(figure.dataset, { task: robot.name, flowSteps: robot.flowSteps });
    reset(0);
  }

  const rate = () => Math.round(1 / robot.timestep);

  function actuators() {
    const ACTUATOR = modules.mujoco.mjtObj.mjOBJ_ACTUATOR.value;
    return Array.from({ length: robot.actions }, (_, i) => {
      const name = modules.mujoco.mj_id2name(robot.model, ACTUATOR, i);
      return name || `entry ${i + 1}`;
    });
  }

  function reset(number) {
    episode = number;
    robot.reset(episode);
    push.forget();
    rewards.clear(robot.timestep);
    [steps, sum, behind, costs] = [0, 0, 0, 0];
    from = place();
    action = new Float32Array(robot.actions);
    scene.follow(1);
    refresh();
    tell();
  }

  // Where the robot is along its way, for those that go somewhere.
  function place() {
    const joint = modules.mujoco.mj_name2id(robot.model, 3, 'rootx');
    return joint < 0 ? NaN : robot.data.qpos[robot.model.jnt_qposadr[joint]];
  }

  // A step, and the cloud of the observation that its action is for, if that is to be shown.
  function step(shown) {
    const samples = shown ? robot.cloud(SAMPLES, state.noise, SEED).slice() : null;
    push.apply(robot.timestep);
    let reward;
    ({ reward, action } = robot.act(state.noise));
    steps += 1;
    sum += reward;
    rewards.add(reward);
    if (shown) show(samples);
  }

  // Shows what is, though no time passes.
  const refresh = () => show(robot.cloud(SAMPLES, state.noise, SEED));

  function show(samples) {
    strips.set({ samples, action, names: state.names });
    plane.set({ samples, action, axes: state.axes });
    rewards.draw();
    sinceCloud = 0;
    figure.dataset.spread = spread(samples, robot.actions);
  }

  function tell() {
    const time = steps * robot.timestep;
    const way = place() - from;
    const parts = [
      `${time.toFixed(1)} s`,
      steps > 0 ? `reward ${(sum / steps).toFixed(2)} on average` : 'at the start',
    ];
    if (way === way && steps > 0) parts.push(`${(way / time).toFixed(1)} m/s`);
    find('.readout').textContent = parts.join(' · ');
    Object.assign(figure.dataset, { steps, meanReward: steps ? sum / steps : 0, way, episode });
  }

  function frame(seconds) {
    try {
      // What the robot does while it is late is left out: it must not become ever later.
      behind = state.running ? Math.min(behind + seconds * state.speed, 0.1 * state.speed) : 0;
      const began = performance.now();
      let count = 0;
      sinceCloud += seconds;
      for (; behind >= robot.timestep; behind -= robot.timestep, count++) {
        step(behind < 2 * robot.timestep && sinceCloud >= CLOUD_EVERY);
      }
      if (count > 0) {
        const cost = (performance.now() - began) / count;
        costs = costs ? 0.95 * costs + 0.05 * cost : cost;
        figure.dataset.rate = Math.round(1000 / Math.max(costs, 1e-3));
        tell();
      }
      scene.update();
      push.show();
      if (state.follow) scene.follow(Math.min(1, 6 * seconds * Math.max(state.speed, 0.3)));
      // Pictures of this page are taken where frames are slow.
      if (figure.dataset.quality !== 'full') scene.adapt(seconds);
      scene.draw();
      figure.dataset.torso = JSON.stringify(scene.onScreen(1));
    } catch (error) {
      if (!/diverged/.test(error.message)) {
        setRunning(false);
        report(figure, error);
        return;
      }
      reset(episode + 1);
      say(find('.refused'), 'The simulation diverged, and begins anew.');
    }
  }

  // The pointer pulls the robot, or turns the camera.
  let turning = null;
  canvas.addEventListener('pointerdown', (event) => {
    canvas.setPointerCapture(event.pointerId);
    if (push.grab(event)) canvas.dataset.holds = 'true';
    else turning = event;
  });
  canvas.addEventListener('pointermove', (event) => {
    if (turning) {
      scene.turn((turning.clientX - event.clientX) / 200, (event.clientY - turning.clientY) / 300);
      turning = event;
    } else push.drag(event);
  });
  for (const end of ['pointerup', 'pointercancel']) {
    canvas.addEventListener(end, () => {
      push.release();
      turning = null;
      delete canvas.dataset.holds;
    });
  }
  // A finger on the robot pulls it; beside it, it scrolls the page.
  canvas.addEventListener(
    'touchstart',
    (event) => {
      if (scene.pick(event.touches[0])) event.preventDefault();
    },
    { passive: false },
  );
  canvas.addEventListener('keydown', (event) => {
    if (event.key in KEYS) shove(KEYS[event.key]);
    else if (event.key === ' ') setRunning(!state.running);
    else return;
    event.preventDefault();
  });

  // Files are dropped on the figure.
  for (const kind of ['dragenter', 'dragover']) {
    figure.addEventListener(kind, (event) => {
      event.preventDefault();
      figure.dataset.dropping = 'true';
    });
  }
  figure.addEventListener('dragleave', (event) => {
    if (!figure.contains(event.relatedTarget)) delete figure.dataset.dropping;
  });
  figure.addEventListener('drop', (event) => {
    event.preventDefault();
    delete figure.dataset.dropping;
    if (event.dataTransfer.files.length > 0) take(event.dataTransfer.files[0]);
  });

  // The text's suggestions.
  for (const suggestion of document.querySelectorAll('[data-try="robots"]')) {
    suggestion.addEventListener('click', () => {
      const wanted = JSON.parse(suggestion.dataset.set);
      if (wanted.steps) {
        flowSteps.set(wanted.steps);
        robot.setFlowSteps(wanted.steps);
      }
      if (wanted.noise !== undefined) {
        noise.set(wanted.noise);
        state.noise = wanted.noise;
      }
      if (wanted.shove) shove(wanted.shove);
      refresh();
      figure.scrollIntoView({ block: 'center' });
    });
  }

  onThemeChange(() => {
    scene.recolor();
    refresh();
  });
  setRunning(state.running);
  await open(POLICIES[0][0]);
  status.remove();
  whileVisible(figure, frame);
}

function openScene({ three, mujoco }, canvas) {
  try {
    return new RobotScene(three, mujoco, canvas);
  } catch {
    throw new Error('this browser has no WebGL, which draws the robots');
  }
}

// The mean standard deviation of the samples' entries.
function spread(samples, dim) {
  const count = samples.length / dim;
  let sum = 0;
  for (let j = 0; j < dim; j++) {
    let [mean, square] = [0, 0];
    for (let k = j; k < samples.length; k += dim) {
      mean += samples[k] / count;
      square += samples[k] ** 2 / count;
    }
    sum += Math.sqrt(Math.max(square - mean ** 2, 0)) / dim;
  }
  return sum.toFixed(4);
}
