// The session that began at the calculator gets the jump that was made for it.

import { arrive, known, person, play } from './shared.mjs';

await play(async (browser) => {
  const page = await (await person(browser, { storageState: known.browser })).newPage();
  await arrive(page, known.link);
});
