// A session begins at the calculator, which gives it a nonce. Then somebody else's link is opened in it.

import { assert, known, person, play, says } from './shared.mjs';

await play(async (browser) => {
  const context = await person(browser);
  const page = await context.newPage();
  await page.goto(`${known.calculator}/begin?return=${encodeURIComponent(`${known.portal}/`)}`);
  const address = new URL(page.url());
  assert.equal(address.origin, known.portal);

  for (const planted of known.planted) {
    await page.goto(planted);
    await page.waitForURL(`${known.calculator}/jump/invalid`);
    await says(page, 'Dieser Link funktioniert hier nicht.');
    const answer = await page.goto(`${known.calculator}/`);
    assert.equal(answer.status(), 403, 'there is no session');
  }
  return { nonce: address.searchParams.get('nonce'), browser: await context.storageState() };
});
