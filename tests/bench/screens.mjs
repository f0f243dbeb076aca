// `make screens`: the pages as docs/ shows them, taken from the real daemons with simulators, and what they were made from.
import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { openBrowser, signIn } from '../harness/browser.mjs';
import { account, root, speech, startAgent, startCarrier, startPhony, temporaryFolder, until } from '../harness/phony.mjs';
import { incoming, sid } from '../harness/webhooks.mjs';

// What the pages look like depends on these.
export function sources() {
  const hash = createHash('sha256');
  const folder = path.join(root, 'voiced/ui/src');
  for (const file of fs.readdirSync(folder, { recursive: true }).filter((name) => fs.statSync(path.join(folder, name)).isFile()).toSorted()) hash.update(file).update(fs.readFileSync(path.join(folder, file)));
  return hash.digest('hex');
}

async function take() {
  const out = path.join(root, 'docs/screens'), folder = temporaryFolder();
  fs.mkdirSync(out, { recursive: true });
  const hello = speech('Hello, this is Anna, calling for Ms Smith. Do you have a table for two tonight at eight?');
  const great = speech('Wonderful. Is that by the window?');
  const answer = speech('Yes, we have one left at eight.', { voice: 'en-us' });
  const say = [{ say: 'Hello, this is Anna, calling for Ms Smith. Do you have a table for two tonight at eight?', wav: hello.pattern }, { hear: 'Yes, we have one left at eight.' }, { say: 'Wonderful. Is that by the window?', wav: great.pattern }, { pause_ms: 600000 }];
  const microphone = path.join(folder, 'microphone.wav');
  execFileSync('sox', [answer.at(48000), microphone, 'pad', '1', '9']);
  const agent = await startAgent({ apiKey: 'xi-test-key-0001', agents: { 'agent-test': { script: say } } });
  const carrier = await startCarrier({ default: { script: [{ hear: true }, { say: answer.at(8000) }, { pause_ms: 600000 }] }, numbers: [account.number, '+12025550144'] });
  const phony = await startPhony({ sims: { carrier, agent }, settings: { RECORD_CALLS: 'true' } });
  const base = `http://127.0.0.1:${phony.port}`;
  const { browser, page } = await openBrowser({ base, microphone, size: { width: 1180, height: 760 }, colorScheme: 'light' });
  const shot = (name) => page.screenshot({ path: path.join(out, `${name}.png`) });
  const instructions = { systemInstructions: 'You are Anna, assistant of Ms Smith. You are friendly and brief.', callInstructions: 'Book a table for two, tonight at 8 pm.' };
  const link = (name) => page.getByRole('navigation').getByRole('link', { name }).click();
  await signIn(page, base, phony.token);
  // A few that are over, a few live.
  for (let i = 0; i < 4; i++) {
    const { body } = await phony.call(`+1303555010${i}`, instructions);
    await until(async () => (await phony.api('GET', `/api/calls/${body.callSid}`)).body.conversationHistory.length === 3, 'the talk', 60000);
    await phony.api('POST', `/api/calls/${body.callSid}/hangup`);
    await phony.over(body.callSid);
  }
  const live = [];
  for (let i = 0; i < 3; i++) live.push((await phony.call(`+1404555020${i}`, instructions)).body.callSid);
  await until(async () => (await phony.api('GET', `/api/calls/${live[2]}`)).body.conversationHistory.length === 3, 'the talk', 60000);
  await page.getByText('3 live').waitFor();
  await shot('calls');
  await page.goto(`${base}/#/calls/${live[1]}`);
  await page.getByText('Wonderful. Is that by the window?').first().waitFor();
  await shot('call');
  for (const [n, text] of [[1, 'Hello! Is the bicycle still for sale?'], [2, 'I could come by on Saturday.']]) await incoming(phony, { MessageSid: sid(n), From: '+12025550111', To: account.number, Body: text, NumMedia: '0' });
  await phony.api('POST', '/api/sms/send', { toNumber: '+12025550111', body: 'It is. Saturday at ten would be fine.' });
  await until(async () => (await phony.api('GET', '/api/sms/messages?status=delivered')).body.data.count === 1, 'the delivery');
  await link('Messages');
  await page.locator('.threads button').first().click();
  await page.getByText('Saturday at ten').first().waitFor();
  await shot('messages');
  await link('Activity');
  await page.getByRole('img', { name: /Calls of the last fourteen days/ }).waitFor();
  await shot('activity');
  await link('Health');
  await page.getByRole('button', { name: 'Look at everything' }).click();
  await page.getByText('Twilio\'s credentials').waitFor();
  await shot('health');
  await link('Settings');
  await page.getByLabel('SILENCE_SECONDS').waitFor();
  await shot('settings');
  await link('Calls');
  await page.getByRole('button', { name: 'New call' }).click();
  await page.getByLabel('Whom').selectOption('here');
  await page.getByLabel('Who the agent is').fill(instructions.systemInstructions);
  await page.getByLabel('What this call is for').fill(instructions.callInstructions);
  await page.getByRole('button', { name: 'Talk', exact: true }).click();
  await page.getByText('Wonderful. Is that by the window?').first().waitFor({ timeout: 60000 });
  await shot('browser-call');
  fs.writeFileSync(path.join(out, 'made-from'), `${sources()}\n`);
  await browser.close();
  await phony.stop();
  await agent.stop();
  await carrier.stop();
  fs.rmSync(folder, { recursive: true, force: true });
}

if (import.meta.url === `file://${process.argv[1]}`) await take();
