// Every figure, as a reader uses it.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { browse, data, figure, open, reachAll, until } from './browser.mjs';
import { serve } from './server.mjs';

let server;
let browser;

before(async () => {
  server = await serve();
  browser = await browse({ viewport: { width: 1280, height: 900 } });
});
after(async () => {
  await browser?.close();
  server?.close();
});

// A fresh page for a test; it must not complain.
function visit(name, body) {
  test(name, async (t) => {
    server.sent.length = 0;
    const { page, complaints } = await open(browser.context, server.address);
    await body(page, t);
    assert.deepEqual(complaints, []);
    await page.close();
  });
}

// Chooses an option of a set of radio buttons.
const choose = (found, name) => found.getByRole('radio', { name, exact: true }).check();

async function slide(found, name, value) {
  const slider = found.getByRole('slider', { name, exact: true });
  await slider.fill(String(value));
}

visit('the first figure needs little', async (page) => {
  // The page itself has been loaded by now; other figures load what they need when they are near.
  await figure(page, 'marginal');
  const sizes = server.sent.map(([path, size]) => `${path} ${size}`).join('\n');
  const total = server.sent
    .filter(([path]) => path !== '/fpo.wasm')
    .reduce((sum, [, size]) => sum + size, 0);
  assert.ok(total <= 500_000, `${total} bytes:\n${sizes}`);
  assert.ok(total > 20_000, sizes);
});

visit('dragging a mode moves the density', async (page) => {
  const found = await figure(page, 'marginal');
  await found.evaluate((node) => node.scrollIntoView({ block: 'start', behavior: 'instant' }));
  const before = await data(found);
  const handle = found.getByRole('slider', { name: 'Mode 1: place and weight' });
  const box = await handle.boundingBox();
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  const place = Number(await handle.getAttribute('aria-valuenow'));
  await page.mouse.move(x, y);
  await page.mouse.down();
  await page.mouse.move(x, y + 40, { steps: 4 });
  await page.mouse.move(x + 60, y + 40, { steps: 4 });
  await page.mouse.up();
  assert.ok(Number(await handle.getAttribute('aria-valuenow')) < place - 0.3);
  // It weighs more than the other one now: the highest point of the density is on it.
  const moved = await data(found);
  assert.ok(Number(moved.peak) < Number(before.peak), `${before.peak} → ${moved.peak}`);
  assert.ok(Number(moved.distance) < 1.2 * Number(moved.chance), JSON.stringify(moved));
});

visit('modes are added and removed', async (page) => {
  const found = await figure(page, 'marginal');
  const modes = found.getByRole('slider', { name: /place and weight/ });
  assert.equal(await modes.count(), 2);
  const overlay = found.locator('.overlay');
  const box = await overlay.boundingBox();
  await page.mouse.dblclick(box.x + box.width - 12, box.y + box.height / 2);
  assert.equal(await modes.count(), 3);
  await modes.nth(2).press('Delete');
  assert.equal(await modes.count(), 2);
  await found.locator('summary', { hasText: 'numbers' }).click();
  await found.getByRole('button', { name: 'Add a mode' }).click();
  assert.equal(await modes.count(), 3);
  await found.getByRole('button', { name: 'Remove mode 1' }).click();
  await found.getByRole('button', { name: 'Remove mode 1' }).click();
  assert.equal(await modes.count(), 1);
  assert.ok(await found.getByRole('button', { name: 'Remove mode 1' }).isDisabled());
});

visit('marginals stay at every stochasticity, and do not without the score', async (page) => {
  const found = await figure(page, 'marginal');
  await choose(found, '128');
  for (const stochasticity of [0, 0.5, 1]) {
    await slide(found, 'Stochasticity', stochasticity);
    for (const moment of [0, 0.5, 1]) {
      await slide(found, 'Moment', moment);
      const { distance, chance, t } = await data(found);
      assert.equal(Number(t), 1 - moment);
      // Chance, and what steps of finite length leave.
      const message = `${stochasticity} at t = ${t}: ${distance}, chance ${chance}`;
      assert.ok(Number(distance) < 1.3 * Number(chance), message);
    }
  }
  await choose(found, 'nothing');
  const { distance, chance } = await data(found);
  assert.ok(Number(distance) > 2.5 * Number(chance), `without correction: ${distance}`);
});

visit('one step leads everything to the mean', async (page) => {
  const found = await figure(page, 'marginal');
  await choose(found, '1');
  await choose(found, 'Euler');
  const { distance } = await data(found);
  assert.ok(Number(distance) > 0.4, distance);
  await page.getByRole('button', { name: 'one action' }).first().click();
  await found.getByRole('slider', { name: 'The action that all noise flows to' }).waitFor();
});

visit('FPO++ keeps both peaks of a drawn reward, and the Gaussian one', async (page, t) => {
  const found = await figure(page, 'weighted');
  // Drawn, not chosen: erase, and paint two peaks with the pointer.
  await found.getByRole('button', { name: 'Erase' }).click();
  await until(found, ({ flowPeaks }) => flowPeaks === '');
  const overlay = found.locator('.of-flow .overlay');
  await overlay.evaluate((node) => node.scrollIntoView({ block: 'center', behavior: 'instant' }));
  const box = await found.locator('.of-flow').boundingBox();
  const [base, room] = [box.x + box.width * 0.66, box.width * 0.34 - 6];
  const [top, bottom] = [box.y + 10, box.y + box.height - 24];
  const at = (action, reward) => [
    base + reward * room * 0.92,
    bottom - ((action + 3) / 6) * (bottom - top),
  ];
  for (const peak of [-1.2, 1.3]) {
    await page.mouse.move(...at(peak - 0.6, 0));
    await page.mouse.down();
    await page.mouse.move(...at(peak, 1), { steps: 8 });
    await page.mouse.move(...at(peak + 0.6, 0), { steps: 8 });
    await page.mouse.up();
  }
  await until(found, ({ flowPeaks }) => flowPeaks?.split(' ').length === 2);
  await found.getByRole('button', { name: 'Run' }).click();
  const end = await until(found, ({ stage, iteration }) => stage !== 'run' && iteration >= 200);
  const [flow, gauss] = [end.flowPeaks, end.gaussPeaks].map((x) => x.split(' ').map(Number));
  t.diagnostic(`shares of the peaks: flow ${flow}, Gaussian ${gauss}`);
  assert.ok(Math.min(...flow) >= 0.25, `flow: ${flow}`);
  assert.ok(Math.min(...gauss) < 0.05 && Math.max(...gauss) > 0.8, `Gaussian: ${gauss}`);
});

visit('the loop is taken in stages, by every method', async (page) => {
  const found = await figure(page, 'weighted');
  const step = found.getByRole('button', { name: 'Step' });
  for (const method of ['FPO++', 'FPO', 'advantage-weighted']) {
    await choose(found, method);
    await until(found, ({ iteration }) => Number(iteration) === 0);
    for (const stage of ['sample', 'score', 'redirect']) {
      await step.click();
      await until(found, (now) => now.stage === stage);
    }
    const { iteration, weights, ratios } = await until(found, (now) => now.iteration === '1');
    assert.equal(iteration, '1');
    assert.equal(Number(ratios), 512 * 8);
    assert.equal(Number(weights), method === 'advantage-weighted' ? 512 : 256);
  }
  await choose(found, 'a plane');
  await step.click();
  await step.click();
  await step.click();
  await until(found, (now) => now.stage === 'redirect' && now.iteration === '1');
});

visit('GridWorld reaches its goals', async (page, t) => {
  const found = await figure(page, 'grid');
  const before = await data(found);
  assert.ok(Number(before.flow) < 0.8, before.flow);
  await found.getByRole('button', { name: 'Train' }).click();
  const end = await until(found, ({ running, iteration }) => running === 'false' && iteration > 0);
  t.diagnostic(`goals reached: flow ${end.flow}, Gaussian ${end.gauss}`);
  assert.ok(Number(end.flow) >= 0.98, end.flow);
  assert.ok(Number(end.gauss) >= 0.95, end.gauss);
  // A painted map begins anew.
  const overlay = found.locator('.of-flow .overlay');
  await overlay.focus();
  await overlay.press('ArrowUp');
  await overlay.press('ArrowUp');
  await overlay.press('Space');
  await until(found, ({ iteration }) => iteration === '0');
});

test('a finger drags a mode, draws a reward and paints a wall on a phone', async () => {
  const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };
  const { context, close } = await browse(phone);
  const { page, complaints } = await open(context, server.address);
  const session = await context.newCDPSession(page);
  // A finger that goes down at the first place and up at the last.
  const finger = async (places) => {
    for (const [i, [x, y]] of places.entries()) {
      const type = i === 0 ? 'touchStart' : 'touchMove';
      await session.send('Input.dispatchTouchEvent', { type, touchPoints: [{ x, y }] });
    }
    await session.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
  };
  const show = (part) =>
    part.evaluate((node) => node.scrollIntoView({ block: 'center', behavior: 'instant' }));

  const marginal = await figure(page, 'marginal');
  const handle = marginal.getByRole('slider', { name: 'Mode 1: place and weight' });
  await show(handle);
  const place = Number(await handle.getAttribute('aria-valuenow'));
  const at = await handle.boundingBox();
  const [x, y] = [at.x + at.width / 2, at.y + at.height / 2];
  await finger([0, 10, 20, 30, 40].map((down) => [x, y + down]));
  const moved = Number(await handle.getAttribute('aria-valuenow'));
  assert.ok(moved < place - 0.3, `${place} → ${moved}`);

  const weighted = await figure(page, 'weighted');
  await weighted.getByRole('button', { name: 'Erase' }).click();
  await until(weighted, ({ flowPeaks }) => flowPeaks === '');
  const drawing = weighted.locator('.of-flow .overlay');
  await show(drawing);
  const box = await drawing.boundingBox();
  const [middle, right] = [box.y + box.height / 2, box.x + box.width];
  const along = [-30, -15, 0, 15, 30].map((down) => [right - 10 - Math.abs(down), middle + down]);
  await finger(along);
  await until(weighted, ({ flowPeaks }) => flowPeaks?.split(' ').length === 1);

  const grid = await figure(page, 'grid');
  const board = grid.locator('.of-flow .overlay');
  await show(board);
  const cells = await board.boundingBox();
  const before = await board.screenshot();
  await page.touchscreen.tap(cells.x + cells.width / 2, cells.y + cells.height / 4);
  await until(grid, ({ iteration }) => iteration === '0');
  assert.ok(!before.equals(await board.screenshot()));
  assert.deepEqual(complaints, []);
  await close();
});

visit('the keyboard alone reaches every control', async (page) => {
  for (const name of ['marginal', 'weighted', 'grid']) {
    const found = await figure(page, name);
    const details = found.locator('summary');
    if (await details.count()) await details.first().press('Enter');
    await reachAll(page, found);
  }
});

visit('keys move a mode and draw a reward', async (page) => {
  const marginal = await figure(page, 'marginal');
  const handle = marginal.getByRole('slider', { name: 'Mode 1: place and weight' });
  const place = Number(await handle.getAttribute('aria-valuenow'));
  await handle.press('ArrowUp');
  assert.ok(Math.abs(Number(await handle.getAttribute('aria-valuenow')) - place - 0.1) < 1e-6);
  const weighted = await figure(page, 'weighted');
  const pen = weighted.locator('.of-flow .overlay');
  await pen.focus();
  const value = Number(await pen.getAttribute('aria-valuenow'));
  await pen.press('ArrowRight');
  await pen.press('ArrowRight');
  assert.ok(Number(await pen.getAttribute('aria-valuenow')) > value + 0.1);
});

visit('light and dark', async (page) => {
  const paper = () =>
    page.evaluate(() => getComputedStyle(document.body.parentElement).backgroundColor);
  const button = page.locator('#theme');
  await button.click();
  const light = await paper();
  await button.click();
  const dark = await paper();
  assert.notEqual(light, dark);
  await page.reload();
  assert.equal(await paper(), dark, 'the choice is kept');
});

visit('frames a second, for the record', async (page, t) => {
  const found = await figure(page, 'marginal');
  const { fps } = await until(found, (now) => now.fps);
  t.diagnostic(`figure 1: ${fps} frames/s in software`);
});
