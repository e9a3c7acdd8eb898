// `fpo view` in a browser: beside a training, of a folder of runs, and where things go wrong.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { browse, figure, open } from './browser.mjs';
import { train, view } from './viewer.mjs';

// Iterations that take some hundredths of a second.
const SMALL = [
  'env.num_envs=16',
  'env.num_steps=8',
  'optimizer.minibatches=4',
  'optimizer.epochs=1',
  'policy.hidden=[16]',
  'critic.hidden=[16]',
  'eval.episodes=1',
  'eval.every=5120',
  'train.checkpoint_every=40',
];

let folder;
let browser;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fpo-view-'));
  browser = await browse({ viewport: { width: 1280, height: 900 } });
  for (const seed of [0, 1]) {
    const name = `seed${seed}`;
    const training = train(folder, 'cartpole-balance', name, ...SMALL, 'train.steps=5120');
    const [code] = await once(training, 'exit');
    assert.equal(code, 0);
  }
});
after(async () => {
  await browser?.close();
  await rm(folder, { recursive: true, force: true });
});

const pause = (page) => page.waitForTimeout(50);

// A page of a viewer of `path`, with what violates its policy among what it complains of.
async function visit(path, body, { quiet = true } = {}) {
  const viewer = await view(join(folder, path));
  const { page, complaints } = await open(browser.context, viewer.address);
  try {
    await page.locator('main[data-ready]').waitFor();
    await body(page, viewer);
    if (quiet) assert.deepEqual(complaints, []);
  } finally {
    await page.close();
    await viewer.close();
  }
}

test('curves change while a run trains', async () => {
  // It would train for long, and is stopped when enough was seen.
  const training = train(folder, 'cartpole-balance', 'live', ...SMALL, 'train.steps=12800000');
  const ended = once(training, 'exit');
  after(() => training.kill('SIGKILL'));
  while (!existsSync(join(folder, 'live/config.toml'))) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await visit('live', async (page) => {
    await page.evaluate(() => (globalThis.kept = 'since the page was loaded'));
    const main = page.locator('main');
    const iterations = async () => Number(await main.getAttribute('data-iterations'));
    const curve = page.locator('.panel', { hasText: 'policy loss' }).locator('path').last();
    const seen = new Set();
    const curves = new Set();
    while (seen.size < 4 || curves.size < 2) {
      seen.add(await iterations());
      if (await curve.count()) curves.add(await curve.getAttribute('d'));
      await pause(page);
    }
    await page.locator('.badge.training').waitFor();
    training.kill('SIGTERM');
    const [code] = await ended;
    assert.equal(code, 75, 'stopped and saved');
    const rows = (await readFile(join(folder, 'live/metrics.jsonl'), 'utf8')).trim().split('\n');
    while ((await iterations()) !== rows.length) await pause(page);
    assert.equal(await page.evaluate(() => globalThis.kept), 'since the page was loaded');
    assert.ok((await page.locator('.panel').count()) > 10);
    const words = await page.locator('.progress').textContent();
    assert.match(words, /of 12,800,000 environment steps/);
  });
});

test('the newest policy acts', async (t) => {
  await visit('seed0', async (page) => {
    const robot = page.locator('.robot');
    await robot.scrollIntoViewIfNeeded();
    await page.locator('.robot:is([data-state="ready"], [data-state="failed"])').waitFor();
    if ((await robot.getAttribute('data-state')) === 'failed') {
      t.diagnostic(await robot.textContent());
      assert.match(await robot.textContent(), /EGL|device to draw with/);
      return;
    }
    const video = robot.locator('video');
    const played = () => video.evaluate((node) => node.currentTime);
    await video.evaluate((node) => node.play());
    while ((await played()) === 0) await pause(page);
    const [width, seconds] = await video.evaluate((node) => [node.videoWidth, node.duration]);
    assert.deepEqual([width, Math.round(seconds)], [512, 6]);
    assert.match(await robot.textContent(), /After 5,120 environment steps/);
  });
});

test('a folder of runs', async () => {
  await visit('.', async (page) => {
    const cards = page.locator('.runs article');
    assert.ok((await cards.count()) >= 2);
    await cards.locator('svg').first().waitFor();
    await page.getByRole('link', { name: 'seed1' }).click();
    await page.locator('main[data-ready] .headlines').waitFor();
    assert.equal(await page.locator('h1').textContent(), 'seed1');
    await page.getByRole('link', { name: 'All runs' }).click();
    await cards.first().waitFor();
  });
});

test('the figures come with the viewer', async () => {
  await visit('seed0', async (page, viewer) => {
    await page.getByRole('link', { name: 'How it learns' }).click();
    await figure(page, 'marginal');
    // Its module works in a worker.
    const grid = await figure(page, 'grid');
    assert.ok(Number((await grid.evaluate((node) => ({ ...node.dataset }))).flow) >= 0);
    assert.ok(page.url().startsWith(viewer.address));
  });
});

test('what is put into the page does not run', async () => {
  await visit(
    'seed0',
    async (page) => {
      const ran = await page.evaluate(async () => {
        const violated = new Promise((resolve) =>
          document.addEventListener('securitypolicyviolation', () => resolve(), { once: true }),
        );
        const script = document.createElement('script');
        script.textContent = 'globalThis.ran = true';
        document.body.append(script);
        await violated;
        return globalThis.ran ?? false;
      });
      assert.equal(ran, false);
    },
    { quiet: false },
  );
});

test('a run that vanishes is said to have', async () => {
  await visit('seed1', async (page) => {
    const alert = page.locator('.alert');
    assert.ok(await alert.isHidden());
    await rename(join(folder, 'seed1'), join(folder, 'away'));
    await alert.filter({ hasText: 'there is no such folder' }).waitFor();
    assert.ok(await page.locator('.body').isHidden());
    await rename(join(folder, 'away'), join(folder, 'seed1'));
    await page.locator('.body').waitFor();
    assert.ok(await alert.isHidden());
  });
});

test('a viewer that ends is said to have', async () => {
  const viewer = await view(join(folder, 'seed0'));
  const { page } = await open(browser.context, viewer.address);
  await page.locator('main[data-ready]').waitFor();
  await viewer.close();
  await page.locator('.alert').filter({ hasText: 'does not answer' }).waitFor();
  await page.close();
});

test('phones and keyboards', async () => {
  await visit('seed0', async (page) => {
    for (const width of [390, 1280, 1920]) {
      await page.setViewportSize({ width, height: 844 });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(wide <= width, `${width}: the page is ${wide} wide`);
    }
    await page.locator('main').focus();
    const reached = [];
    for (let i = 0; i < 20; i++) {
      await page.keyboard.press('Tab');
      reached.push(
        await page.evaluate(() => {
          const { tagName, textContent } = document.activeElement;
          return `${tagName} ${textContent}`;
        }),
      );
    }
    for (const stop of ['SUMMARY every evaluation as numbers', 'SUMMARY every setting']) {
      assert.ok(reached.includes(stop), `${stop}: ${reached}`);
    }
  });
});
