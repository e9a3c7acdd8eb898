// Drawing the reward: with the pointer on a panel, or with the keyboard.

import { element } from '../dom.js';
import { BOUND } from './reward.js';

// An overlay over a panel: `changed()` is called after each change of reward() by the reader.
export function drawable(panel, overlay, reward, changed) {
  const pen = { at: [0, 0], erasing: () => false };

  function place(event) {
    const box = overlay.parentElement.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    return reward().dim === 1
      ? [panel.actionAt(y), panel.valueAt(x)]
      : [panel.acrossAt(x), panel.actionAt(y)];
  }

  overlay.addEventListener('pointerdown', (down) => {
    down.preventDefault();
    overlay.focus({ preventScroll: true });
    overlay.setPointerCapture(down.pointerId);
    let last = place(down);
    const erase = down.button === 2 || down.shiftKey;
    const move = (event) => {
      const now = place(event);
      if (reward().dim === 1) reward().stroke(last, now);
      else reward().raise(now, erase ? -0.25 : 0.25, 0.35);
      last = now;
      changed();
    };
    move(down);
    overlay.addEventListener('pointermove', move);
    const end = () => overlay.removeEventListener('pointermove', move);
    overlay.addEventListener('pointerup', end, { once: true });
    overlay.addEventListener('pointercancel', end, { once: true });
  });
  overlay.addEventListener('contextmenu', (event) => event.preventDefault());

  // The keyboard moves a pen over the axis, and raises or lowers the reward under it.
  const mark = element('span', { className: 'pen', hidden: true });
  overlay.after(mark);
  const clamp = (x) => Math.min(Math.max(x, -BOUND), BOUND);
  const text = (x) => x.toFixed(1).replace('-', '−');

  function show() {
    const line = reward().dim === 1;
    const [u, v] = pen.at;
    const value = line ? reward().values[reward().index(u)] : null;
    mark.style.left = `${line ? panel.beside(value) : panel.across(u)}px`;
    mark.style.top = `${panel.y(line ? u : v)}px`;
    const there = line ? text(u) : `${text(u)}, ${text(v)}`;
    const at = line
      ? value
      : reward().values[reward().index(v) * reward().points + reward().index(u)];
    overlay.setAttribute('aria-valuenow', at.toFixed(2));
    overlay.setAttribute('aria-valuetext', `reward ${at.toFixed(2)} at action ${there}`);
  }

  function move(by, axis) {
    pen.at[axis] = clamp(pen.at[axis] + by);
  }

  overlay.addEventListener('keydown', (event) => {
    const line = reward().dim === 1;
    const raise = (by) => {
      reward().raise(line ? [pen.at[0]] : pen.at, by, line ? 0.2 : 0.35);
      changed();
    };
    const keys = line
      ? {
          ArrowUp: () => move(0.1, 0),
          ArrowDown: () => move(-0.1, 0),
          ArrowRight: () => raise(0.1),
          ArrowLeft: () => raise(-0.1),
        }
      : {
          ArrowUp: () => move(0.15, 1),
          ArrowDown: () => move(-0.15, 1),
          ArrowRight: () => move(0.15, 0),
          ArrowLeft: () => move(-0.15, 0),
          '+': () => raise(0.1),
          '=': () => raise(0.1),
          '-': () => raise(-0.1),
        };
    const action = keys[event.key];
    if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    action();
    mark.hidden = false;
    show();
  });
  overlay.addEventListener('focus', show);
  overlay.addEventListener('blur', () => {
    mark.hidden = true;
  });
  show();
  return show;
}
