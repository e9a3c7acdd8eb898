// What can be taken hold of in the first figure: a handle for each mode's place and weight, one for
// its width, and one for the action that noise flows to.
//
// Handles are sliders to the keyboard and to screen readers: up and down for the place, left and
// right for the weight, + and − for the width, Delete to remove a mode.

import { element } from '../dom.js';
import { HIGH, LOW, POINTS } from './model.js';

const clamp = (x, low, high) => Math.min(Math.max(x, low), high);
const round = (x) => Math.round(x * 100) / 100;

export const PLACE = { low: -2.8, high: 2.8 };
export const WIDTH = { low: 0.08, high: 1.2 };
export const WEIGHT = { low: 0.05, high: 4 };

export class Handles {
  // `change(what)` is called after a change of the model; `remove(i)` and `add(mean)` on request.
  constructor(overlay, scene, { change, remove, add }) {
    Object.assign(this, { overlay, scene, change, remove });
    overlay.addEventListener('dblclick', (event) => {
      const box = overlay.getBoundingClientRect();
      const [x, y] = [event.clientX - box.left, event.clientY - box.top];
      if (event.target === overlay && x > scene.base && scene.model.action === null) {
        add(round(clamp(scene.actionAt(y), PLACE.low, PLACE.high)));
      }
    });
  }

  // Makes the handles anew: after modes were added or removed.
  rebuild() {
    const { model } = this.scene;
    this.overlay.replaceChildren();
    this.all = [];
    if (model.action === null) {
      model.modes.forEach((mode, i) => {
        this.all.push(this.#place(mode, i), this.#width(mode, i));
      });
    } else {
      this.all.push(this.#action());
    }
    for (const { node } of this.all) this.overlay.append(node);
    this.move();
  }

  // Brings the handles to where the model has its modes.
  move() {
    for (const handle of this.all) {
      const { x, y, value, text } = handle.where();
      handle.node.style.left = `${x}px`;
      handle.node.style.top = `${y}px`;
      handle.node.setAttribute('aria-valuenow', value);
      handle.node.setAttribute('aria-valuetext', text);
    }
  }

  #density(action) {
    const place = ((action - LOW) / (HIGH - LOW)) * (POINTS - 1);
    return this.scene.target[clamp(Math.round(place), 0, POINTS - 1)];
  }

  #node(className, label, range) {
    return element('div', {
      className: `handle ${className}`,
      role: 'slider',
      tabIndex: 0,
      'aria-label': label,
      'aria-orientation': 'vertical',
      'aria-valuemin': range.low,
      'aria-valuemax': range.high,
    });
  }

  #place(mode, i) {
    const node = this.#node('place', `Mode ${i + 1}: place and weight`, PLACE);
    const set = (mean, weight) => {
      mode.mean = round(clamp(mean, PLACE.low, PLACE.high));
      mode.weight = round(clamp(weight, WEIGHT.low, WEIGHT.high));
      this.change(i);
    };
    this.#drag(node, () => {
      const start = mode.weight;
      return (dx, dy, y) => set(this.scene.actionAt(y), start * 2 ** (dx / 60));
    });
    this.#keys(node, {
      ArrowUp: () => set(mode.mean + 0.1, mode.weight),
      ArrowDown: () => set(mode.mean - 0.1, mode.weight),
      ArrowRight: () => set(mode.mean, mode.weight * 1.1),
      ArrowLeft: () => set(mode.mean, mode.weight / 1.1),
      '+': () => this.#setWidth(mode, i, mode.std + 0.03),
      '-': () => this.#setWidth(mode, i, mode.std - 0.03),
      Delete: () => this.remove(i),
    });
    const where = () => ({
      x: this.scene.beside(this.#density(mode.mean)),
      y: this.scene.y(mode.mean),
      value: mode.mean,
      text: `place ${mode.mean}, width ${mode.std}, weight ${mode.weight}`,
    });
    return { node, where };
  }

  #setWidth(mode, i, std) {
    mode.std = round(clamp(std, WIDTH.low, WIDTH.high));
    this.change(i);
  }

  #width(mode, i) {
    const node = this.#node('width', `Mode ${i + 1}: width`, WIDTH);
    this.#drag(node, () => (dx, dy, y) => {
      this.#setWidth(mode, i, Math.abs(this.scene.actionAt(y) - mode.mean));
    });
    this.#keys(node, {
      ArrowUp: () => this.#setWidth(mode, i, mode.std + 0.03),
      ArrowRight: () => this.#setWidth(mode, i, mode.std + 0.03),
      ArrowDown: () => this.#setWidth(mode, i, mode.std - 0.03),
      ArrowLeft: () => this.#setWidth(mode, i, mode.std - 0.03),
      Delete: () => this.remove(i),
    });
    const where = () => ({
      x: this.scene.beside(this.#density(mode.mean + mode.std)),
      y: this.scene.y(mode.mean + mode.std),
      value: mode.std,
      text: `width ${mode.std}`,
    });
    return { node, where };
  }

  #action() {
    const { model } = this.scene;
    const node = this.#node('place', 'The action that all noise flows to', PLACE);
    const set = (action) => {
      model.action = round(clamp(action, PLACE.low, PLACE.high));
      this.change(0);
    };
    this.#drag(node, () => (dx, dy, y) => set(this.scene.actionAt(y)));
    this.#keys(node, {
      ArrowUp: () => set(model.action + 0.1),
      ArrowDown: () => set(model.action - 0.1),
    });
    const where = () => ({
      x: this.scene.base,
      y: this.scene.y(model.action),
      value: model.action,
      text: `action ${model.action}`,
    });
    return { node, where };
  }

  // `begin()` returns what a movement by (dx, dy) to the height y does.
  #drag(node, begin) {
    node.addEventListener('pointerdown', (down) => {
      down.preventDefault();
      node.focus();
      node.setPointerCapture(down.pointerId);
      const box = this.overlay.getBoundingClientRect();
      const moved = begin();
      const move = (event) => {
        const [dx, dy] = [event.clientX - down.clientX, event.clientY - down.clientY];
        moved(dx, dy, event.clientY - box.top);
      };
      node.addEventListener('pointermove', move);
      const end = () => node.removeEventListener('pointermove', move);
      node.addEventListener('pointerup', end, { once: true });
      node.addEventListener('pointercancel', end, { once: true });
    });
  }

  #keys(node, actions) {
    node.addEventListener('keydown', (event) => {
      const key = { '=': '+', Backspace: 'Delete' }[event.key] ?? event.key;
      if (actions[key] && !event.ctrlKey && !event.metaKey && !event.altKey) {
        event.preventDefault();
        actions[key]();
      }
    });
  }
}
