// Parts of the pages.

import { element } from '../dom.js';

const STATES = {
  training: 'training',
  complete: 'complete',
  stopped: 'not training now',
  failed: 'failed',
  unreadable: 'cannot be read',
};

// A run's state as a word in a frame.
export function badge(state) {
  return element('span', { className: `badge ${state}` }, STATES[state] ?? state);
}

// A picture that the server drew, in the colors of the page.
function picture(svg) {
  const parsed = new DOMParser().parseFromString(svg, 'image/svg+xml').documentElement;
  const drawn = document.importNode(parsed, true);
  // The page's own frame is around it, and its size is that of its column.
  drawn.removeAttribute('width');
  drawn.removeAttribute('height');
  drawn.classList.add('curves');
  return drawn;
}

// The same with its title.
export function panel(title, svg) {
  return element('div', { className: 'panel' }, element('h3', {}, title), picture(svg));
}

// How far a run is.
export function progress({ done, planned, text, rest }, state) {
  const label = rest && state === 'training' ? `${text}, about ${rest} to go` : text;
  const bar = element('progress', { max: Math.max(planned, 1), value: Math.min(done, planned) });
  bar.setAttribute('aria-label', label);
  return element('div', { className: 'progress' }, bar, element('span', {}, label));
}

// A table that scrolls sideways where it is too wide.
export function table(header, rows) {
  const line = (cells, kind) => element('tr', {}, ...cells.map((cell) => element(kind, {}, cell)));
  const found = element(
    'table',
    {},
    element('thead', {}, line(header, 'th')),
    element('tbody', {}, ...rows.map((cells) => line(cells, 'td'))),
  );
  return element('div', { className: 'scroll', tabIndex: 0, role: 'region' }, found);
}

// A section with its heading.
export function section(title, ...children) {
  return element('section', {}, element('h2', {}, title), ...children);
}

// Bytes for people.
export function size(bytes) {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
