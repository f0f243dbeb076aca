// A call in the browser: the page is the phone, with Chromium's fake microphone, before the real daemons.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import vm from 'node:vm';
import { accessible, killed, openBrowser, signIn, talk } from '../harness/browser.mjs';
import { noProcesses, processes, root, speech, startAgent, startCarrier, startPhony, temporaryFolder, until } from '../harness/phony.mjs';

const hello = speech('Hello, this is Anna. May I ask you something?');
const moment = speech('One moment please.');
const thanks = speech('Thank you. Goodbye!');
const agents = {
  'agent-test': { script: [{ say: 'Hello, this is Anna.', wav: hello.pattern }, { hear: 'Yes, please.' }, { say: 'Thank you. Goodbye!', wav: thanks.pattern }] },
  'agent-patient': { script: [{ say: 'One moment please.', wav: moment.pattern }, { pause_ms: 60000 }] },
};
const folder = temporaryFolder();
let agent, carrier, phony, browser, page, base, problems;

before(async () => {
  // What the microphone hears, again and again: a while of silence, then three words.
  const words = path.join(folder, 'microphone.wav');
  execFileSync('sox', [speech('Yes, please.', { voice: 'en-us' }).at(48000), words, 'pad', '4', '4']);
  agent = await startAgent({ apiKey: 'xi-test-key-0001', agents });
  carrier = await startCarrier({ default: { script: [] } });
  phony = await startPhony({ sims: { carrier, agent }, settings: { RECORD_CALLS: 'true' } });
  base = `http://127.0.0.1:${phony.port}`;
  ({ browser, page, problems } = await openBrowser({ base, microphone: words, expected: killed }));
  await signIn(page, base, phony.token);
});
after(async () => {
  await browser?.close();
  await phony.stop();
  assert.deepEqual([...agent.events.items, ...carrier.events.items].filter((e) => e.event === 'violation'), []);
  assert.deepEqual([await agent.stop(), await carrier.stop()], [0, 0]);
  await noProcesses();
  fs.rmSync(folder, { recursive: true, force: true });
});

const button = (name) => page.getByRole('button', { name, exact: true });
const panel = () => page.getByRole('region', { name: 'Your call' });
const events = async (sid) => (await phony.api('GET', `/api/calls/${sid}/events`)).body.events;
const said = async (sid) => (await phony.api('GET', `/api/calls/${sid}`)).body.conversationHistory.map((t) => t.content);

// The worklet's own resampler, in a realm with the rate of a device.
test('a device of any rate: speech is kept as it is, what is above 4 kHz is not folded into it', () => {
  const code = fs.readFileSync(path.join(root, 'voiced/ui/src/line.worklet.js'), 'utf8');
  for (const rate of [8000, 16000, 44100, 48000, 96000]) {
    const realm = vm.createContext({ sampleRate: rate, AudioWorkletProcessor: class { port = {}; }, registerProcessor() {} });
    const Resampler = vm.runInContext(`${code}; Resampler`, realm);
    const level = (hz, from, to) => { // of one second of a tone, in dB to what went in
      const resampler = new Resampler(from, to), out = [];
      for (let i = 0; i < from; i++) for (resampler.put(Math.sin(2 * Math.PI * hz * i / from)); resampler.ready;) out.push(resampler.give());
      assert.ok(Math.abs(out.length - to) <= Math.ceil(to / from), `${out.length} samples of ${to}`);
      const middle = out.slice(to / 4, to * 3 / 4);
      return 10 * Math.log10(2 * middle.reduce((sum, sample) => sum + sample * sample, 0) / middle.length + 1e-12);
    };
    for (const hz of [300, 1000, 3000]) assert.deepEqual([Math.abs(level(hz, rate, 8000)) < 0.1, Math.abs(level(hz, 8000, rate)) < 0.1], [true, true], `${hz} Hz at ${rate}`);
    for (const hz of [4600, 7000, 20000]) if (hz < rate / 2) assert.ok(level(hz, rate, 8000) < -55, `${hz} Hz at ${rate}: ${level(hz, rate, 8000)} dB`);
  }
});

test('a whole call: the agent is heard, hears, says goodbye, and the line is closed', async () => {
  const sid = await talk(page, base, 'agent-test');
  await panel().waitFor();
  await page.getByText('The agent is speaking').waitFor();
  // The loudspeaker's meter moves while the agent speaks, the microphone's while the person does.
  await page.waitForFunction(() => document.querySelectorAll('.phone meter')[1]?.value > 0.2);
  await accessible(page, 'a call');
  await page.waitForFunction(() => document.querySelectorAll('.phone meter')[0]?.value > 0.2);
  await page.getByText('The person is speaking').waitFor();
  await page.getByText('Thank you. Goodbye!').first().waitFor();
  await panel().waitFor({ state: 'detached' });
  const call = await phony.over(sid);
  assert.equal(call.status, 'completed');
  assert.equal(call.direction, 'browser');
  assert.deepEqual(call.conversationHistory.map((t) => t.content), ['Hello, this is Anna.', 'Yes, please.', 'Thank you. Goodbye!']);
  // Everything that the agent said was heard: each mark came back before the call was left.
  const end = (await events(sid)).find((e) => e.type === 'stream-ended').data;
  assert.equal(end.fault, undefined);
  const recording = await fetch(`${base}/api/calls/${sid}/recording`, { headers: { authorization: `Bearer ${phony.token}` } });
  assert.equal(recording.status, 200);
  assert.ok((await recording.arrayBuffer()).byteLength > 5 * 32000, 'both voices, for as long as the call was');
  assert.deepEqual(carrier.events.filter((e) => e.event === 'call-created' || e.callSid === sid), [], 'Twilio knows nothing of it');
  assert.equal((await phony.api('GET', '/api/stats')).body.data.calls, 0, 'nobody was telephoned');
});

test('its process is killed: the page comes back, and the call goes on with what was said', async () => {
  const sid = await talk(page, base, 'agent-patient');
  await page.getByText('One moment please.').first().waitFor();
  const worker = processes().find((p) => p.name === 'callworker' && p.title.includes(sid));
  process.kill(worker.pid, 'SIGKILL');
  const again = await agent.events.wait((e) => e.event === 'initiated' && e.prompt.includes('THE CALL SO FAR'), 'the next conversation');
  assert.match(again.prompt, /You: One moment please\./);
  await until(async () => (await events(sid)).some((e) => e.type === 'agent-connected' && e.attempt === 1), 'the agent again');
  // Voiced is killed: nobody on the line notices.
  process.kill(processes().find((p) => p.name === 'voiced').pid, 'SIGKILL');
  await phony.log.wait((l) => l.includes(`${sid}: callworker`) && l.includes('is back'), 'the worker to be taken back');
  await button('Mute').click();
  await button('Unmute').waitFor();
  await button('Keys').click();
  await button('5').click();
  await until(async () => (await events(sid)).some((e) => e.type === 'dtmf-received' && e.data.digit === '5'), 'the key');
  await panel().getByRole('button', { name: 'Hang up' }).click();
  await panel().waitFor({ state: 'detached' });
  const call = await phony.over(sid);
  assert.deepEqual([call.status, call.endReason], ['completed', 'the person hung up']);
  assert.equal((await said(sid))[0], 'One moment please.');
});

test('hung up from elsewhere, the page is told; a process that dies again and again ends the call as failed', async () => {
  const sid = await talk(page, base, 'agent-patient');
  await until(async () => (await events(sid)).some((e) => e.type === 'agent-connected'), 'the agent');
  assert.equal((await phony.api('POST', `/api/calls/${sid}/transfer`, { toNumber: '+12025550199' })).status, 409);
  assert.equal((await phony.api('POST', `/api/calls/${sid}/hangup`)).status, 200);
  await panel().waitFor({ state: 'detached' });
  assert.deepEqual([(await phony.over(sid)).status, (await phony.over(sid)).endReason], ['completed', 'hung up on request']);

  const ill = await talk(page, base, 'agent-patient');
  for (let i = 0; i < 4; i++) {
    await until(async () => (await events(ill)).some((e) => e.type === 'stream-started' && e.attempt === i), `stream ${i}`);
    process.kill(processes().find((p) => p.name === 'callworker' && p.title.includes(ill)).pid, 'SIGKILL');
  }
  const call = await phony.over(ill);
  assert.deepEqual([call.status, call.errorMessage], ['failed', "the stream broke again and again: the call's process was ended by SIGKILL (signal 9)"]);
  await panel().waitFor({ state: 'detached' });
});

test('a page that goes away ends its call; one that never came is told so', async () => {
  const sid = await talk(page, base, 'agent-patient');
  await until(async () => (await events(sid)).some((e) => e.type === 'agent-connected'), 'the agent');
  await page.reload();
  assert.equal((await phony.over(sid)).status, 'completed');
  const ask = (body) => phony.api('POST', '/api/calls/browser', { systemInstructions: 'You are polite.', callInstructions: 'Talk.', ...body });
  const bad = await ask({ toNumber: '+12025550198', retries: 2 });
  assert.equal(bad.status, 400);
  assert.match(bad.body.message, /toNumber means nothing.*retries means nothing/s);
  assert.equal((await fetch(`${base}/api/calls/browser`, { method: 'POST', body: '{}' })).status, 401);
  const { status, body } = await ask({});
  assert.equal(status, 201);
  assert.match(body.streamPath, /^\/call\/connection-browser\/[A-Za-z0-9]+$/);
  await phony.api('POST', `/api/calls/${body.callSid}/hangup`);
  assert.equal((await phony.over(body.callSid)).status, 'completed');
  const late = await fetch(`${base}${body.streamPath}`, { headers: { upgrade: 'websocket' } }).catch((e) => e);
  assert.ok(late instanceof Error || late.status >= 400);
  assert.deepEqual(problems, []);
});
