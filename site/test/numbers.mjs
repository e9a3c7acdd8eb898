// The modules give this machine's numbers: repeats the recorded calls (bindings/wasm/tests/
// numbers.json) and compares every bit. Without a browser:
//
//     node site/test/numbers.mjs [FOLDER OF THE MODULES]

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Module } from '../js/module.js';

const folder = process.argv[2] ?? fileURLToPath(new URL('..', import.meta.url));

async function module(name) {
  const { instance } = await WebAssembly.instantiate(await readFile(join(folder, name)), {});
  return new Module(instance.exports);
}

const same = (a, b) => Object.is(Math.fround(a), Math.fround(b));

// Compares a module with the calls that it has; their number.
async function check(name, calls) {
  const tested = await module(name);
  let count = 0;
  for (const { name: call, args, input, value, output } of calls) {
    if (!(call in tested.exports)) continue;
    tested.send(input);
    const found = { value: tested.call(call, ...args), output: [...tested.output()] };
    const equal =
      Object.is(found.value, value) &&
      found.output.length === output.length &&
      found.output.every((x, i) => same(x, output[i]));
    if (!equal) {
      const at = found.output.findIndex((x, i) => !same(x, output[i]));
      const message = `${call}(${args}): ${found.value} for ${value}, output ${at}: `;
      throw new Error(`${name}: ${message}${found.output[at]} for ${output[at]}`);
    }
    count += 1;
  }
  return count;
}

const record = new URL('../../bindings/wasm/tests/numbers.json', import.meta.url);
const calls = JSON.parse(await readFile(record));
const small = await check('flow.wasm', calls);
const all = await check('fpo.wasm', calls);
if (all !== calls.length || small < 10) throw new Error(`only ${small} and ${all} calls`);

// Errors are one line, and leave the module usable.
const tested = await module('fpo.wasm');
for (const [name, ...args] of [
  ['learn', 7, 1],
  ['bandit', 9, 0, 1, 0, 1, 9, 0],
  ['grid_layout', 99],
  ['flow_distance', 3],
]) {
  let message = '';
  try {
    tested.call(name, ...args);
  } catch (error) {
    ({ message } = error);
  }
  if (!message || message.includes('\n')) throw new Error(`${name}: ${message || 'no error'}`);
}
if (tested.call('grid_layout', 0) !== 5) throw new Error('the module is not usable after an error');
console.log(`${all} calls of fpo.wasm and ${small} of flow.wasm give the recorded bits`);
