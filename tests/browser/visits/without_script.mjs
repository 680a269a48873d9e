// A browser without JavaScript, in both languages.

import { assert, known, listen, person, play, posted } from './shared.mjs';

await play(async (browser) => {
  for (const [locale, text] of [['de-DE', 'Ohne JavaScript geht es hier nicht weiter'], ['en-GB', 'cannot go on without JavaScript']]) {
    const context = await person(browser, { javaScriptEnabled: false, locale });
    const requests = listen(context);
    const page = await context.newPage();
    await page.goto(known.link);
    // Not by its text: playwright looks into no `noscript`.
    const told = page.locator('noscript > p');
    await told.waitFor();
    assert.ok((await told.textContent()).includes(text));
    await page.locator('#portal').waitFor();
    assert.equal(posted(requests), 0);
  }
});
