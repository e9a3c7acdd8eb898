// Makes pages of the repository's Markdown files, into the folder of a site:
//
//     node site/docs/build.mjs FOLDER
//
// Links between them are followed; other files of the repository that they name are there as text.
// A link that leads nowhere ends it.

import { copyFile, mkdir, readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Marked } from '../vendor/node_modules/marked/lib/marked.esm.js';
import { page } from './page.mjs';

const [folder] = process.argv.slice(2);
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

// Of an address in `from`, the file it names, from the root of the repository.
const named = (from, address) => posix.join(posix.dirname(from), address);

// Where a Markdown file's page is, from the root of the site.
function place(file) {
  if (file === 'README.md') return 'docs/index.html';
  const name = file.replace(/^docs\//, '').replace(/\.md$/, '.html');
  // On a web server that looks for it, a folder's page has this name.
  return posix.join('docs', name.replace(/README\.html$/, 'index.html'));
}

// An anchor as GitHub makes it, for which the files' links are written.
function anchor(text, taken) {
  const plain = text
    .replace(/<[^>]*>/g, '')
    .replace(/&[a-z]+;|&#\d+;/g, '')
    .toLowerCase();
  const name = plain.replace(/[^\p{L}\p{N}\s_-]/gu, '').replace(/\s/g, '-');
  const count = taken.get(name) ?? 0;
  taken.set(name, count + 1);
  return count ? `${name}-${count}` : name;
}

// The page of one file: its HTML, title, anchors and what it links to.
async function read(file) {
  const text = await readFile(join(ROOT, file), 'utf8');
  const found = { file, anchors: new Set(), links: [], title: undefined };
  const here = place(file);
  const relative = (target) => posix.relative(posix.dirname(here), target);
  const taken = new Map();
  const marked = new Marked({
    gfm: true,
    renderer: {
      heading({ tokens, depth }) {
        const html = this.parser.parseInline(tokens);
        const id = anchor(html, taken);
        found.anchors.add(id);
        if (depth === 1) found.title ??= html.replace(/<[^>]*>/g, '');
        return `<h${depth} id="${id}">${html}</h${depth}>\n`;
      },
      // Wide code scrolls on its own, also by keyboard; and so do tables, below.
      code({ text, lang }) {
        const of = lang ? `Code, ${lang}` : 'Code';
        return `<pre tabindex="0" aria-label="${of}"><code>${escaped(text)}</code></pre>\n`;
      },
      image({ href, text }) {
        found.links.push({ file: named(file, href), image: true });
        const to = relative(posix.join('docs/files', named(file, href)));
        return `<img src="${escaped(to)}" alt="${escaped(text)}" loading="lazy" />`;
      },
      link({ href, tokens }) {
        const html = this.parser.parseInline(tokens);
        if (/^[a-z]+:/.test(href)) return `<a href="${escaped(href)}">${html}</a>`;
        const [path, id] = href.split('#');
        const target = path === '' ? file : named(file, path);
        found.links.push({ file: target, id });
        const to = target.endsWith('.md') ? place(target) : `docs/files/${target}.txt`;
        const hash = id ? `#${id}` : '';
        return `<a href="${escaped((path === '' ? '' : relative(to)) + hash)}">${html}</a>`;
      },
    },
  });
  found.html = marked
    .parse(text)
    .replaceAll(
      '<table>',
      '<div class="scroll" role="group" tabindex="0" aria-label="Table"><table>',
    )
    .replaceAll('</table>', '</table></div>');
  return found;
}

function escaped(text) {
  const by = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
  return text.replace(/[&<>"]/g, (c) => by[c]);
}

// A folder, as a list of the files that are in it.
async function listing(path) {
  const names = await readdir(join(ROOT, path), { withFileTypes: true });
  return names
    .map((entry) => entry.name + (entry.isDirectory() ? '/' : ''))
    .sort()
    .join('\n');
}

// From the README on, all that is linked.
const pages = new Map();
const files = new Map();
const queue = ['README.md'];
for (const file of queue) {
  const found = await read(file);
  pages.set(file, found);
  for (const { file: linked, image } of found.links) {
    if (linked.endsWith('.md')) {
      if (!queue.includes(linked)) queue.push(linked);
    } else {
      files.set(linked, image);
    }
  }
}
for (const { file, links } of pages.values()) {
  for (const { file: linked, id } of links) {
    if (id && pages.has(linked) && !pages.get(linked).anchors.has(id)) {
      throw new Error(`${file}: ${linked} has no heading #${id}`);
    }
  }
}

// The guide is what the README's section of that name links to, in its order.
const section = pages.get('README.md').html.split('<h2 id="documentation">')[1].split('<h2')[0];
const guide = [...section.matchAll(/<a href="([^"#]+\.html)">(.*?)<\/a>/g)].map(
  ([, href, name]) => ({ href: `docs/${href}`, name }),
);
for (const found of pages.values()) {
  const to = join(folder, place(found.file));
  await mkdir(dirname(to), { recursive: true });
  await writeFile(to, page(place(found.file), found, guide));
}
for (const [file, image] of files) {
  const to = join(folder, 'docs/files', image ? file : `${file}.txt`);
  await mkdir(dirname(to), { recursive: true });
  const from = join(ROOT, file);
  if ((await stat(from)).isDirectory()) await writeFile(to, await listing(file));
  else await copyFile(from, to);
}
console.log(`${pages.size} pages of documentation and ${files.size} files that they name`);
