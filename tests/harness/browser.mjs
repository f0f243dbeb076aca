// The pages in a real browser: Debian's Chromium, driven by playwright-core.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

// What Chromium says of a server that was killed, and of the next one that is not ready yet.
export const killed = /net::ERR_(CONNECTION_(REFUSED|RESET|CLOSED|ABORTED)|EMPTY_RESPONSE|INCOMPLETE_CHUNKED_ENCODING|CONTENT_LENGTH_MISMATCH|SOCKET_NOT_CONNECTED)|WebSocket connection to|status of 503/;

const axe = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

// microphone: a WAV file that is heard again and again. What the page complains of, and what it asks of other hosts than
// base, goes to problems, but for what `expected` matches.
export async function openBrowser({ base, microphone, size = { width: 1280, height: 900 }, expected = /^$/, ...context }) {
  const args = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
  if (microphone) args.push('--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream', `--use-file-for-fake-audio-capture=${microphone}`);
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args });
  const page = await (await browser.newContext({ viewport: size, ...context })).newPage();
  const problems = [];
  page.setDefaultTimeout(15000);
  page.on('pageerror', (error) => problems.push(`error: ${error.message}`));
  page.on('console', (message) => { if (message.type() === 'error' && !expected.test(message.text())) problems.push(`console: ${message.text()}`); });
  page.on('request', (request) => { if (!request.url().startsWith(base) && !/^(data|blob):/.test(request.url())) problems.push(`a request elsewhere: ${request.url()}`); });
  page.on('dialog', (dialog) => dialog.accept());
  return { browser, page, problems };
}

export async function signIn(page, base, token) {
  await page.goto(base);
  await page.getByLabel('API token').fill(token);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByRole('heading', { name: 'Calls' }).waitFor();
}

// Begins a call in which this page is the phone; gives its SID.
export async function talk(page, base, agentId) {
  await page.goto(`${base}/#/calls`);
  await page.getByRole('button', { name: 'New call', exact: true }).click();
  await page.getByLabel('Whom').selectOption('here');
  await page.getByLabel('Who the agent is').fill('You are Anna, and polite.');
  await page.getByLabel('What this call is for').fill('Ask whether it pleases.');
  await page.getByLabel('Voice provider').selectOption('elevenlabs');
  await page.getByRole('textbox', { name: 'Agent', exact: true }).fill(agentId);
  await page.getByRole('button', { name: 'Talk', exact: true }).click();
  await page.waitForURL(/#\/calls\/CA[0-9a-f]{32}$/);
  return /CA[0-9a-f]{32}$/.exec(page.url())[0];
}

// What axe finds on the page as it stands: nothing.
export async function accessible(page, what) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html.slice(0, 120)).join(' | ')}`), [], what);
}
