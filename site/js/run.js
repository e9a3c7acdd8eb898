// Work on trainings in the order in which it is asked for, and runs that the reader starts and
// pauses.

import { report } from './dom.js';

// A figure's runs: { most } iterations, made by learn(), which returns how many it made; changed()
// is called when a run begins or ends.
export function runs(figure, { most, learn, changed }) {
  let queue = Promise.resolve();
  const self = {
    running: false,

    // Does work when everything before it is done.
    enqueue(work) {
      queue = queue.then(work).catch((error) => {
        self.running = false;
        report(figure, error);
      });
      return queue;
    },

    run() {
      self.running = true;
      changed();
      let ran = 0;
      const next = () =>
        self.enqueue(async () => {
          if (!self.running) return;
          ran += await learn();
          if (ran >= most) self.pause();
          else next();
        });
      next();
    },

    pause() {
      self.running = false;
      changed();
    },

    toggle() {
      if (self.running) self.pause();
      else self.run();
    },
  };
  return self;
}

// A share in words.
export const percent = (share) => `${Math.round(100 * share)} %`;
