// The list of runs.

import { element } from '../dom.js';
import { ask } from './ask.js';
import { badge, panel, progress } from './parts.js';

const SECONDS = 3;

export function showList(main, first, every) {
  document.title = `${first.folder} – fpo`;
  const cards = element('div', { className: 'runs' });
  const alert = element('p', { className: 'alert', role: 'alert', hidden: true });
  const count = element('p', { className: 'subtitle' });
  main.replaceChildren(element('h1', {}, first.folder), count, alert, cards);
  const known = new Map();

  function show({ runs }) {
    const training = runs.filter(({ state }) => state === 'training').length;
    count.textContent = `${runs.length} runs, ${training} in training`;
    const shown = runs.map((run) => {
      const text = JSON.stringify(run);
      const before = known.get(run.name);
      if (before?.text === text) return before.node;
      const node = card(run);
      known.set(run.name, { text, node });
      return node;
    });
    // Moved only when their number or order changes, so that the focus stays.
    const same = shown.every((node, i) => cards.children[i] === node);
    if (!same || shown.length !== cards.children.length) cards.replaceChildren(...shown);
    main.dataset.ready = 'true';
  }

  let tag;
  every(SECONDS, async () => {
    try {
      const answer = await ask('api/runs', tag);
      if (answer.content) show(answer.content);
      ({ tag } = answer);
      alert.hidden = true;
    } catch (error) {
      alert.hidden = false;
      alert.textContent = error.message;
    }
  });
}

function card({ name, state, message, subtitle, progress: far, zero, random, title, svg }) {
  const link = element('a', { href: `view.html?run=${encodeURIComponent(name)}` }, name);
  const returns = zero
    ? `return ${zero} from zero noise, ${random} from random noise`
    : 'no evaluation yet';
  return element(
    'article',
    {},
    element('div', { className: 'title' }, element('h2', {}, link), badge(state)),
    ...[
      subtitle && element('p', { className: 'subtitle' }, subtitle),
      message && element('p', { className: 'alert' }, message),
      svg && panel(title, svg),
      far && element('p', {}, returns),
      far && progress(far, state),
    ].filter(Boolean),
  );
}
