// The robots' page, as a reader uses it, on what site/build made.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { browse, data, figure, open, reachAll, until } from './browser.mjs';
import { serve } from './server.mjs';

const SITE = fileURLToPath(new URL('../../target/site', import.meta.url));
const RECORD = new URL('../../bindings/wasm/tests/robots.json', import.meta.url);

let server;
let browser;

before(async () => {
  server = await serve(0, SITE);
  browser = await browse({ viewport: { width: 900, height: 800 } });
});
after(async () => {
  await browser?.close();
  server?.close();
});

// A fresh page for a test; it must not complain.
function visit(name, body) {
  test(name, async (t) => {
    server.sent.length = 0;
    const { page, complaints } = await open(browser.context, server.address, 'robots.html');
    await body(page, await figure(page, 'robots'), t);
    assert.deepEqual(complaints, []);
    await page.close();
  });
}

const policy = (name) => readFile(`${SITE}/policies/${name}.safetensors`);
const give = (found, name, buffer) =>
  found
    .locator('input[type="file"]')
    .setInputFiles({ name, mimeType: 'application/octet-stream', buffer });

async function slide(found, name, value) {
  await found.getByRole('slider', { name, exact: true }).fill(String(value));
}

visit('the cheetah runs as fast as on MuJoCo’s library', async (page, found, t) => {
  await found.getByRole('radio', { name: '4 ×' }).check();
  const end = await until(found, ({ steps }) => Number(steps) >= 1000);
  const [native] = JSON.parse(await readFile(RECORD));
  // Its reward is a tenth of its speed in m/s, up to 10.
  const expected = native.random_noise / 100;
  const speed = 10 * Number(end.meanReward);
  const way = Number(end.way) / (0.01 * Number(end.steps));
  t.diagnostic(`${speed.toFixed(2)} m/s by its reward, ${way.toFixed(2)} by its way`);
  t.diagnostic(`on the library: ${expected.toFixed(2)} m/s`);
  t.diagnostic(`${end.rate} steps/s, of which 100 are real time; ${end.fps} frames/s in software`);
  assert.ok(Math.abs(speed - expected) <= 0.1 * expected, `${speed} instead of ${expected}`);
  assert.ok(Math.abs(way - expected) <= 0.15 * expected, `${way} instead of ${expected}`);
});

visit('parts are loaded for the robots alone', async () => {
  const paths = server.sent.map(([path]) => path);
  assert.ok(paths.includes('/vendor/built/mujoco.wasm') && paths.includes('/robots.wasm'));
  server.sent.length = 0;
  const { page } = await open(browser.context, server.address);
  await figure(page, 'marginal');
  const heavy = server.sent.filter(([path]) => /vendor|robots/.test(path));
  assert.deepEqual(heavy, []);
  await page.close();
});

visit('noise and steps change the cloud', async (page, found) => {
  await found.getByRole('button', { name: 'Pause' }).click();
  const spread = async () => Number((await data(found)).spread);
  await slide(found, 'Noise', 0);
  assert.equal(await spread(), 0);
  await slide(found, 'Noise', 1);
  const trained = await spread();
  assert.ok(trained > 0.005, trained);
  await slide(found, 'Noise', 2);
  assert.ok((await spread()) > 1.2 * trained, `${await spread()} of ${trained}`);
  await slide(found, 'Noise', 1);
  await slide(found, 'Steps of the flow', 1);
  assert.notEqual(await spread(), trained);
  await slide(found, 'Steps of the flow', 10);
  assert.equal(await spread(), trained);
});

visit('pushes move the robot, and time stops', async (page, found) => {
  const steps = async () => Number((await data(found)).steps);
  await until(found, (now) => Number(now.steps) > 20);
  const canvas = found.locator('.robot canvas');
  await canvas.focus();
  await page.keyboard.press('Space');
  const stopped = await steps();
  await page.waitForTimeout(300);
  assert.equal(await steps(), stopped);

  // From the same beginning, with and without a push.
  const way = async (push) => {
    await found.getByRole('button', { name: 'Reset' }).click();
    const { episode } = await data(found);
    await push();
    if ((await data(found)).running === 'false') await page.keyboard.press('Space');
    const { way } = await until(found, (now) => Number(now.steps) >= 60);
    await page.keyboard.press('Space');
    return [Number(way), episode];
  };
  await canvas.focus();
  // Twice, so that it shows whenever within the first steps a push begins.
  const press = (key) => async () => {
    await canvas.press(key);
    await canvas.press(key);
  };
  const [forward] = await way(press('ArrowRight'));
  const [back] = await way(press('ArrowLeft'));
  assert.ok(forward > back + 1, `${forward} and ${back}`);

  // With the pointer: pulled back by its torso, it goes back.
  await found.getByRole('button', { name: 'Reset' }).click();
  const box = await canvas.boundingBox();
  const at = await page.evaluate(() => {
    const figure = document.querySelector('[data-figure]');
    return JSON.parse(figure.dataset.torso);
  });
  await page.mouse.move(box.x + at[0], box.y + at[1]);
  await page.mouse.down();
  assert.equal(await canvas.getAttribute('data-holds'), 'true');
  await page.mouse.move(box.x + at[0] - 250, box.y + at[1], { steps: 4 });
  await canvas.press('Space');
  const pulled = await until(found, (now) => Number(now.steps) >= 60);
  await page.mouse.up();
  assert.ok(Number(pulled.way) < -0.5, pulled.way);
});

visit('own policies are loaded, and damaged ones refused', async (page, found) => {
  const good = await policy('cheetah-run');
  await give(found, 'mine.safetensors', good);
  await until(found, ({ refused }) => refused === '');
  assert.match(await found.locator('.about').textContent(), /mine\.safetensors/);

  const other = Buffer.from(good);
  other.write('walker-walk', other.indexOf('cheetah-run'));
  for (const [name, buffer, expected] of [
    ['half.safetensors', good.subarray(0, 30_000), /^half\.safetensors: damaged policy file/],
    ['notes.txt', Buffer.from('not a policy, but a text'), /^notes\.txt: not a policy file/],
    ['other.safetensors', other, /another version of `walker-walk`: it has 17 numbers/],
  ]) {
    await give(found, name, buffer);
    await until(found, ({ refused }) => expected.test(refused));
    const shown = await found.locator('.refused').textContent();
    assert.match(shown, expected);
  }
  // The one before goes on.
  const { steps } = await data(found);
  await until(found, (now) => Number(now.steps) > Number(steps) + 5);

  // Dropped on the figure.
  const bytes = [...good];
  await found.evaluate((element, bytes) => {
    const files = new DataTransfer();
    files.items.add(new File([new Uint8Array(bytes)], 'dropped.safetensors'));
    element.dispatchEvent(new DragEvent('drop', { dataTransfer: files, bubbles: true }));
  }, bytes);
  await until(found, ({ refused }) => refused === '');
  assert.match(await found.locator('.about').textContent(), /dropped\.safetensors/);

  // And ours again.
  await found.getByRole('radio', { name: 'Cheetah' }).check();
  await found.locator('.about', { hasText: 'our policy' }).waitFor();
});

visit('every robot acts', async (page, found, t) => {
  for (const { task } of JSON.parse(await readFile(RECORD))) {
    await found.getByRole('radio', { name: task.split('-')[0] }).check();
    await until(found, (now) => now.task === task);
    const { rate } = await until(found, (now) => Number(now.steps) >= 30 && now.rate);
    t.diagnostic(`${task}: ${rate} steps/s`);
  }
});

visit('the keyboard alone reaches every control', async (page, found) => {
  await found.getByRole('button', { name: 'Pause' }).click();
  await reachAll(page, found);
});

test('without WebGL’s and MuJoCo’s parts it says what to do', async () => {
  // The repository's own folder, as if site/build had not been run.
  const bare = await serve();
  const { page } = await open(browser.context, bare.address);
  await page.route('**/vendor/**', (route) => route.fulfill({ status: 404 }));
  await page.goto(`${bare.address}robots.html`);
  const line = page.locator('.error');
  await line.waitFor();
  assert.match(await line.textContent(), /site\/build/);
  await page.close();
  bare.close();
});

visit('a phone’s width is enough', async (page) => {
  await page.setViewportSize({ width: 390, height: 844 });
  const wide = () => page.evaluate(() => document.documentElement.scrollWidth);
  assert.equal(await wide(), 390);
  await page.goto(server.address);
  assert.equal(await wide(), 390);
});

visit('it holds still for readers who want that', async () => {
  const calm = await browse({ reducedMotion: 'reduce' });
  const { page } = await open(calm.context, server.address, 'robots.html');
  const found = await figure(page, 'robots');
  assert.equal((await data(found)).running, 'false');
  await calm.close();
});
