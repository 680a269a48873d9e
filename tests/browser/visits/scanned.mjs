// Before the person clicks, a mail scanner asks for the link, and a browser fetches it in advance.

import { arrive, assert, known, person, play } from './shared.mjs';

await play(async (browser) => {
  const scanner = (await person(browser)).request;
  for (let time = 0; time < 3; time += 1) {
    assert.equal((await scanner.head(known.link)).status(), 200);
    assert.equal((await scanner.get(known.link)).status(), 200);
  }

  const page = await (await person(browser)).newPage();
  await page.goto(`${known.portal}/`);
  const fetched = page.waitForResponse((response) => response.url().startsWith(`${known.gateway}/j/`));
  await page.evaluate((href) => {
    document.head.append(Object.assign(document.createElement('link'), { rel: 'prefetch', href }));
  }, known.link);
  assert.equal((await fetched).status(), 200);

  await arrive(page, known.link);
});
