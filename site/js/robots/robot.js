// A policy that acts in its task: robots.wasm on the page's MuJoCo.

import { Module } from '../module.js';
import { Mujoco } from './mujoco.js';

export class Robot {
  // From the modules: MuJoCo's, and the bytes of robots.wasm.
  static async with(mujoco, bytes) {
    const physics = new Mujoco(mujoco);
    const imports = { mujoco: physics.imports };
    const { instance } = await WebAssembly.instantiate(bytes, imports);
    physics.connect(instance.exports);
    return new Robot(physics, new Module(instance.exports));
  }

  constructor(physics, module) {
    this.physics = physics;
    this.module = module;
  }

  // Replaces the policy and its task; after an error, the ones before go on.
  load(policy, seed) {
    this.module.sendBytes(policy);
    this.module.call('robot', seed);
    this.name = this.module.text();
    this.module.call('robot_facts');
    const [observations, actions, timestep, limit, flowSteps] = this.module.output();
    this.summary = this.module.text();
    Object.assign(this, { observations, actions, limit, flowSteps });
    // Exact to the microsecond: it has been an f32.
    this.timestep = Math.round(timestep * 1e6) / 1e6;
    const { object: data, model } = this.physics.simulation;
    Object.assign(this, { data, model });
    this.reset(0);
  }

  // The first observation of an episode.
  reset(episode) {
    this.module.call('robot_reset', episode);
    return this.module.output().slice();
  }

  setFlowSteps(steps) {
    this.module.call('robot_flow_steps', steps);
  }

  // One step of the policy: the reward, the action and the observation that follows.
  act(noise) {
    const reward = this.module.call('robot_act', noise);
    const numbers = this.module.output().slice();
    return {
      reward,
      action: numbers.subarray(0, this.actions),
      observation: numbers.subarray(this.actions),
    };
  }

  // A step with another action.
  step(action) {
    this.module.send(action);
    const reward = this.module.call('robot_step');
    return { reward, observation: this.module.output().slice() };
  }

  // Samples of the policy's actions for the observation now, one after the other.
  cloud(count, noise, seed) {
    this.module.call('robot_cloud', count, noise, seed);
    return this.module.output();
  }
}
