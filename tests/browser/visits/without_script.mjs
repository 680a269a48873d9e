// A browser without JavaScript, in both languages.

import { assert, known, listen, person, play, posted, says } from './shared.mjs';

await play(async (browser) => {
  for (const [locale, text] of [['de-DE', 'Ohne JavaScript und einen Browser von 2022'], ['en-GB', 'cannot go on without JavaScript']]) {
    const context = await person(browser, { javaScriptEnabled: false, locale });
    const requests = listen(context);
    const page = await context.newPage();
    await page.goto(known.link);
    await says(page, text);
    await page.locator('#portal').waitFor();
    assert.equal(posted(requests), 0);
  }
});
