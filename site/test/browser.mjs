// Debian's Chromium, driven by playwright-core.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

// Waits end when a state is reached, however long that takes; this only ends a test that hangs.
const PATIENCE = 20 * 60_000;

export async function browse(options = {}) {
  const profile = await mkdtemp(join(tmpdir(), 'fpo-site-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
    ...options,
  });
  context.setDefaultTimeout(PATIENCE);
  const close = async () => {
    await context.close();
    await rm(profile, { recursive: true, force: true });
  };
  return { context, close };
}

// A page of the site, and all that its console and its requests complained of.
export async function open(context, address, path = '') {
  const page = await context.newPage();
  const complaints = [];
  page.on('console', (message) => {
    // That of a browser without a graphics card, not of the page.
    if (/GPU stall due to ReadPixels/.test(message.text())) return;
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(address) && !url.startsWith('blob:')) complaints.push(`asked for ${url}`);
  });
  page.on('requestfailed', (request) => complaints.push(`failed: ${request.url()}`));
  page.on('response', (response) => {
    if (response.status() >= 400) complaints.push(`${response.status()}: ${response.url()}`);
  });
  await page.goto(address + path);
  return { page, complaints };
}

// Brings a figure into view and waits until it can be used.
export async function figure(page, name) {
  const found = page.locator(`[data-figure="${name}"]`);
  await found.scrollIntoViewIfNeeded();
  await page.locator(`[data-figure="${name}"][data-ready]`).waitFor();
  return found;
}

// The data that a figure shows to tests; a figure that has stopped is an error.
export async function data(found) {
  const dataset = await found.evaluate((element) => ({ ...element.dataset }));
  if (dataset.error) throw new Error(dataset.error);
  return dataset;
}

// Waits until a condition on a figure's data holds, and returns the data.
export async function until(found, condition) {
  for (;;) {
    const dataset = await data(found);
    if (condition(dataset)) return dataset;
    // Pages do not let tests compile code, so that they look now and then.
    await found.page().waitForTimeout(50);
  }
}

// Tabs through a figure: every control is reached and says what it is.
export async function reachAll(page, found) {
  // What Tab reaches; of radio buttons, the group.
  const wanted = await found.evaluate((element) => {
    const all = [...element.querySelectorAll('input, select, button, summary, [tabindex="0"]')];
    const usable = all.filter((node) => !node.disabled && node.checkVisibility());
    usable.forEach((node, i) => (node.dataset.stop = i));
    const groups = new Set();
    return usable.flatMap((node) => {
      if (node.type !== 'radio') return [node.dataset.stop];
      if (groups.has(node.name)) return [];
      groups.add(node.name);
      return [usable.find((other) => other.name === node.name && other.checked).dataset.stop];
    });
  });
  await found.evaluate((element) => {
    element.tabIndex = -1;
    element.focus();
  });
  const reached = new Set();
  for (let i = 0; i < wanted.length + 2; i++) {
    await page.keyboard.press('Tab');
    reached.add(await page.evaluate(() => document.activeElement.dataset.stop));
  }
  const missed = wanted.filter((stop) => !reached.has(stop));
  assert.deepEqual(missed, []);
  // All of them say what they are.
  const nameless = await found.evaluate((element) =>
    [...element.querySelectorAll('[data-stop]')]
      .filter((node) => !node.ariaLabel && !node.labels?.length && !node.textContent.trim())
      .map((node) => node.outerHTML),
  );
  assert.deepEqual(nameless, []);
}
