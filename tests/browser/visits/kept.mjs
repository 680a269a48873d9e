// Something keeps the browser from posting by itself: an extension, or its age.

import { assert, known, listen, person, play, posted, says, state } from './shared.mjs';

await play(async (browser) => {
  const old = await person(browser);
  await old.addInitScript(() => { delete window.FormDataEvent; });
  const unposted = listen(old);
  const outdated = await old.newPage();
  await outdated.goto(known.link);
  await says(outdated, 'einen Browser von 2022 oder neuer');
  assert.equal(new URL(outdated.url()).hash, '');
  assert.equal(posted(unposted), 0);

  const context = await person(browser);
  await context.addInitScript(() => { HTMLFormElement.prototype.submit = () => { throw new Error('not here'); }; });
  const requests = listen(context);
  const page = await context.newPage();
  await page.goto(known.link);
  await state(page, 'stuck');
  assert.equal(posted(requests), 0);
  await page.click('#continue');
  await page.waitForURL(`${known.calculator}/`);
  await page.locator('[data-quote-form]').waitFor();
  return posted(requests);
});
