// One run: its state, its robot, its curves, its settings.

import { element, say } from '../dom.js';
import { ask } from './ask.js';
import { badge, panel, progress, section, size, table } from './parts.js';
import { robot } from './robot.js';

const SECONDS = 2;

export function showRun(main, name, every) {
  document.title = `${name} – fpo`;
  const at = `api/runs/${encodeURIComponent(name)}`;
  const part = (className) => element('div', { className });
  const parts = {
    state: part('state'),
    alert: element('p', { className: 'alert', role: 'alert', hidden: true }),
    headlines: part('headlines'),
    returns: part('returns'),
    health: part('health'),
    evaluations: part('panels'),
    table: part('table'),
    training: part('panels'),
    films: part('films'),
    machines: part('machines'),
    settings: element('pre', { tabIndex: 0 }),
  };
  const note = () => element('p', { className: 'note' });
  const notes = { evaluations: note(), training: note() };
  const figure = robot(at);
  const sections = {
    returns: section('Returns', parts.returns),
    evaluations: section('Evaluations', parts.evaluations, notes.evaluations, parts.table),
    training: section('Training', parts.training, notes.training),
    films: section('Films in the folder', parts.films),
  };
  const subtitle = element('p', { className: 'subtitle' });
  const body = element(
    'div',
    { className: 'body' },
    parts.headlines,
    element(
      'div',
      { className: 'beside' },
      figure.node,
      element('div', {}, sections.returns, section('Health', parts.health)),
    ),
    sections.evaluations,
    sections.training,
    sections.films,
    section('Machine', parts.machines),
    section(
      'Settings',
      element('details', {}, element('summary', {}, 'every setting'), parts.settings),
    ),
  );
  main.replaceChildren(
    element(
      'div',
      { className: 'title' },
      element('div', {}, element('h1', {}, name), subtitle),
      parts.state,
    ),
    parts.alert,
    body,
  );

  const known = {};
  // Draws a part anew only when it has changed: what is selected in others stays.
  function update(key, value, draw) {
    const text = JSON.stringify(value);
    if (known[key] === text) return;
    known[key] = text;
    draw(value);
  }

  function show(run) {
    const readable = run.state !== 'unreadable';
    body.hidden = !readable;
    const words = readable
      ? run.message && `Training failed: ${run.message}`
      : `This run cannot be read now: ${run.message}`;
    alert(words ?? '');
    update('state', [run.state, run.progress], () =>
      parts.state.replaceChildren(
        badge(run.state),
        ...(run.progress ? [progress(run.progress, run.state)] : []),
      ),
    );
    if (!readable) return;
    say(subtitle, run.subtitle);
    update('headlines', run.headlines, (headlines) =>
      parts.headlines.replaceChildren(
        ...headlines.map(([title, value]) =>
          element('div', {}, element('b', {}, value), element('span', {}, title)),
        ),
      ),
    );
    update('findings', run.findings, (findings) =>
      parts.health.replaceChildren(...health(findings)),
    );
    // The most important curve is beside the robot.
    const curves = {
      evaluations: [...run.evaluations.pictures],
      training: [...run.training.pictures],
    };
    const first = curves.evaluations.length > 0 ? 'evaluations' : 'training';
    curves.returns = curves[first].splice(0, 1);
    for (const key of ['returns', 'evaluations', 'training']) {
      sections[key].hidden = curves[key].length === 0;
      if (key in notes) say(notes[key], run[key].note);
      update(key, curves[key], (pictures) => panels(parts[key], pictures));
    }
    update('table', run.evaluations.rows, (rows) => {
      const { header, caption } = run.evaluations;
      const open = parts.table.querySelector('details')?.open ?? false;
      parts.table.replaceChildren(
        element(
          'details',
          { open },
          element('summary', {}, 'every evaluation as numbers'),
          element('p', {}, caption),
          table(header, rows),
        ),
      );
    });
    sections.films.hidden = run.films.length === 0;
    update('films', run.films, (films) =>
      parts.films.replaceChildren(...films.map((film) => filmOf(at, film))),
    );
    update('machines', run.machines, (machines) => {
      const lines = machines.map((machine) => element('li', {}, machine));
      parts.machines.replaceChildren(
        lines.length > 0 ? element('ul', {}, ...lines) : element('p', {}, 'Not recorded.'),
      );
    });
    update('settings', run.settings, (settings) => say(parts.settings, settings));
    figure.show(run.checkpoint);
    main.dataset.iterations = run.iterations;
    main.dataset.ready = 'true';
  }

  function alert(words) {
    parts.alert.hidden = words === '';
    say(parts.alert, words);
  }

  let tag;
  every(SECONDS, async () => {
    try {
      const answer = await ask(at, tag);
      if (answer.content) show(answer.content);
      else if (main.dataset.lost) alert('');
      delete main.dataset.lost;
      ({ tag } = answer);
    } catch (error) {
      main.dataset.lost = 'true';
      tag = undefined;
      alert(error.message);
    }
  });
}

function health(findings) {
  if (findings === null) return [element('p', {}, 'The run cannot be checked.')];
  if (findings.length === 0) {
    return [element('p', { className: 'sound' }, 'No problems were found.')];
  }
  return findings.map(({ severity, title, detail }) =>
    element(
      'div',
      { className: `finding ${severity}` },
      element('b', {}, title),
      element('p', {}, detail),
    ),
  );
}

function panels(part, pictures) {
  part.replaceChildren(...pictures.map(({ title, svg }) => panel(title, svg)));
}

function filmOf(at, { name, length }) {
  const address = `${at}/films/${encodeURIComponent(name)}`;
  const shown = name.endsWith('.gif')
    ? element('img', { src: address, alt: name, loading: 'lazy' })
    : element('video', { src: address, controls: true, loop: true, muted: true, preload: 'none' });
  shown.setAttribute('aria-label', name);
  return element('figure', {}, shown, element('figcaption', {}, `${name}, ${size(length)}`));
}
