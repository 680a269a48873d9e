// Everybody whom the portal of the demonstration has jumps, saves a quote and comes back. Then a session begins at the calculator.

import { assert, known, leave, person, play, saveQuote, says } from './shared.mjs';

await play(async (browser) => {
  const page = await (await person(browser)).newPage();
  const jump = async (who) => {
    await page.click(`[data-who="${who}"]`);
    await page.waitForURL(`${known.calculator}/`);
    await page.locator('[data-no-quotes]').waitFor();
  };
  await page.goto(`${known.portal}/`);
  for (const who of ['broker', 'private-1', 'private-2']) {
    await jump(who);
    await saveQuote(page);
    await leave(page);
    await says(page, 'You are back');
  }

  await page.click('[data-begin]');
  await says(page, 'the next jump carries it');
  assert.notEqual(new URL(page.url()).searchParams.get('nonce'), null);
  await page.click('[data-who="private-1"]');
  await page.waitForURL(`${known.calculator}/`);
  await page.locator('[data-quote]').waitFor();
});
