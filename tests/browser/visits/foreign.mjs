// A page that is none of those which may bring jumps posts one to the calculator.

import { assert, known, person, play, says } from './shared.mjs';

await play(async (browser) => {
  const context = await person(browser);
  const page = await context.newPage();
  await page.goto(`${known.portal}/`);
  await page.evaluate(({ action, token }) => {
    const form = Object.assign(document.createElement('form'), { method: 'post', action });
    form.append(Object.assign(document.createElement('input'), { name: 'token', value: token }));
    document.body.append(form);
    form.submit();
  }, { action: `${known.calculator}/jump`, token: known.token });
  await page.waitForURL(`${known.calculator}/jump`);
  await says(page, 'Dieser Aufruf kam von einer unbekannten Seite.');
  assert.deepEqual(await context.cookies(), []);
});
