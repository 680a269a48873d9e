// A person goes back to a portal that sends him on to another origin of its own.

import { arrive, known, person, play, says } from './shared.mjs';

await play(async (browser) => {
  const page = await (await person(browser)).newPage();
  await arrive(page, known.link);
  await page.click('[data-leave]');
  await page.waitForURL(known.home);
  await says(page, 'Willkommen zurück');

  await page.goto(`${known.calculator}/`);
  await says(page, 'Sie sind nicht angemeldet.');
});
