// The database away, back, slow; the disk full; everything moved from one to the other.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, test } from 'node:test';
import { account, bin, endAll, freePort, killAll, noProcesses, poorEnvironment, processes, settings, speech, startAgent, startCarrier, startMongo, startPhony, temporaryFolder, until } from '../harness/phony.mjs';
import { Proxy } from '../harness/proxy.mjs';
import { incoming, sid, status } from '../harness/webhooks.mjs';

afterEach((t) => { if (t.error) endAll(); });

const us = account.number;
const send = (phony, to, body) => phony.api('POST', '/api/sms/send', { toNumber: to, body });
const get = (phony, id) => phony.api('GET', `/api/sms/messages/${id}`);
const ready = async (phony) => (await phony.api('GET', '/ready')).body.status;
const one = (n, from = '+12025550111', Body = `message ${n}`) => ({ MessageSid: sid(n), From: from, To: us, Body, NumMedia: '0' });

function phonyCommand(command, env, input) {
  return new Promise((done) => {
    const child = spawn(bin('phony'), command, { env, cwd: '/' });
    let stdout = '', stderr = '';
    child.stdout.setEncoding('utf8');
    child.stdout.on('data', (d) => { stdout += d; });
    child.stderr.on('data', (d) => { stderr += d; });
    child.on('close', (code) => done({ code, stdout, stderr }));
    child.stdin.on('error', () => {}); // it may end without reading
    child.stdin.end(input ?? '');
  });
}

test('the database away: writes are kept, read, and brought to it in order when it is back', async () => {
  const mongo = await startMongo();
  const thanks = speech('Thank you. Goodbye!');
  const agent = await startAgent({ apiKey: 'xi-test-key-0001', agents: { 'agent-test': { script: [{ say: 'Thank you. Goodbye!', wav: thanks.pattern }, { tool: 'end_call', parameters: {} }] } } });
  const carrier = await startCarrier({ default: { script: [] } });
  const phony = await startPhony({ sims: { carrier, agent }, settings: { MONGODB_URL: mongo.url } });
  await incoming(phony, one(1));
  const before = (await send(phony, '+12025550112', 'before')).body.data.messageSid;
  assert.equal(await ready(phony), 'ready');
  await mongo.kill();
  // Everything goes on: received, sent, called.
  assert.equal((await incoming(phony, one(2, undefined, 'while it is away'))).status, 200);
  assert.equal((await incoming(phony, one(2))).status, 200);
  assert.equal((await incoming(phony, one(1))).status, 200); // a repeat of what the database has
  assert.equal(await ready(phony), 'degraded');
  assert.equal((await get(phony, sid(2))).body.data.body, 'while it is away');
  assert.equal((await phony.api('GET', '/api/sms/search?query=away')).body.data.count, 1);
  assert.ok((await phony.api('GET', '/api/sms/messages')).body.data.messages.some((m) => m.messageSid === sid(2)));
  const sent = await send(phony, '+12025550113', 'sent while away');
  assert.equal(sent.status, 200, sent.text);
  await until(async () => (await get(phony, sent.body.data.messageSid)).body.data?.status === 'delivered', 'the delivery');
  assert.equal((await status(phony, before, 'read')).status, 204); // of a message that only the database has
  const tagged = await phony.api('POST', '/api/tags', { recordType: 'sms', recordId: sid(2), tags: ['away'] });
  assert.equal(tagged.status, 200, tagged.text);
  const missing = await get(phony, before);
  assert.equal(missing.status, 503); // not "404": nobody knows
  assert.match(missing.body.message, /database cannot be reached/);
  const { callSid } = (await phony.call('+12025550114')).body;
  assert.equal((await phony.over(callSid)).status, 'completed');
  assert.equal((await phony.api('GET', `/api/calls/${callSid}/transcript`)).body.messageCount, 1);
  await mongo.start();
  await until(async () => await ready(phony) === 'ready', 'the database to be taken back', 20000);
  await until(async () => (await get(phony, before)).body.data?.status === 'read', 'what it missed');
  // All of it is in the database itself: another host sees it.
  const other = await startPhony({ settings: { MONGODB_URL: mongo.url } });
  for (const id of [sid(1), sid(2), before, sent.body.data.messageSid]) assert.equal((await get(other, id)).status, 200, id);
  assert.deepEqual((await get(other, sid(2))).body.data.tags, ['away']);
  assert.equal((await get(other, sid(1))).body.data.body, 'message 1');
  assert.equal((await get(other, sent.body.data.messageSid)).body.data.status, 'delivered');
  assert.equal((await other.api('GET', '/api/sms/messages?limit=200')).body.data.count, 4);
  assert.equal((await other.api('GET', `/api/calls/${callSid}/transcript`)).body.messageCount, 1);
  assert.equal(carrier.events.filter((e) => e.event === 'message-created').length, 2);
  assert.deepEqual([(await phony.stop()).code, (await other.stop()).code, await agent.stop(), await carrier.stop()], [0, 0, 0, 0]);
  await mongo.stop();
  await noProcesses();
});

test('a database that answers, but takes no write: it is away until it takes one', async () => {
  const mongo = await startMongo(), between = await new Proxy(Number(new URL(mongo.url).port)).listen();
  const url = new URL(mongo.url);
  url.port = between.port;
  url.searchParams.set('socketTimeoutMS', '500');
  const carrier = await startCarrier({ default: { script: [] } });
  const phony = await startPhony({ sims: { carrier }, settings: { MONGODB_URL: url.href } });
  const isBack = () => phony.log.filter((line) => /the database is back/.test(line)).length;
  assert.equal((await incoming(phony, one(1))).status, 200);
  await until(async () => await ready(phony) === 'ready', 'the database to be there');
  const before = isBack(); // it may have been slow at the start
  between.swallow = /(insert|update|delete|findAndModify)\0/i;
  assert.equal((await incoming(phony, one(2))).status, 200);
  assert.equal(await ready(phony), 'degraded');
  const known = between.swallowed;
  await until(() => between.swallowed > known + 4, 'it to be tried in vain');
  assert.equal(isBack(), before, phony.log.items.join('\n'));
  between.swallow = null;
  await until(async () => await ready(phony) === 'ready', 'the database to be taken back');
  await phony.stop();
  const other = await startPhony({ settings: { MONGODB_URL: mongo.url } });
  for (const n of [1, 2]) assert.equal((await get(other, sid(n))).status, 200);
  await other.stop();
  await carrier.stop();
  await between.close();
  await mongo.stop();
  await noProcesses();
});

test('the database, voiced and the call’s process killed at once: the call goes on with what was said', async () => {
  const mongo = await startMongo();
  const hello = speech('Hello, this is Anna. May I ask you something?');
  const agent = await startAgent({ apiKey: 'xi-test-key-0001', agents: { 'agent-test': { script: [{ say: 'Hello, this is Anna.', wav: hello.pattern }, { pause_ms: 60000 }] } } });
  const carrier = await startCarrier({ default: { script: [] } });
  const phony = await startPhony({ sims: { carrier, agent }, settings: { MONGODB_URL: mongo.url } });
  const { callSid } = (await phony.call('+12025550116')).body;
  await until(async () => (await phony.api('GET', `/api/calls/${callSid}/transcript`)).body.messageCount === 1, 'the first words');
  await mongo.kill();
  killAll(processes().filter((p) => p.name === 'voiced' || p.name === 'callworker').map((p) => p.pid));
  const again = await agent.events.wait((e) => e.event === 'initiated' && e.prompt.includes('THE CALL SO FAR'), 'the next conversation', 20000);
  assert.match(again.prompt, /You: Hello, this is Anna\./);
  const away = (await phony.api('GET', `/api/calls/${callSid}`)).body;
  assert.deepEqual([away.isLive, away.incomplete, away.conversationHistory[0]?.content], [true, true, 'Hello, this is Anna.']);
  assert.equal((await phony.api('GET', '/api/calls')).body.incomplete, true);
  assert.match((await phony.api('GET', '/api/sms/messages')).body.message, /the database is away, there may be more/);
  await mongo.start();
  await until(async () => await ready(phony) === 'ready', 'the database to be taken back', 20000);
  await phony.api('POST', `/api/calls/${callSid}/hangup`);
  const call = await phony.over(callSid);
  assert.deepEqual([call.status, call.incomplete, call.conversationHistory[0].content], ['completed', undefined, 'Hello, this is Anna.']);
  assert.deepEqual([(await phony.stop()).code, await agent.stop(), await carrier.stop()], [0, 0, 0]);
  await mongo.stop();
  await noProcesses();
});

test('the database away at the start, phony ended before it is back: nothing is lost', async () => {
  const mongo = await startMongo();
  await mongo.kill();
  const phony = await startPhony({ settings: { MONGODB_URL: mongo.url }, keep: true });
  assert.equal(await ready(phony), 'degraded');
  for (let n = 1; n <= 5; n++) assert.equal((await incoming(phony, one(n))).status, 200);
  assert.equal((await phony.stop()).code, 0);
  const again = await startPhony({ settings: { MONGODB_URL: mongo.url }, folder: phony.folder, port: phony.port });
  assert.equal((await again.api('GET', '/api/sms/messages')).body.data.count, 5);
  await mongo.start();
  await until(async () => (await again.api('GET', `/api/sms/messages/${sid(9)}`)).status !== 503, 'the database', 20000);
  await until(async () => await ready(again) === 'ready', 'the database', 20000);
  const { body } = await again.api('GET', '/api/sms/messages');
  assert.deepEqual(body.data.messages.map((m) => m.messageSid), [5, 4, 3, 2, 1].map((n) => sid(n)));
  assert.equal((await again.stop()).code, 0);
  await mongo.stop();
});

test('a database that hangs is taken for away', async () => {
  const mongo = await startMongo();
  const phony = await startPhony({ settings: { MONGODB_URL: `${mongo.url}?socketTimeoutMS=1500` } });
  assert.equal((await incoming(phony, one(1))).status, 200);
  mongo.pause();
  assert.equal((await incoming(phony, one(2))).status, 200);
  await until(async () => await ready(phony) === 'degraded', 'it to be noticed');
  mongo.resume();
  await until(async () => await ready(phony) === 'ready', 'it to be back', 20000);
  await until(async () => (await phony.api('GET', '/api/sms/messages')).body.data.count === 2, 'both');
  assert.equal((await phony.stop()).code, 0);
  await mongo.stop();
});

// A file system of two megabytes, in a mount namespace of our own where we may have one.
const canMount = await new Promise((done) => execFile('unshare', ['-m', 'true'], (error) => done(!error)));

test('the disk is full: 503 to the webhook, a clear error, nothing told as stored; then it goes on', { skip: !canMount && 'no mount namespaces here' }, async () => {
  const folder = temporaryFolder();
  const small = path.join(folder, 'state');
  fs.mkdirSync(small);
  // phony runs inside; the tests reach its files through /proc.
  const phony = await startPhony({ folder, keep: true, wrapper: ['unshare', '-m', 'sh', '-c', `mount -t tmpfs -o size=3m,mode=700 tmpfs ${small} && exec "$@"`, 'sh'], settings: { API_TOKEN: 'a-token-of-the-full-disk-0001' }, wait: true });
  const inside = `/proc/${phony.child.pid}/root${small}`;
  assert.equal((await incoming(phony, one(1))).status, 200);
  const later = await phony.api('POST', '/api/sms/send', { toNumber: '+12025550118', body: 'Later', sendAt: new Date(Date.now() + 1500).toISOString() });
  assert.ok(later.status < 300, JSON.stringify(later.body));
  try { fs.writeFileSync(`${inside}/ballast`, Buffer.alloc(4 * 1024 * 1024)); } catch {}
  const answered = [1];
  let refused = 0;
  for (let n = 2; n < 400 && refused < 3; n++) {
    const answer = await incoming(phony, one(n, undefined, 'x'.repeat(1500)));
    if (answer.status === 200) answered.push(n);
    else {
      assert.equal(answer.status, 503, answer.text);
      assert.match(answer.text, /disk|full/);
      refused++;
    }
  }
  assert.equal(refused, 3);
  const tried = await phony.api('POST', '/api/sms/send', { toNumber: '+12025550119', body: 'no room' });
  assert.equal(tried.status, 503);
  assert.equal(await phony.api('GET', '/ready').then((a) => a.status), 503);
  // A message that is due and cannot be taken is tried once a second, not without a pause.
  const { pid } = processes().find((p) => p.name === 'smsd');
  const ticks = () => fs.readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ').slice(11, 13).reduce((sum, n) => sum + Number(n), 0);
  await new Promise((done) => setTimeout(done, Math.max(0, Date.parse(later.body.data.sendAt) - Date.now())));
  const before = ticks();
  await new Promise((done) => setTimeout(done, 1500));
  assert.ok(ticks() - before < 25, `smsd used ${ticks() - before} of 150 hundredths of a second`);
  fs.rmSync(`${inside}/ballast`);
  assert.equal((await incoming(phony, one(500))).status, 200);
  answered.push(500);
  const { body } = await phony.api('GET', '/api/sms/messages?limit=200&direction=inbound');
  assert.deepEqual(new Set(body.data.messages.map((m) => m.messageSid)), new Set(answered.map((n) => sid(n))));
  assert.equal((await phony.stop()).code, 0);
  fs.rmSync(folder, { recursive: true, force: true });
});

test('phony doctor tells what is wrong, and how to mend it', async () => {
  const mongo = await startMongo();
  const carrier = await startCarrier({ default: { script: [] } });
  const agent = await startAgent({ apiKey: 'xi-test-key-0001', openaiKey: 'sk-test-key-0001', models: [{ id: 'gpt-realtime-2.1', shutdown_date: null }, { id: 'gpt-gone', shutdown_date: '2026-01-01' }], agents: { 'agent-test': {}, 'agent-bare': { settings: { conversation_config: { asr: { user_input_audio_format: 'pcm_16000' }, tts: { agent_output_audio_format: 'pcm_16000' }, agent: { prompt: { tools: [{ name: 'end_call' }] } } } } } } });
  const phony = await startPhony({ sims: { carrier, agent }, settings: { MONGODB_URL: mongo.url } });
  const well = await phonyCommand(['doctor'], phony.env);
  assert.equal(well.code, 0, well.stdout + well.stderr);
  for (const line of [/^ok +settings$/m, /^ok +database \(MongoDB\)$/m, /^ok +disk of STATE_DIR$/m, /^ok +descriptors$/m, /^ok +the clock$/m, /^ok +Twilio's credentials$/m, /^ok +TWILIO_NUMBER$/m, /^ok +PUBLIC_URL$/m, /^ok +the agent at ElevenLabs$/m,
    /^ok +the agent's override of the prompt$/m, /^advice voice_url: .*\/call\/incoming/m, /^advice sms_url: .*--fix/m]) assert.match(well.stdout, line);
  // Mended once, there is nothing left to say.
  assert.match((await phonyCommand(['doctor', '--fix'], phony.env)).stdout, /^ok +the number's webhooks, set now$/m);
  const mended = await phonyCommand(['doctor', '--fix'], phony.env);
  assert.equal(mended.code, 0);
  assert.doesNotMatch(mended.stdout, /advice|webhooks/);
  assert.equal((await phony.api('GET', '/api/numbers')).body.data.numbers[0].webhookSet, true);
  // An agent that is not set up for phony: each thing that is missing is named, and what is only a pity is advice.
  const bare = await phonyCommand(['doctor'], { ...phony.env, ELEVENLABS_AGENT_ID: 'agent-bare', ELEVENLABS_VOICE_ID: 'v', TWILIO_NUMBER: '+12025550199' });
  assert.equal(bare.code, 1);
  for (const line of [/^fault +the agent's override of the prompt: .*Security/m, /^fault +the agent's override of the voice: /m, /^advice the agent's tools: .*send_dtmf \(parameter digits\)/m, /^advice the agent's audio: .*pcm_16000.*mu-law/m,
    /^fault +TWILIO_NUMBER: it is not one of the account's/m]) assert.match(bare.stdout, line);
  assert.doesNotMatch(bare.stdout, /end_call/);
  for (const [more, line] of [[{ ELEVENLABS_API_KEY: 'xi-wrong-key' }, /^fault +the agent at ElevenLabs: .*ELEVENLABS_API_KEY/m], [{ ELEVENLABS_AGENT_ID: 'nobody' }, /^fault +the agent at ElevenLabs: .*ELEVENLABS_AGENT_ID/m],
    [{ VOICE_PROVIDER: 'openai' }, /^ok +OpenAI's key$/m], [{ VOICE_PROVIDER: 'openai' }, /^ok +OPENAI_MODEL$/m], [{ VOICE_PROVIDER: 'openai', OPENAI_MODEL: 'gpt-gone' }, /^fault +OPENAI_MODEL: the model gpt-gone was shut down on 2026-01-01; set OPENAI_MODEL/m],
    [{ VOICE_PROVIDER: 'openai', OPENAI_TRANSCRIPTION_MODEL: 'whisper-1' }, /^(advice|fault) +OPENAI_TRANSCRIPTION_MODEL: .*2027-02-26; set OPENAI_TRANSCRIPTION_MODEL to gpt-transcribe/m], [{ VOICE_PROVIDER: 'openai', OPENAI_API_KEY: 'sk-wrong-key' }, /^fault +OpenAI's key: .*OPENAI_API_KEY/m]])
    assert.match((await phonyCommand(['doctor'], { ...phony.env, ...more })).stdout, line);
  await mongo.kill();
  const wrong = await phonyCommand(['doctor'], { ...phony.env, TWILIO_AUTH_TOKEN: 'f'.repeat(32), PUBLIC_URL: 'http://127.0.0.1:9' });
  assert.equal(wrong.code, 1);
  assert.match(wrong.stdout, /^fault +database \(MongoDB\): .*MONGODB_URL/m);
  assert.match(wrong.stdout, /^fault +Twilio's credentials: .*Invalid credentials/m);
  assert.match(wrong.stdout, /^fault +PUBLIC_URL: /m);
  assert.equal((await phony.stop()).code, 0);
  const sqlite = temporaryFolder();
  assert.match((await phonyCommand(['doctor'], { ...poorEnvironment(), ...settings({ carrier, port: await freePort(), folder: sqlite }) })).stdout, /^ok +database \(SQLite/m);
  const early = await startCarrier({ default: { script: [] }, date: 'Thu, 01 Jan 2026 00:00:00 GMT' });
  const late = await phonyCommand(['doctor'], { ...poorEnvironment(), ...settings({ carrier: early, port: await freePort(), folder: sqlite, ELEVENLABS_API_URL: 'https://elevenlabs.invalid' }) });
  assert.match(late.stdout, /^fault +the clock: it is \d+ s ahead of Twilio's\. .*timesyncd/m);
  assert.match(late.stdout, /^fault +the name in ELEVENLABS_API_URL: elevenlabs\.invalid is not found: .*resolv\.conf/m);
  assert.equal(await early.stop(), 0);
  const unset = await phonyCommand(['doctor'], { ...poorEnvironment(), PORT: 'x' });
  assert.equal(unset.code, 78);
  assert.match(unset.stdout, /^fault +PORT: /m);
  assert.deepEqual([await carrier.stop(), await agent.stop()], [0, 0]);
  await mongo.stop();
  fs.rmSync(sqlite, { recursive: true });
});

test('phony export and phony import move everything between SQLite and MongoDB', async () => {
  const mongo = await startMongo();
  const carrier = await startCarrier({ default: { script: [] } });
  const folder = temporaryFolder();
  const phony = await startPhony({ sims: { carrier }, folder, keep: true });
  for (let n = 1; n <= 700; n++) await incoming(phony, one(n, `+1202555${String(n % 7).padStart(4, '0')}`, `Grüße {"$date":${n}} 😀`));
  await phony.api('POST', '/api/tags', { recordType: 'sms', recordId: sid(3), tags: ['kept'] });
  await phony.api('POST', '/api/sms/templates', { name: 'one', body: 'Hi {{name}}' });
  await send(phony, '+12025550112', 'out');
  await until(async () => (await phony.api('GET', '/api/sms/messages?status=delivered')).body.data.count === 1, 'the delivery');
  const pages = async (p) => {
    const texts = [];
    for (let cursor = ''; ;) {
      const { text, body } = await p.api('GET', `/api/sms/messages?limit=200${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`);
      texts.push(text);
      cursor = body.nextCursor;
      if (!cursor) return texts;
    }
  };
  const original = await pages(phony);
  const exported = await phonyCommand(['export'], phony.env);
  assert.equal(exported.code, 0, exported.stderr);
  assert.equal((await phony.stop()).code, 0);
  const env = { ...phony.env, MONGODB_URL: mongo.url };
  const imported = await phonyCommand(['import'], env, exported.stdout);
  assert.equal(imported.code, 0, imported.stderr);
  assert.match(imported.stderr, /7\d\d documents imported, 0 were there already/);
  const other = await startPhony({ sims: { carrier }, settings: { MONGODB_URL: mongo.url } });
  assert.deepEqual(await pages(other), original); // byte for byte
  assert.equal((await other.api('GET', '/api/sms/templates')).body.data.count, 1);
  assert.equal((await other.api('GET', '/api/tags?tags=kept')).body.data.count, 1);
  assert.equal((await other.stop()).code, 0);
  // And back: the same lines.
  const back = await phonyCommand(['export'], env);
  assert.deepEqual(back.stdout.split('\n').sort(), exported.stdout.split('\n').sort());
  const twice = await phonyCommand(['import'], env, exported.stdout);
  assert.match(twice.stderr, / 0 documents imported/);
  for (const [line, words] of [['{"collection":"sms"}\n', /document is missing/], ['garbage\n', /line 1: not JSON/], ['{"collection":"x","document":{}}\n', /no collection x/], ['{"collection":"sms","document":{}}\n', /no messageSid/]]) {
    const wrong = await phonyCommand(['import'], env, line);
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, words);
  }
  assert.equal(await carrier.stop(), 0);
  await mongo.stop();
  fs.rmSync(folder, { recursive: true });
});
