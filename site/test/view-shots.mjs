// Screenshots of `fpo view RUN`, to look at:
//
//     node site/test/view-shots.mjs RUN FOLDER [light|dark] [WIDTH]...

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { browse, open } from './browser.mjs';
import { view } from './viewer.mjs';

const [run, folder = 'shots', colorScheme = 'light', ...widths] = process.argv.slice(2);
await mkdir(folder, { recursive: true });
const viewer = await view(run);
for (const width of widths.length > 0 ? widths.map(Number) : [390, 1280, 1920]) {
  const viewport = { width, height: width === 390 ? 844 : 960 };
  const { context, close } = await browse({ viewport, colorScheme });
  const { page, complaints } = await open(context, viewer.address);
  await page.locator('main[data-ready]').waitFor();
  if ((await page.locator('.robot').count()) > 0) {
    await page.locator('.robot').scrollIntoViewIfNeeded();
    await page.locator('.robot:is([data-state="ready"], [data-state="failed"])').waitFor();
    await page.evaluate(() => scrollTo({ top: 0, behavior: 'instant' }));
    await page.waitForTimeout(1500);
  }
  for (const fullPage of [false, true]) {
    const name = `${fullPage ? 'page' : 'top'}-${width}-${colorScheme}.png`;
    await page.screenshot({ path: join(folder, name), fullPage });
  }
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  if (wide > width) console.log(`${width}: the page is ${wide} wide`);
  if (complaints.length > 0) console.log(width, complaints);
  await close();
}
await viewer.close();
