// Screenshots of the page, to look at:
//
//     node site/test/shots.mjs FOLDER [light|dark] [WIDTH]...
//
// With ITERATIONS=100, after that much training.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { browse, figure, open, until } from './browser.mjs';
import { serve } from './server.mjs';

const [folder = 'shots', colorScheme = 'light', ...widths] = process.argv.slice(2);
const iterations = Number(process.env.ITERATIONS ?? 0);
await mkdir(folder, { recursive: true });
const server = await serve();
for (const width of widths.length > 0 ? widths.map(Number) : [390, 1280, 1920]) {
  const viewport = { width, height: width === 390 ? 844 : 960 };
  const { context, close } = await browse({ viewport, colorScheme });
  const { page, complaints } = await open(context, server.address);
  const shoot = (name, of = page, options = {}) =>
    of.screenshot({ path: join(folder, `${name}-${width}-${colorScheme}.png`), ...options });
  await shoot('top');
  // The bar at the top would be in the middle of figures that are higher than the window.
  await page.locator('header').evaluate((header) => (header.style.position = 'static'));
  for (const name of ['marginal', 'weighted', 'grid']) {
    const found = await figure(page, name);
    if (name !== 'marginal' && iterations > 0) {
      await found.getByRole('button', { name: /^(Run|Train)$/ }).click();
      await until(found, ({ iteration }) => Number(iteration) >= iterations);
      await found.getByRole('button', { name: 'Pause' }).click();
    }
    await shoot(name, found);
  }
  await shoot('page', page, { fullPage: true });
  if (complaints.length > 0) console.log(width, complaints);
  await close();
}
server.close();
