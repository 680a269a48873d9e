// Somebody reloads, goes back and forward, and opens a second tab.

import { arrive, assert, known, listen, person, play, posted, says, state } from './shared.mjs';

await play(async (browser) => {
  const context = await person(browser);
  const requests = listen(context);
  const errors = [];
  context.on('response', (response) => {
    if (response.status() >= 400 && !response.url().endsWith('/favicon.ico')) errors.push(`${response.status()} ${response.url()}`);
  });
  const page = await context.newPage();
  await page.goto(`${known.portal}/`);
  await arrive(page, known.link);

  await page.reload();
  await page.locator('[data-quote-form]').waitFor();
  await page.goBack();
  assert.equal(page.url(), `${known.portal}/`, 'the landing page has no place in the history');
  await page.goForward();
  await page.locator('[data-quote-form]').waitFor();

  const tab = await context.newPage();
  await tab.goto(`${known.calculator}/`);
  await tab.locator('[data-quote-form]').waitFor();
  await page.reload();
  await page.locator('[data-quote-form]').waitFor();

  // The address of the landing page, as the history of the browser may offer it.
  await tab.goto(known.landing);
  await state(tab, 'spent');
  await tab.goBack();
  await tab.locator('[data-quote-form]').waitFor();

  // The link itself, while it could still be redeemed: a second press, or a copy in the same browser.
  const copy = await context.newPage();
  await copy.goto(known.link);
  await state(copy, 'spent');
  await page.reload();
  await page.locator('[data-quote-form]').waitFor();
  assert.deepEqual(errors, []);

  // con:center does not take this person's password: a page that invites to another try.
  await tab.goto(known.refused);
  await tab.waitForURL(`${known.calculator}/jump/password`);
  await tab.reload();
  await says(tab, 'Die Anmeldung war nicht möglich.');
  return posted(requests);
});
