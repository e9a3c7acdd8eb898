// The modes as numbers: a row of sliders for each, beside the handles of the figure.

import { button, element, slider } from '../dom.js';
import { PLACE, WEIGHT, WIDTH } from './handles.js';
import { MOST_MODES } from './model.js';

const decimals = (x) => x.toFixed(2).replace('-', '−');

export class Modes {
  constructor(container, model, { change, remove, add }) {
    Object.assign(this, { container, model, change, remove });
    this.list = element('div', { className: 'modes' });
    this.more = button('Add a mode', () => add());
    container.append(this.list, this.more);
  }

  rebuild() {
    this.rows = this.model.modes.map((mode, i) => this.#row(mode, i));
    this.list.replaceChildren(...this.rows.map(({ row }) => row));
    this.more.disabled = this.model.modes.length >= MOST_MODES;
  }

  // Shows the model's numbers.
  refresh() {
    this.rows.forEach(({ sliders }, i) => {
      for (const [name, control] of Object.entries(sliders)) control.set(this.model.modes[i][name]);
    });
  }

  #row(mode, i) {
    const make = (label, name, { low, high }, step) =>
      slider({
        label,
        min: low,
        max: high,
        step,
        value: mode[name],
        show: decimals,
        change: (value) => {
          mode[name] = value;
          this.change(i);
        },
      });
    const sliders = {
      mean: make('Place', 'mean', PLACE, 0.05),
      std: make('Width', 'std', WIDTH, 0.01),
      weight: make('Weight', 'weight', WEIGHT, 0.05),
    };
    const remove = button('Remove', () => this.remove(i), { 'aria-label': `Remove mode ${i + 1}` });
    remove.disabled = this.model.modes.length === 1;
    const row = element(
      'fieldset',
      { className: 'mode' },
      element('legend', {}, `Mode ${i + 1}`),
      ...Object.values(sliders).map((control) => control.row),
      remove,
    );
    return { row, sliders };
  }
}
