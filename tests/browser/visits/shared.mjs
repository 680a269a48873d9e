// What every visit needs: the browser, what the test knows, and what a person sees.

import assert from 'node:assert/strict';
import { json } from 'node:stream/consumers';
import { chromium } from 'playwright-core';

// What the test knows: origins and links.
export const known = await json(process.stdin);

const PATIENCE = 15_000;

// Opens the browser, plays the visit, and prints what came of it.
export async function play(visit) {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM });
  try {
    const seen = await visit(browser);
    console.log(JSON.stringify(seen ?? null));
  } finally {
    await browser.close();
  }
}

// A person of his own: nothing is shared with others.
export async function person(browser, options = {}) {
  const context = await browser.newContext({ locale: 'de-DE', ...options });
  context.setDefaultTimeout(PATIENCE);
  return context;
}

// Follows a link and waits until the calculator is there.
export async function arrive(page, link) {
  await page.goto(link);
  await page.waitForURL(`${known.calculator}/`);
  await page.locator('[data-quote-form]').waitFor();
}

// Saves a quote; gives its address.
export async function saveQuote(page, km = '12000') {
  await page.fill('#km', km);
  await page.click('[data-save]');
  await page.locator('[data-premium]').waitFor();
  return page.url();
}

// Leaves by the button; the portal greets.
export async function leave(page) {
  await page.click('[data-leave]');
  await page.waitForURL(`${known.portal}/zurueck`);
}

// The page says this. Text that is there but hidden is not said.
export async function says(page, text) {
  await page.getByText(text, { exact: false }).filter({ visible: true }).first().waitFor();
}

// The landing page is in this state.
export async function state(page, name) {
  await page.locator(`html[data-state="${name}"]`).waitFor();
}

// Every request from now on: method, address, and where it says it comes from.
export function listen(context) {
  const requests = [];
  context.on('request', (request) => {
    requests.push({ method: request.method(), url: request.url(), referer: request.headers().referer ?? '' });
  });
  return requests;
}

// How many jumps were posted to the calculator.
export function posted(requests) {
  return requests.filter(({ method, url }) => method === 'POST' && url === `${known.calculator}/jump`).length;
}

export { assert };
