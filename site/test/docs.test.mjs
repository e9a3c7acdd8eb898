// The pages of documentation, on what site/build made.

import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { browse, open } from './browser.mjs';
import { serve } from './server.mjs';

const SITE = fileURLToPath(new URL('../../target/site', import.meta.url));

let server;
let browser;

before(async () => {
  server = await serve(0, SITE);
  browser = await browse({ viewport: { width: 390, height: 844 } });
});
after(async () => {
  await browser?.close();
  server?.close();
});

test('every page loads, links to what is there, and fits a phone', async () => {
  const found = await readdir(`${SITE}/docs`, { recursive: true });
  const pages = found.filter((name) => name.endsWith('.html')).map((name) => `docs/${name}`);
  assert.ok(pages.length > 20, `${pages}`);
  const known = new Set();
  for (const path of pages) {
    const { page, complaints } = await open(browser.context, server.address, path);
    // Pictures below are loaded only when they come near.
    await page.evaluate(() => {
      for (const image of document.images) image.loading = 'eager';
    });
    const broken = await page.evaluate(async () => {
      await Promise.all([...document.images].map((image) => image.decode().catch(() => {})));
      return [...document.images].filter((i) => !i.naturalWidth).map((i) => i.src);
    });
    assert.deepEqual(broken, [], path);
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= 390, `${path} is ${width} pixels wide`);
    const links = await page.evaluate(() => [...document.links].map((a) => a.href.split('#')[0]));
    for (const link of links.filter((link) => link.startsWith(server.address))) known.add(link);
    assert.deepEqual(complaints, [], path);
    await page.close();
  }
  for (const link of known) {
    const { status } = await fetch(link);
    assert.equal(status, 200, link);
  }
});

test('contents lead from page to page by keyboard', async () => {
  const { page, complaints } = await open(browser.context, server.address, 'docs/index.html');
  // A phone's contents are closed at first.
  const summary = page.getByText('Contents', { exact: true });
  await summary.focus();
  await page.keyboard.press('Enter');
  await page.getByRole('navigation', { name: 'Documentation' }).getByText('Methods').focus();
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { level: 1, name: 'Methods' }).waitFor();
  assert.deepEqual(complaints, []);
  await page.close();
});
