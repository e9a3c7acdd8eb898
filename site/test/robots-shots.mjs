// Screenshots of the robots' page, to look at:
//
//     node site/test/robots-shots.mjs FOLDER [light|dark] [WIDTH]...

import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { browse, figure, open, until } from './browser.mjs';
import { serve } from './server.mjs';

const [folder = 'shots', colorScheme = 'light', ...widths] = process.argv.slice(2);
await mkdir(folder, { recursive: true });
const server = await serve(0, resolve('target/site'));
for (const width of widths.length > 0 ? widths.map(Number) : [390, 1280, 1920]) {
  const viewport = { width, height: width === 390 ? 844 : 960 };
  const { context, close } = await browse({ viewport, colorScheme });
  const { page, complaints } = await open(context, server.address, 'robots.html');
  // The bar at the top would be in the middle of a page that is higher than the window.
  await page.locator('header').evaluate((header) => (header.style.position = 'static'));
  await page.locator('figure').evaluate((node) => (node.dataset.quality = 'full'));
  const found = await figure(page, 'robots');
  await found.getByRole('radio', { name: '4 ×' }).check();
  await until(found, ({ steps }) => Number(steps) > 250);
  await found.getByRole('button', { name: 'Pause' }).click();
  for (const path of ['top', 'page']) {
    const full = path === 'page';
    await page.screenshot({
      path: join(folder, `robots-${path}-${width}-${colorScheme}.png`),
      fullPage: full,
    });
  }
  if (complaints.length > 0) console.log(width, complaints);
  await close();
}
server.close();
