// The pages in a real browser, before the real daemons: everything a person does, and what they see when things go wrong.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import { accessible, killed, openBrowser } from '../harness/browser.mjs';
import { account, bin, noProcesses, processes, speech, startAgent, startCarrier, startPhony, temporaryFolder, until } from '../harness/phony.mjs';
import { hook, incoming, sid } from '../harness/webhooks.mjs';

const hello = speech('Hello, this is Anna. May I ask you something?');
const moment = speech('One moment please.');
const thanks = speech('Thank you. Goodbye!');
const agents = {
  'agent-test': { script: [{ say: 'Hello, this is Anna.', wav: hello.pattern }, { context: 'blue bicycle' }, { say: 'One moment please.', wav: moment.pattern }, { pause_ms: 60000 }] },
  'agent-asks': { script: [{ say: 'One moment please.', wav: moment.pattern }, { tool: 'ask_operator', parameters: { question: 'Window or garden?' } }, { say: 'Thank you. Goodbye!', wav: thanks.pattern }, { tool: 'end_call', parameters: {} }] },
  'agent-talks': { script: Array.from({ length: 6 }, (_, i) => ({ say: `Sentence ${i + 1}.`, wav: moment.pattern })).concat({ say: 'Thank you. Goodbye!', wav: thanks.pattern }, { tool: 'end_call', parameters: {} }) },
};
let agent, carrier, phony, browser, page, base, problems;

before(async () => {
  agent = await startAgent({ apiKey: 'xi-test-key-0001', agents });
  carrier = await startCarrier({ default: { script: [] }, recordings: { [`RE${'7'.repeat(32)}`]: true }, numbers: [account.number, '+12025550144'] });
  phony = await startPhony({ sims: { carrier, agent } });
  base = `http://127.0.0.1:${phony.port}`;
  ({ browser, page, problems } = await openBrowser({ base, expected: new RegExp(`${killed.source}|status of 40[01]`) }));
});
after(async () => {
  await browser?.close();
  await phony.stop();
  assert.deepEqual([await agent.stop(), await carrier.stop()], [0, 0]);
  await noProcesses();
});

const link = (name) => page.getByRole('navigation').getByRole('link', { name }).click();
const button = (name) => page.getByRole('button', { name, exact: true });
const sees = (text) => page.getByText(text).first().waitFor();

test('signing in: a wrong token is told, the right one stays', async () => {
  await page.goto(base);
  await page.getByLabel('API token').waitFor();
  await accessible(page, 'sign in');
  await page.getByLabel('API token').fill('wrong');
  await button('Sign in').click();
  await sees(/This is not the token/);
  await page.getByLabel('API token').fill(phony.token);
  await button('Sign in').click();
  await page.getByRole('heading', { name: 'Calls' }).waitFor();
  await sees('No calls yet.');
  await sees('Live');
  await page.reload();
  await page.getByRole('heading', { name: 'Calls' }).waitFor();
});

test('a call from the page: watched as it is spoken, steered, ended', async () => {
  await button('New call').click();
  await accessible(page, 'new call');
  await page.getByLabel('Number to call').fill('12');
  await page.getByLabel('Who the agent is').fill('You are Anna.');
  await page.getByLabel('What this call is for').fill('Ask about the bicycle.');
  await button('Call').click();
  await sees(/E\.164/);
  await page.getByLabel('Number to call').fill('+12025550131');
  await button('Call').click();
  await page.getByRole('heading', { name: 'Call to +12025550131' }).waitFor();
  await sees('Hello, this is Anna.');
  await accessible(page, 'a live call');
  await page.getByLabel('Something it should know').fill('It is the blue bicycle.');
  await button('Tell the agent').click();
  await page.locator('.turns').getByText('One moment please.').waitFor();
  const callSid = page.url().split('/').at(-1);
  await page.getByLabel('Keys').fill('12');
  await button('Press').click();
  await carrier.events.wait((e) => e.event === 'digits' && e.callSid === callSid && e.digits === '12', 'the digits');
  await button('Hold').click();
  await button('Resume').waitFor();
  await sees('on-hold');
  await button('Resume').click();
  await button('Hold').waitFor();
  // voiced dies while the page is open: it goes on by itself, and so does the call.
  process.kill(processes().find((p) => p.name === 'voiced').pid, 'SIGKILL');
  await page.getByText('Connecting…').waitFor();
  await page.locator('.live.on').waitFor({ timeout: 30000 });
  await button('Hang up').click();
  await page.locator('header .status.completed').waitFor();
  assert.equal(await button('Hang up').count(), 0, 'nothing is left to be steered');
  await accessible(page, 'a call that is over');
});

test('the list of calls is live: many at once', async () => {
  await link('Calls');
  const placed = await Promise.all(Array.from({ length: 20 }, (_, i) => phony.call(`+1303555${String(i).padStart(4, '0')}`)));
  await sees('20 live');
  await page.locator('tbody tr', { hasText: '+13035550007' }).getByText('Hello, this is Anna.').waitFor();
  await accessible(page, 'calls');
  // What was said last is known after a look at another page, too.
  await link('Operator');
  await page.getByRole('heading', { name: 'Operator' }).waitFor();
  await page.goBack();
  await page.locator('tbody tr', { hasText: '+13035550007' }).getByText('Hello, this is Anna.').waitFor();
  await button('End every call').click();
  await until(async () => (await page.getByText(/\d+ live/).count()) === 0, 'no live call on the page', 20000);
  for (const { body } of placed) await phony.over(body.callSid);
  await page.getByLabel('Search what was said').fill('Anna');
  await until(async () => (await page.locator('tbody tr').count()) >= 20, 'what was said to be found');
  await page.getByLabel('Search what was said').fill('zebra');
  await sees('Nobody said that.');
  await page.getByLabel('Search what was said').fill('');
});

test('a scheduled call: when it is due, and that it is not to be', async () => {
  const callAt = new Date(Date.now() + 40 * 86400e3);
  const { callSid } = (await phony.call('+12025550134', { callAt: callAt.toISOString() })).body;
  const due = await page.evaluate((ms) => new Date(ms).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' }), callAt.getTime());
  await page.locator('tbody tr', { hasText: '+12025550134' }).getByText(`due ${due}`).waitFor();
  await page.locator('tbody tr', { hasText: '+12025550134' }).getByRole('link').click();
  await sees(due);
  await sees('The call is not placed yet.');
  await accessible(page, 'a scheduled call');
  await button('Cancel the call').click();
  await page.locator('header .status.canceled').waitFor();
  assert.equal((await phony.api('GET', `/api/calls/${callSid}`)).body.status, 'canceled');
  assert.equal(await button('Cancel the call').count(), 0);
});

test('signed out in one tab is signed out in all, and so is signed in', async () => {
  const other = await page.context().newPage();
  await other.goto(base);
  await other.locator('.live.on').waitFor();
  await button('Sign out').click();
  await other.getByLabel('API token').waitFor();
  await page.getByLabel('API token').fill(phony.token);
  await button('Sign in').click();
  await page.locator('.live.on').waitFor();
  await other.locator('.live.on').waitFor();
  await other.close();
});

test('the transcript follows who speaks, and the recording is drawn', async () => {
  await page.setViewportSize({ width: 1280, height: 420 });
  const { callSid } = (await phony.call('+12025550133', { elevenLabsAgentId: 'agent-talks', record: true })).body;
  await page.goto(`${base}/#/calls/${callSid}`);
  const inSight = (text) => page.locator('.turns').getByText(text, { exact: true }).evaluate((e) => { const box = e.closest('.turns').getBoundingClientRect(), line = e.getBoundingClientRect(); return line.top >= box.top && line.bottom <= box.bottom + 1; });
  await page.locator('.turns').getByText('Sentence 6.').waitFor();
  assert.ok(await inSight('Sentence 6.'), 'the newest turn');
  assert.ok(!(await inSight('Sentence 1.')), 'it has scrolled');
  // Who reads further up is not torn away.
  await page.locator('.turns').evaluate((e) => { e.scrollTop = 0; });
  await page.locator('.turns').getByText('Thank you. Goodbye!').waitFor();
  assert.ok(await inSight('Sentence 1.'));
  await phony.over(callSid);
  await page.setViewportSize({ width: 1280, height: 900 });
  for (let i = 0; i < 4; i++) { // in some loads it was blank
    await page.reload();
    await button('Load the recording').click();
    await page.locator('canvas.wave').waitFor();
    await until(() => page.locator('canvas.wave').evaluate((c) => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((byte) => byte !== 0)), 'the waveform');
  }
});

test('a list that grows while more of it is shown loses no row; activity counts every call', async () => {
  const day = 86400000, now = Date.now();
  const lines = Array.from({ length: 450 }, (_, i) => ({ collection: 'calls', document: { callId: `old${i}`, secret: 's', callSid: `CA${i.toString(16).padStart(32, '0')}`, status: i < 300 ? 'failed' : 'completed', callType: 'outbound', fromNumber: account.number, toNumber: `+1415555${String(i).padStart(4, '0')}`, voiceProvider: 'elevenlabs',
    ...(i < 300 && { errorMessage: 'The line was broken.' }), startedAt: new Date(now - day - i * 60000).toISOString(), endedAt: new Date(now - day - i * 60000 + 30000).toISOString(), duration: 30, systemInstructions: 'x', callInstructions: 'y', tags: [] } }));
  const imported = spawnSync(bin('phony'), ['import'], { env: phony.env, input: lines.map((l) => JSON.stringify(l)).join('\n') });
  assert.equal(imported.status, 0, String(imported.stderr));
  await link('Calls');
  await page.reload();
  const rows = page.locator('tbody tr');
  await button('Show earlier ones').click();
  await until(async () => (await rows.count()) >= 400, 'a second page');
  const before = await rows.count();
  const placed = await Promise.all(['+12025550121', '+12025550122', '+12025550123'].map((to) => phony.call(to, { elevenLabsAgentId: 'agent-asks' })));
  for (const { body } of placed) { await phony.api('POST', `/api/calls/${body.callSid}/hangup`); await phony.over(body.callSid); }
  for (const to of ['+12025550121', '+12025550122', '+12025550123']) await rows.filter({ hasText: to }).waitFor();
  assert.equal(await rows.count(), before + 3, 'no row has gone');
  await link('Activity');
  await sees('300 × The line was broken.');
  const label = await page.getByRole('img', { name: /Calls of the last fourteen days/ }).getAttribute('aria-label');
  assert.ok(label.match(/\d+(?=,|$)/g).reduce((sum, n) => sum + Number(n), 0) >= 453, label);
});

test('a question of the agent is answered by a person', async () => {
  await link('Operator');
  await sees('No agent waits');
  const { callSid } = (await phony.call('+12025550132', { elevenLabsAgentId: 'agent-asks' })).body;
  await sees('Window or garden?');
  await page.getByRole('navigation').getByLabel('1 waiting').waitFor();
  await accessible(page, 'operator');
  await page.getByLabel('Your answer').fill('The garden, please.');
  await button('Answer').click();
  await sees('No agent waits');
  assert.equal((await phony.over(callSid)).status, 'completed');
});

test('messages: sent with a count of segments, delivered, received, found', async () => {
  await link('Messages');
  await sees('No messages yet.');
  await button('New message').click();
  await page.getByLabel('To', { exact: true }).fill('+12025550111');
  await page.getByLabel('Text', { exact: true }).fill('Grüße! Is the table free? €');
  await sees('1 segment (GSM-7)');
  await page.getByLabel('Text', { exact: true }).fill('Grüße! Is the table free? 🍽');
  await sees('1 segment (UCS-2)');
  await accessible(page, 'new message');
  await button('Send').click();
  await page.locator('.threads').getByText('Is the table free?').waitFor();
  await page.locator('.threads button').first().click();
  await page.locator('.turns .status.delivered').waitFor();
  await incoming(phony, { MessageSid: sid(1), From: '+12025550111', To: account.number, Body: 'Yes, at eight.', NumMedia: '0' });
  await page.locator('.turns').getByText('Yes, at eight.').waitFor();
  await accessible(page, 'messages');
});

test('messages: to many, and in a group, to all of it', async () => {
  await button('To many').click();
  await page.getByRole('dialog').getByLabel('Text', { exact: true }).fill('We open at nine.');
  await page.getByLabel('Recipients').fill('+12025550161\n+12025550162, +12025550163');
  await page.getByRole('dialog').getByRole('button', { name: 'Send to all' }).click();
  await sees(/To 3 people: [0-3] sent/);
  for (const to of ['+12025550161', '+12025550162', '+12025550163']) await carrier.events.wait((e) => e.event === 'message-created' && e.to === to, `the message to ${to}`);
  await until(async () => (await page.getByText(/To 3 people/).count()) === 0, 'the sending to be over');
  await button('New group').click();
  await page.getByLabel('Name', { exact: true }).fill('Team');
  await page.getByLabel('Your number').fill(account.number);
  await page.getByLabel('Participants').fill('+12025550171\n+12025550172');
  await button('Make the group').click();
  await page.getByRole('dialog', { name: 'Team' }).getByLabel('Text', { exact: true }).fill('Hello, team.');
  await page.getByRole('dialog').getByRole('button', { name: 'Send to all' }).click();
  await page.locator('.turns').getByText('Hello, team.').first().waitFor();
  await sees(/Team: /);
  await accessible(page, 'a group');
  await page.locator('section[aria-label=Conversation]').getByLabel('Text', { exact: true }).fill('Who comes?');
  await button('Send to all').click();
  for (const to of ['+12025550171', '+12025550172']) await carrier.events.wait((e) => e.event === 'message-created' && e.to === to && e.body === 'Who comes?', `the answer to ${to}`);
});

test('messages: however many there are, and a long conversation opens at its end', async () => {
  const from = '+12025550181';
  const arrives = (n) => incoming(phony, { MessageSid: sid(1000 + n), From: from, To: account.number, Body: `Line ${n}`, NumMedia: '0' });
  for (let i = 0; i < 229; i += 10) await Promise.all(Array.from({ length: Math.min(10, 229 - i) }, (_, k) => arrives(i + k + 1)));
  await arrives(230);
  await page.reload();
  await page.locator('.threads button', { hasText: from }).click();
  const seen = (text) => page.locator('.turns').getByText(text, { exact: true });
  await seen('Line 230').waitFor();
  await until(() => seen('Line 230').evaluate((e) => { const box = e.closest('.turns').getBoundingClientRect(), line = e.getBoundingClientRect(); return line.top >= box.top && line.bottom <= box.bottom + 1; }), 'the newest line to be in sight');
  while (await button('Show earlier messages').count()) { const before = await page.locator('.turns li').count(); await button('Show earlier messages').click(); await until(async () => (await page.locator('.turns li').count()) > before, 'earlier messages'); }
  assert.equal(await page.locator('.turns li').count(), 230);
  await button('Show earlier conversations').click();
  const oldest = page.locator('.threads button', { hasText: '+12025550161' });
  await oldest.waitFor();
  // What was chosen comes in sight, also where it stands below the list.
  const conversation = page.locator('section[aria-label=Conversation]');
  await page.setViewportSize({ width: 390, height: 420 });
  await oldest.click();
  await until(() => conversation.evaluate((e) => e.querySelector('.turns li') && e.getBoundingClientRect().top < innerHeight - 50), 'the conversation in sight');
  await page.setViewportSize({ width: 1280, height: 900 });
});

test('templates, numbers, voicemails', async () => {
  await link('Templates');
  await button('New call template').click();
  await page.getByLabel('Name', { exact: true }).fill('Booking');
  await page.getByLabel('Who the agent is').fill('You book tables.');
  await button('Save').click();
  await page.getByRole('heading', { name: /Booking/ }).waitFor();
  await button('New message template').click();
  await page.getByLabel('Name', { exact: true }).fill('late');
  await page.getByLabel('Text', { exact: true }).fill('We are late, {{name}}.');
  await button('Save').click();
  await sees('We are late, {{name}}.');
  await accessible(page, 'templates');
  await link('Numbers');
  const card = page.locator('.card', { hasText: '+12025550144' });
  await card.getByRole('button', { name: 'Answer its calls' }).click();
  await page.getByLabel('Callers get').selectOption('voicemail');
  await page.getByLabel('Greeting').fill('Leave a message.');
  await page.getByLabel('Let Twilio send').check();
  await button('Save').click();
  await card.getByText('Voicemail').waitFor();
  await carrier.events.wait((e) => e.event === 'number-update', 'the webhook to be set');
  await accessible(page, 'numbers');
  await link('Voicemails');
  await sees('No voicemails.');
  const recordingSid = `RE${'7'.repeat(32)}`;
  await hook(phony, '/voicemail/recording', { CallSid: `CA${'7'.repeat(32)}`, RecordingSid: recordingSid, RecordingUrl: 'https://api.twilio.com/x', RecordingDuration: '7', From: '+14045550002', To: '+12025550144', AccountSid: account.sid });
  await sees('The transcription is on its way.');
  await hook(phony, '/voicemail/transcription', { CallSid: `CA${'7'.repeat(32)}`, RecordingSid: recordingSid, TranscriptionStatus: 'completed', TranscriptionText: 'Please call me back.', AccountSid: account.sid });
  await sees('Please call me back.');
  await button('Listen').click();
  const length = await page.getByLabel('Voicemail', { exact: true }).evaluate((a) => new Promise((done, fail) => { a.onerror = () => fail(new Error('it is no audio')); if (a.duration) done(a.duration); else a.onloadedmetadata = () => done(a.duration); }));
  assert.equal(length, 1, 'a second of silence');
  await button('Mark as read').click();
  await button('Mark as unread').waitFor();
  await accessible(page, 'voicemails');
});

test('activity and health', async () => {
  await link('Activity');
  await sees(/placed/);
  await page.getByRole('img', { name: /Calls of the last fourteen days/ }).waitFor();
  await accessible(page, 'activity');
  await link('Health');
  await sees('ready for a call');
  await page.locator('tbody tr', { hasText: 'ready for a call' }).locator('td', { hasText: /seccomp|MB|phony|root/ }).first().waitFor();
  await button('Look at everything').click();
  await sees('Twilio\'s credentials');
  await sees('the clock');
  await accessible(page, 'health');
});

test('settings: changed in the page, in force in a moment, and back', async () => {
  const kept = async () => (await phony.api('GET', '/api/settings').catch(() => ({}))).body?.data?.settings.find((s) => s.name === 'SILENCE_SECONDS');
  const before = (await kept()).value;
  await link('Settings');
  await page.getByLabel('SILENCE_SECONDS').fill('33');
  await accessible(page, 'settings');
  await button('Keep').click();
  await sees(/SILENCE_SECONDS: Kept; in force in a moment/);
  await until(async () => (await kept())?.value === '33', 'the new value');
  await button('As configured').click();
  await until(async () => (await kept())?.value === before, 'the old value');
});

test('dark, and on a telephone: nothing is wider than the screen', async () => {
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.setViewportSize({ width: 360, height: 740 });
  for (const name of ['Calls', 'Messages', 'Voicemails', 'Templates', 'Numbers', 'Operator', 'Activity', 'Health', 'Settings']) {
    await link(name);
    await page.getByRole('heading', { name, level: 1 }).waitFor();
    await accessible(page, `${name}, dark`);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${name} is too wide`);
  }
});

test('the first load is small, quick, and kept by the browser', async () => {
  const fresh = await (await browser.newContext()).newPage();
  const sizes = [];
  fresh.on('response', async (response) => { if (!response.url().includes('/api/')) sizes.push(Number(response.headers()['content-length'])); });
  const begun = Date.now();
  await fresh.goto(base);
  await fresh.getByLabel('API token').waitFor();
  console.log(`first load: ${Math.round(sizes.reduce((a, b) => a + b, 0) / 1024)} KB, the form is there after ${Date.now() - begun} ms`);
  assert.ok(sizes.reduce((a, b) => a + b, 0) < 150 * 1024, sizes.join());
  await fresh.context().close();
  const index = await fetch(base, { headers: { 'accept-encoding': 'gzip' } });
  const asset = /src="(\/assets\/[^"]+)"/.exec(await index.text())[1];
  const answer = await fetch(base + asset, { headers: { 'accept-encoding': 'gzip' } });
  assert.match(answer.headers.get('cache-control'), /immutable/);
  assert.equal((await fetch(base + asset, { headers: { 'if-none-match': answer.headers.get('etag') } })).status, 304);
  assert.equal((await fetch(base, { method: 'POST' })).status, 405);
});

test('signed out, nothing is shown; no page ever failed', async () => {
  await page.setViewportSize({ width: 1280, height: 900 });
  await button('Sign out').click();
  await page.getByLabel('API token').waitFor();
  await page.goto(`${base}/#/messages`);
  await page.getByLabel('API token').waitFor();
  assert.equal(await page.getByText('Yes, at eight.').count(), 0);
  assert.deepEqual(problems, []);
});
