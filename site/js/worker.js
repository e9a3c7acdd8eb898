// Trainings beside the page: answers lists of calls with their values and copies of their outputs.

import { Module } from './module.js';

const loading = Module.load(new URL('../fpo.wasm', import.meta.url));

function answer(module, { name, args = [], input }) {
  if (input) module.send(input);
  const value = module.call(name, ...args);
  return { value, output: module.output().slice() };
}

addEventListener('message', async ({ data: { id, calls } }) => {
  try {
    const module = await loading;
    const answers = calls.map((call) => answer(module, call));
    postMessage(
      { id, answers },
      answers.map(({ output }) => output.buffer),
    );
  } catch (error) {
    postMessage({ id, error: error.message });
  }
});
