// What a jump leaves behind in the browser: requests, and the history of the tab.

import { arrive, known, leave, listen, person, play, saveQuote } from './shared.mjs';

await play(async (browser) => {
  const context = await person(browser);
  const requests = listen(context);
  const page = await context.newPage();
  const cdp = await context.newCDPSession(page);
  const addresses = [];
  const look = async () => {
    const { entries } = await cdp.send('Page.getNavigationHistory');
    addresses.push(...entries.map(({ url, userTypedURL }) => `${url} ${userTypedURL}`), await page.evaluate('location.href'));
  };
  await page.goto(`${known.portal}/`);
  await arrive(page, known.link);
  await look();
  await saveQuote(page);
  await look();
  await leave(page);
  await look();
  while ((await page.goBack()) !== null) {
    await look();
  }
  return { requests, addresses };
});
