// The colors of the stylesheet, as a canvas needs them.

const NAMES = ['paper', 'raised', 'ink', 'soft', 'line', 'flow', 'good', 'bad', 'gauss', 'reward'];

let colors = null;

function read() {
  const probe = document.createElement('span');
  probe.hidden = true;
  document.body.append(probe);
  const found = {};
  for (const name of NAMES) {
    probe.style.color = `var(--${name})`;
    const [r, g, b] = getComputedStyle(probe)
      .color.match(/[\d.]+/g)
      .map(Number);
    found[name] = { r, g, b, css: `rgb(${r} ${g} ${b})` };
  }
  probe.remove();
  return found;
}

// A color by its name in style.css, at some opacity.
export function color(name, opacity = 1) {
  colors ??= read();
  const { r, g, b, css } = colors[name];
  return opacity === 1 ? css : `rgb(${r} ${g} ${b} / ${opacity})`;
}

// Its red, green and blue.
export function channels(name) {
  colors ??= read();
  return colors[name];
}

// Calls `changed` whenever light becomes dark, or dark light.
export function onThemeChange(changed) {
  const renew = () => {
    colors = null;
    changed();
  };
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', renew);
  addEventListener('themechange', renew);
}
