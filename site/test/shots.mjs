// Screenshots of the page at three widths, to look at:
//
//     node site/test/shots.mjs FOLDER [light|dark]

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { browse, figure, open, until } from './browser.mjs';
import { serve } from './server.mjs';

const [folder = 'shots', colorScheme = 'light'] = process.argv.slice(2);
await mkdir(folder, { recursive: true });
const server = await serve();
for (const width of [390, 1280, 1920]) {
  const viewport = { width, height: width === 390 ? 844 : 960 };
  const { context, close } = await browse({ viewport, colorScheme });
  const { page, complaints } = await open(context, server.address);
  for (const name of ['marginal', 'weighted', 'grid']) {
    const found = await figure(page, name);
    if (name !== 'marginal' && process.env.ITERATIONS) {
      await found.getByRole('button', { name: /^(Run|Train)$/ }).click();
      const wanted = Number(process.env.ITERATIONS);
      await until(found, ({ iteration }) => Number(iteration) >= wanted);
      await found.getByRole('button', { name: 'Pause' }).click();
    }
    await found.screenshot({ path: join(folder, `${name}-${width}-${colorScheme}.png`) });
  }
  await page.evaluate(() => scrollTo({ top: 0, behavior: 'instant' }));
  await page.screenshot({ path: join(folder, `top-${width}-${colorScheme}.png`) });
  await page.screenshot({ path: join(folder, `page-${width}-${colorScheme}.png`), fullPage: true });
  if (complaints.length > 0) console.log(width, complaints);
  await close();
}
server.close();
