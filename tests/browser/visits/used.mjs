// A link that was copied: it is opened a second time by somebody else.

import { arrive, assert, known, person, play, says } from './shared.mjs';

await play(async (browser) => {
  const first = await (await person(browser)).newPage();
  await arrive(first, known.link);

  const second = await (await person(browser)).newPage();
  await second.goto(known.link);
  await second.waitForURL(`${known.calculator}/jump/used`);
  await says(second, 'Dieser Link wurde schon benutzt.');
  await second.locator('[data-way]').waitFor();
  assert.equal((await second.context().cookies()).length, 0);

  // Somebody may sit in the first session who is not the one that the link was for.
  await first.reload();
  await says(first, 'Ihre Sitzung ist beendet.');
  await first.click('[data-way]');
  await first.waitForURL(`${known.portal}/zurueck`);
});
