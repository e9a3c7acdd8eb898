// Robots of a page's MuJoCo against those of MuJoCo's library (bindings/wasm/tests/robots.json), in
// Node.js: the first steps with the same actions, whole episodes, and what is refused.
//
//     node site/test/robots.mjs [FOLDER OF THE SITE] [FOLDER OF robots.wasm]
//
// The folder is one that site/build has made.

import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Robot } from '../js/robots/robot.js';

const site = resolve(
  process.argv[2] ?? fileURLToPath(new URL('../../target/site', import.meta.url)),
);
const modules = process.argv[3] ?? site;
const record = new URL('../../bindings/wasm/tests/robots.json', import.meta.url);
const SEED = 1000;
const EPISODES = 16;
// How far observations are apart, at most, after the first step and in the first hundred. The
// versions of MuJoCo differ, and so do the compilers' roundings.
const FIRST_STEP = 1e-5;
const TOLERANCES = { 'cheetah-run': 1e-5, 'finger-spin': 1e-5, 'walker-walk': 1e-5 };

const assert = (condition, text) => {
  if (!condition) throw new Error(text);
};
const distance = (a, b) => Math.max(...a.map((x, i) => Math.abs(x - b[i])));

const { default: load } = await import(pathToFileURL(join(site, 'vendor/built/mujoco.js')));
const bytes = await readFile(join(modules, 'robots.wasm'));
const robot = await Robot.with(await load(), bytes);
const policy = (name) => readFile(join(site, 'policies', `${name}.safetensors`));

for (const { task, actions, observations, rewards, ...native } of JSON.parse(
  await readFile(record),
)) {
  robot.load(await policy(task), SEED);
  assert(robot.name === task, `${robot.name} is not ${task}`);
  const apart = [distance([...robot.reset(0)], observations[0])];
  let rewardsApart = 0;
  actions.forEach((action, k) => {
    const { reward, observation } = robot.step(action);
    apart.push(distance([...observation], observations[k + 1]));
    rewardsApart = Math.max(rewardsApart, Math.abs(reward - rewards[k]));
  });
  const most = Math.max(...apart);
  const shown = apart.filter((_, k) => k % 20 === 0).map((x) => x.toExponential(1));
  console.log(
    `${task}: observations apart every 20 steps ${shown}, at most ${most.toExponential(1)}`,
  );
  assert(Math.max(apart[0], apart[1]) <= FIRST_STEP, `${task}: begins ${apart[1]} apart`);
  assert(most <= TOLERANCES[task], `${task}: ${most} apart`);
  assert(rewardsApart <= TOLERANCES[task], `${task}: rewards ${rewardsApart} apart`);

  // The policy's own actions, from the same noise.
  robot.reset(0);
  const first = robot.act(1).action;
  const actionsApart = distance([...first], actions[0]);
  assert(actionsApart <= 1e-4, `${task}: the first action is ${actionsApart} apart`);

  for (const [noise, mean] of [
    [0, native.zero_noise],
    [1, native.random_noise],
  ]) {
    let sum = 0;
    const began = performance.now();
    for (let episode = 0; episode < EPISODES; episode++) {
      robot.reset(episode);
      for (let k = 0; k < robot.limit; k++) sum += robot.act(noise).reward;
    }
    const rate = (EPISODES * robot.limit * 1000) / (performance.now() - began);
    const found = sum / EPISODES;
    console.log(
      `${task}: noise ${noise}: return ${found.toFixed(1)}, on the library ${mean.toFixed(1)}; ` +
        `${Math.round(rate)} steps/s, of which ${Math.round(1 / robot.timestep)} are real time`,
    );
    assert(Math.abs(found - mean) <= 0.1 * mean, `${task}: ${found} instead of ${mean}`);
  }
}

// Refusals are one line, and the robot before goes on.
const good = await policy('cheetah-run');
robot.load(good, SEED);
const other = Buffer.from(good);
other.write('walker-walk', other.indexOf('cheetah-run'));
for (const [wrong, expected] of [
  [good.subarray(0, 30_000), 'damaged policy file'],
  [Buffer.from('not a policy, but some text'), 'not a policy file'],
  [other, 'another version of `walker-walk`'],
]) {
  let message = '';
  try {
    robot.load(wrong, SEED);
  } catch (error) {
    ({ message } = error);
  }
  assert(message.includes(expected) && !message.includes('\n'), `${expected}: ${message}`);
  robot.act(1);
}

console.log(`MuJoCo ${robot.physics.mujoco.mj_versionString()}: robots agree with the library's`);
