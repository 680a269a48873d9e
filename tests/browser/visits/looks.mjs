// Every page in one language, narrow and wide: nothing to scroll sideways, no serious finding of axe, and a picture.

import { createRequire } from 'node:module';
import { join } from 'node:path';
import { arrive, assert, known, person, play, posted, listen, saveQuote, state } from './shared.mjs';

const axe = createRequire(import.meta.url)('axe-core');
const WIDTHS = [360, 1280];
let pages = 0;

// Looks at a page as it is now.
async function look(page, name) {
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: 800 });
    const overhang = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.equal(overhang, 0, `${name} at ${width}`);
    await page.screenshot({ path: join(process.env.SCREENSHOTS, `${name}-${known.language}-${width}.png`), fullPage: true });
  }
  assert.equal(await page.getAttribute('html', 'lang'), known.language, name);
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => axe.run());
  const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
  const found = serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
  assert.deepEqual(found, [], name);
  pages += 1;
}

await play(async (browser) => {
  const context = await person(browser, { locale: known.locale });
  const requests = listen(context);
  const page = await context.newPage();

  await page.goto(known.landing);
  await state(page, 'spent');
  await look(page, 'landing-spent');
  // Those in which a browser is only for a moment, or which it gets into by a defect of the target: set by hand.
  for (const name of ['waiting', 'leaving', 'stuck', 'blocked']) {
    await page.evaluate((name) => { document.documentElement.dataset.state = name; }, name);
    await look(page, `landing-${name}`);
  }
  await page.goto(known.old);
  await state(page, 'expired');
  await look(page, 'landing-expired');
  await page.goto(known.closed);
  await look(page, 'landing-closed');
  await page.goto(known.missing);
  await look(page, 'landing-missing');
  assert.equal(posted(requests), 0);

  await arrive(page, known.link);
  await look(page, 'calculator-empty');
  const quote = await saveQuote(page);
  await look(page, 'quote');
  await page.goto(`${known.calculator}/`);
  await look(page, 'calculator');
  await page.fill('#age', '7');
  await page.click('[data-save]');
  await page.locator('[data-errors]').waitFor();
  await look(page, 'calculator-errors');
  await page.goto(`${known.calculator}/nowhere`);
  await look(page, 'not-found');
  await page.goto(known.used);
  await page.waitForURL(`${known.calculator}/jump/used`);
  await look(page, 'link-used');
  await page.goto(known.invalid);
  await page.waitForURL(`${known.calculator}/jump/invalid`);
  await look(page, 'link-invalid');
  await page.goto(`${known.calculator}/left/nothing`);
  await look(page, 'left');
  await context.clearCookies();
  await page.goto(quote);
  await look(page, 'no-session');
  return pages;
});
