// The pages of `fpo view`: one run, or the list of runs.

import { element } from '../dom.js';
import { themeButton } from '../theme.js';
import { ask, every } from './ask.js';
import { showList } from './list.js';
import { showRun } from './run.js';

const main = document.querySelector('main');

// Says that there is nothing to show.
function lost(error) {
  main.replaceChildren(
    element('h1', {}, 'No runs'),
    element('p', { className: 'lead', role: 'alert' }, error.message),
  );
}

async function start() {
  const { content } = await ask('api/runs');
  const wanted = new URLSearchParams(location.search).get('run');
  const all = document.querySelector('nav .all');
  all.hidden = content.single;
  const name = content.single ? content.names[0] : wanted;
  if (name === null) showList(main, content, every);
  else showRun(main, name, every);
}

themeButton(document.querySelector('#theme'));
start().catch(lost);
