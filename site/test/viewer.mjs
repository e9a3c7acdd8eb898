// `fpo view` and `fpo train`, for tests and for looking at them. The program is the one that
// `cargo build --release` makes, or the one that the variable FPO names.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export const PROGRAM =
  process.env.FPO ?? fileURLToPath(new URL('../../target/release/fpo', import.meta.url));

export const isBuilt = existsSync(PROGRAM);

// A viewer of a folder: { address, close }.
export async function view(folder) {
  const child = spawn(PROGRAM, ['view', folder, '--port', '0', '--no-open'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [address] = await once(createInterface({ input: child.stdout }), 'line');
  return {
    address,
    async close() {
      child.kill('SIGTERM');
      const [code] = await once(child, 'exit');
      if (code !== 0) throw new Error(`fpo view ended with ${code}`);
    },
  };
}

// A training in `folder` with these settings, on one thread; the process.
export function train(folder, task, name, ...settings) {
  const sets = settings.flatMap((setting) => ['--set', setting]);
  const args = ['train', task, '--out', folder, '--name', name, '--threads', '1', ...sets];
  return spawn(PROGRAM, args, { stdio: 'ignore' });
}
