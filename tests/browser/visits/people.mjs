// A broker and two customers jump, save a quote each, look for the others' and go back.

import { arrive, assert, known, leave, person, play, saveQuote, says } from './shared.mjs';

await play(async (browser) => {
  const quotes = [];
  for (const { link, as } of known.people) {
    const page = await (await person(browser)).newPage();
    await arrive(page, link);
    assert.match(await page.textContent('[data-who]'), new RegExp(as));
    await page.locator('[data-no-quotes]').waitFor();
    assert.deepEqual(await page.locator('[data-quote]').count(), 0);

    for (const other of quotes) {
      const answer = await page.goto(other);
      assert.equal(answer.status(), 404);
      await says(page, 'Diese Seite gibt es nicht.');
    }
    await page.goto(`${known.calculator}/`);
    const own = await saveQuote(page);
    await page.goto(`${known.calculator}/`);
    assert.equal(await page.locator('[data-quote]').count(), 1);
    assert.equal(new URL(await page.getAttribute('[data-quote]', 'href'), known.calculator).href, own);
    quotes.push(own);

    await leave(page);
    await says(page, 'Willkommen zurück');
    const answer = await page.goto(own);
    assert.equal(answer.status(), 403, 'the session has ended');
  }
  return new Set(quotes).size;
});
