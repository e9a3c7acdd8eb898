// The policy of the newest checkpoint, acting: the server films it when it is looked at.

import { element, say } from '../dom.js';
import { ask } from './ask.js';

const SECONDS = 1;

// A figure for the run at an address: { node, show(checkpoint) }.
export function robot(at) {
  const video = element('video', { loop: true, muted: true, controls: true, autoplay: true });
  video.playsInline = true;
  video.hidden = true;
  const bar = element('progress', { hidden: true, max: 1 });
  const words = element('p', { className: 'words', role: 'status' });
  const stage = element('div', { className: 'screen' }, video, words, bar);
  const caption = element('figcaption');
  const node = element(
    'section',
    { className: 'robot' },
    element('h2', {}, 'The newest policy'),
    element('figure', {}, stage, caption),
  );
  let newest = null;
  let shown = null;
  let visible = false;
  let asking = false;

  // Asks for a film until it is made, and never for two at a time.
  async function look() {
    if (asking || !visible || document.hidden || newest === null || newest === shown) return;
    asking = true;
    try {
      const { content } = await ask(`${at}/robot`);
      take(content);
    } catch (error) {
      say(words, error.message);
    }
    asking = false;
    setTimeout(look, SECONDS * 1000);
  }

  function take({ state, step, done, frames, message, episodes, returns }) {
    const steps = step?.toLocaleString('en-US');
    bar.hidden = state !== 'filming';
    if (state === 'filming') bar.value = frames > 0 ? done / frames : 0;
    node.dataset.state = state;
    if (state === 'ready') {
      shown = step;
      video.src = `${at}/robot/${step}.mp4`;
      video.setAttribute('aria-label', `The policy after ${steps} environment steps, acting`);
      video.hidden = false;
      say(words, '');
      caption.replaceChildren(
        `After ${steps} environment steps, from zero noise. `,
        episodes === 1
          ? `Return of the whole episode: ${returns}.`
          : `Returns of the ${episodes} episodes in it: ${returns}.`,
      );
    } else if (state === 'failed') {
      shown = step;
      say(words, `There is no film of this policy: ${message}.`);
    } else if (video.hidden) {
      const doing = { filming: 'Filming', waiting: 'Waiting to film' }[state] ?? 'Waiting for';
      say(words, steps ? `${doing} the policy after ${steps} steps …` : 'No policy is saved yet.');
    } else {
      say(caption, `${caption.textContent.split(' A newer')[0]} A newer one is being filmed …`);
    }
  }

  const observer = new IntersectionObserver(([{ isIntersecting }]) => {
    visible = isIntersecting;
    look();
  });
  observer.observe(node);
  document.addEventListener('visibilitychange', look);
  return {
    node,
    show(checkpoint) {
      newest = checkpoint;
      if (checkpoint === null) say(words, 'No policy is saved yet.');
      look();
    },
  };
}
