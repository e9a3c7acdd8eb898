// Starts the page: each figure when it comes near the window.

import { report } from './dom.js';
import { themeButton } from './theme.js';

const FIGURES = {
  marginal: () => import('./marginal/figure.js'),
  weighted: () => import('./weighted/figure.js'),
  grid: () => import('./grid/figure.js'),
  robots: () => import('./robots/figure.js'),
};

async function start(figure) {
  try {
    const { start } = await FIGURES[figure.dataset.figure]();
    await start(figure);
    figure.dataset.ready = 'true';
  } catch (error) {
    report(figure, error);
  }
}

const observer = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (isIntersecting) {
        observer.unobserve(target);
        start(target);
      }
    }
  },
  { rootMargin: '300px' },
);

themeButton(document.querySelector('#theme'));
for (const figure of document.querySelectorAll('[data-figure]')) observer.observe(figure);
