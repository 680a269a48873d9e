// A link that is too old.

import { assert, known, listen, person, play, posted, says, state } from './shared.mjs';

await play(async (browser) => {
  const context = await person(browser);
  const requests = listen(context);
  const page = await context.newPage();
  await page.goto(known.link);
  await state(page, 'expired');
  await says(page, 'Dieser Link ist abgelaufen.');
  assert.equal(new URL(page.url()).hash, '');
  assert.equal(posted(requests), 0);
  await page.click('#portal');
  await page.waitForURL(`${known.portal}/`);
});
