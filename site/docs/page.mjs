// The frame around a page of documentation.

import { posix } from 'node:path';

export function page(here, { html, title }, guide) {
  const to = (target) => posix.relative(posix.dirname(here), target);
  const entry = ({ href, name }) => {
    const current = href === here ? ' aria-current="page"' : '';
    return `<li><a href="${to(href)}"${current}>${name}</a></li>`;
  };
  const entries = [{ href: 'docs/index.html', name: 'Overview' }, ...guide].map(entry);
  return `<!doctype html>
<html lang="en" data-theme="auto">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta
      http-equiv="Content-Security-Policy"
      content="default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'"
    />
    <title>${title} – fpo</title>
    <link rel="icon" href="${to('icon.svg')}" type="image/svg+xml" />
    <link rel="stylesheet" href="${to('style.css')}" />
    <link rel="stylesheet" href="${to('docs.css')}" />
    <script type="module" src="${to('js/docs.js')}"></script>
  </head>
  <body>
    <a class="skip" href="#text">To the text</a>
    <header>
      <nav aria-label="Sections">
        <a class="mark" href="${to('index.html')}">fpo</a>
        <a href="${to('index.html')}#flow">Flow</a>
        <a href="${to('index.html')}#learning">Learning</a>
        <a href="${to('index.html')}#grid">GridWorld</a>
        <a href="${to('robots.html')}">Robots</a>
        <a href="${to('docs/index.html')}" aria-current="true">Docs</a>
        <button id="theme" type="button"></button>
      </nav>
    </header>
    <main class="docs">
      <details class="contents">
        <summary>Contents</summary>
        <nav aria-label="Documentation">
          <ul>
            ${entries.join('\n            ')}
          </ul>
        </nav>
      </details>
      <article id="text">
${html}      </article>
    </main>
  </body>
</html>
`;
}
