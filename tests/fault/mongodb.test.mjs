// Two hosts on one MongoDB: names that it refuses, what is deleted, and what goes on while it is away.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, afterEach, before, test } from 'node:test';
import { account, endAll, noProcesses, processes, speech, startAgent, startCarrier, startMongo, startPhony, until } from '../harness/phony.mjs';
import { Proxy } from '../harness/proxy.mjs';
import { hook, sid } from '../harness/webhooks.mjs';

afterEach((t) => { if (t.error) endAll(); });

const still = speech('I am on the line still.'), bye = speech('Thank you. Goodbye!');
let mongo, agent, carrier, settings, one, other;
before(async () => {
  mongo = await startMongo();
  agent = await startAgent({ apiKey: 'xi-test-key-0001', agents: {
    'agent-test': { script: [{ say: 'Your secret is xylophonist. Goodbye!', wav: bye.pattern }, { tool: 'end_call', parameters: {} }] },
    'agent-patient': { script: [{ say: 'I am on the line still.', wav: still.pattern }, { pause_ms: 60000 }] },
    'agent-odd': { script: [{ tool: 'report_outcome', parameters: { booked: true, at: '19:30', '': 'x', $set: { 'a.b': 1 }, 'a.b': null } }, { say: 'Thank you. Goodbye!', wav: bye.pattern }, { tool: 'end_call', parameters: {} }] } } });
  carrier = await startCarrier({ default: { script: [] }, numbers: [account.number] });
  settings = { MONGODB_URL: mongo.url, API_TOKEN: 'a-token-that-all-hosts-share-0001', WARM_WORKERS: '1' };
  one = await startPhony({ sims: { carrier, agent }, settings });
  other = await startPhony({ sims: { carrier, agent }, settings });
});
after(async () => {
  assert.deepEqual([(await one.stop()).code, (await other.stop()).code, await agent.stop(), await carrier.stop()], [0, 0, 0, 0]);
  await mongo.stop();
  await noProcesses();
});
const said = async (phony, callSid) => (await phony.api('GET', `/api/calls/${callSid}/transcript`)).body?.conversationHistory?.map((t) => t.content) ?? [];

test('names that MongoDB refuses, in a schema and in an outcome: both are kept as they are', async () => {
  const outcomeSchema = { $schema: 'https://json-schema.org/draft/2020-12/schema', type: 'object', properties: { booked: { type: 'boolean' }, at: { type: 'string', pattern: '^(?:\\d{2}):\\d{2}$' }, 'a.b': { type: ['string', 'null'] }, '': { type: 'string' } }, required: ['booked'] };
  const placed = await one.call('+12025556403', { elevenLabsAgentId: 'agent-odd', outcomeSchema });
  assert.equal(placed.status, 201, placed.text);
  await one.over(placed.body.callSid);
  for (const phony of [one, other]) {
    const { body } = await phony.api('GET', `/api/calls/${placed.body.callSid}`);
    assert.deepEqual([body.outcome, body.outcomeSchema], [{ booked: true, at: '19:30', '': 'x', $set: { 'a.b': 1 }, 'a.b': null }, outcomeSchema]);
  }
  await until(async () => (await one.api('GET', '/api/status')).body.workers.every((w) => w.state !== 'in call'), 'the worker to end');
  assert.deepEqual(one.log.filter((line) => /not stored|refuses/.test(line)), []);
});

test('a call that one host deletes is gone from the disks of all', async () => {
  const files = (phony) => execFileSync('grep', ['-rlaE', 'xylophonist', path.join(phony.folder, 'state')], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  const isIn = (phony) => { try { return files(phony) !== ''; } catch { return false; } };
  const { callSid } = (await one.call('+12025556401', { record: true, flightRecorder: true })).body;
  await one.over(callSid);
  assert.deepEqual(await said(other, callSid), ['Your secret is xylophonist. Goodbye!']); // which is merely read
  const own = () => ['recordings', 'flights'].flatMap((f) => fs.readdirSync(path.join(one.folder, 'state', f)));
  await until(async () => own().length === 2 && isIn(one), 'its files');
  await until(async () => (await one.api('GET', '/api/status')).body.workers.every((w) => w.callSid !== callSid), 'its worker to be gone');
  assert.ok(!isIn(other));
  await until(async () => (await other.api('DELETE', `/api/calls/${callSid}`)).status === 200, 'the call to be deleted');
  assert.equal((await one.api('GET', `/api/calls/${callSid}`)).status, 404);
  await until(() => own().length === 0 && !isIn(one), 'its files to be removed where they are');
  assert.ok(!isIn(other));
});

test('what is live or scheduled is not deleted, whichever host is asked', async () => {
  const live = (await one.call('+12025556402', { elevenLabsAgentId: 'agent-patient' })).body.callSid;
  const later = (await one.call('+12025556406', { callAt: new Date(Date.now() + 3600e3).toISOString() })).body.callSid;
  await until(async () => (await said(one, live)).length > 0, 'the first words');
  for (const phony of [one, other]) {
    for (const id of [live, later]) assert.equal((await phony.api('DELETE', `/api/calls/${id}`)).status, 409);
    for (const status of ['in-progress', 'scheduled']) assert.equal((await phony.api('DELETE', '/api/calls', { status })).body.data.deletedCount, 0);
  }
  assert.deepEqual(await said(one, live), ['I am on the line still.']);
  await one.api('POST', `/api/calls/${live}/hangup`);
  await one.over(live);
  assert.equal((await one.api('POST', `/api/calls/${later}/cancel`)).status, 200);
  await until(async () => (await other.api('DELETE', '/api/calls', { callType: 'outbound' })).status === 200 && (await one.api('GET', `/api/calls/${live}`)).status === 404, 'them to be deleted');
});

const barred = '+12025557777', allowed = '+12025557778', instructions = 'You sell bicycles.';
// By the other host: this one has a copy of them a little later.
async function settingsOfOthers() {
  for (const phoneNumber of [barred, allowed]) assert.equal((await other.api('POST', '/api/do-not-call', { phoneNumber })).status, 201);
  assert.equal((await other.api('POST', '/api/incoming-configs', { phoneNumber: account.number, systemInstructions: instructions, callInstructions: 'Be brief.', elevenLabsAgentId: 'agent-patient' })).status, 201);
  assert.equal((await other.api('POST', '/api/contexts', { name: 'dinner', systemInstructions: 'You book tables.', contextType: 'outgoing' })).status, 201);
  const copy = path.join(one.folder, 'state/spool-voiced.db.mirror');
  const count = (table) => { const db = new DatabaseSync(copy, { readOnly: true }); try { return db.prepare(`SELECT count(*) AS n FROM ${table}`).get().n; } finally { db.close(); } };
  await until(() => count('donotcall') === 2 && count('incomingconfigs') === 1 && count('contexts') === 1, 'the copies', 30000);
}
// What is settled is as it was, though the database is away.
async function asSettled(n) {
  const refused = await one.call(barred);
  assert.deepEqual([refused.status, refused.body.code], [403, 'do_not_call'], refused.text);
  const booked = await one.call(`+1202555787${n}`, { context: 'dinner', systemInstructions: undefined, elevenLabsAgentId: 'agent-patient' });
  assert.equal(booked.status, 201, booked.text);
  assert.equal((await one.call('+12025557879', { context: 'supper', systemInstructions: undefined })).status, 404);
  const params = { CallSid: sid(900 + n, 'CA'), From: '+12025552222', To: account.number, CallStatus: 'ringing', AccountSid: account.sid, Direction: 'inbound' };
  const answered = await hook(one, '/call/incoming', params);
  assert.match(answered.text, /<Connect>/, `${answered.status} ${answered.text}`);
  const { body } = await one.api('GET', `/api/calls/${params.CallSid}`);
  assert.equal(body.systemInstructions, instructions);
  const { body: { configs } } = await one.api('GET', '/api/incoming-configs').then((a) => ({ body: a.body.data }));
  assert.deepEqual(configs.map((c) => c.phoneNumber), [account.number]);
  assert.equal((await one.api('POST', '/api/incoming-configs', { phoneNumber: account.number, systemInstructions: 'x' })).status, 409);
  for (const callSid of [booked.body.callSid, params.CallSid]) await one.api('POST', `/api/calls/${callSid}/hangup`);
  await one.over(booked.body.callSid);
  await hook(one, '/call/status', { ...params, CallStatus: 'completed', CallDuration: '1' });
}

// The last: it takes the database away.
test('changed, then ended, while the database is away: it has both when it is back', async () => {
  const calls = await Promise.all(['+12025556404', '+12025556405'].map(async (to) => (await one.call(to, { elevenLabsAgentId: 'agent-patient' })).body.callSid));
  for (const callSid of calls) await until(async () => (await said(one, callSid)).length > 0, 'the first words');
  await settingsOfOthers();
  await mongo.kill();
  await until(async () => (await one.api('GET', '/ready')).body.status === 'degraded', 'it to be noticed');
  await asSettled(1);
  assert.equal((await one.api('DELETE', `/api/do-not-call/${encodeURIComponent(allowed)}`)).status, 200);
  const placed = await one.call(allowed, { elevenLabsAgentId: 'agent-patient' });
  assert.equal(placed.status, 201, placed.text);
  calls.push(placed.body.callSid);
  process.kill(processes().find((p) => p.name === 'voiced' && p.runDir === one.env.RUN_DIR).pid, 'SIGKILL');
  await until(async () => (await one.api('GET', '/ready').catch(() => ({}))).body?.status === 'degraded', 'another voiced');
  await asSettled(2);
  assert.equal((await one.call(allowed, { elevenLabsAgentId: 'agent-patient' })).body.code !== 'do_not_call', true);
  // A host that has never seen the database knows nothing: it does not take that for "none".
  const stranger = await startPhony({ sims: { carrier, agent }, settings: { ...settings, WARM_WORKERS: '0' } });
  assert.equal((await stranger.call('+12025557880', { context: 'dinner', systemInstructions: undefined })).status, 503);
  assert.equal((await stranger.call('+12025557881')).status, 503); // it may be barred
  assert.equal((await stranger.stop()).code, 0);
  assert.equal((await one.api('POST', '/api/tags', { recordType: 'call', recordId: calls[0], tags: ['dinner'] })).status, 200);
  for (const callSid of calls) {
    assert.equal((await one.api('POST', `/api/calls/${callSid}/hangup`)).status, 200);
    await one.over(callSid);
  }
  await mongo.start();
  for (const callSid of calls) await until(async () => (await other.api('GET', `/api/calls/${callSid}`)).body?.status === 'completed', 'its end in the database', 30000);
  const { body } = await other.api('GET', `/api/calls/${calls[0]}`);
  assert.deepEqual([body.tags, body.isLive, typeof body.endedAt], [['dinner'], false, 'string']);
});

// Taking it is the change from scheduled to initiated; then the gate asks for the do-not-call list.
test('a scheduled call is placed once, whatever happens when it is taken: a lost answer, the end of voiced', async () => {
  const proxy = await new Proxy(Number(new URL(mongo.url).port)).listen();
  const phony = await startPhony({ sims: { carrier, agent }, settings: { ...settings, MONGODB_URL: `mongodb://127.0.0.1:${proxy.port}/apart?socketTimeoutMS=2000`, ELEVENLABS_AGENT_ID: 'agent-patient' } });
  const schedule = async (to) => (await phony.call(to, { callAt: new Date(Date.now() + 1500).toISOString() })).body.callSid;
  const placed = async (to, id) => {
    const { callSid } = await carrier.events.wait((e) => e.event === 'call-created' && e.to === to, `the call to ${to}`, 40000);
    const call = await until(async () => { const { body } = await phony.api('GET', `/api/calls/${id}`); return body?.callSid === callSid && body; }, 'the call to have its SID');
    assert.equal(call.taken, undefined);
    await phony.api('POST', `/api/calls/${id}/hangup`);
    await phony.over(id);
  };
  proxy.lose = /findAndModify[^]*initiated/;
  await placed('+12025556421', await schedule('+12025556421'));
  assert.equal(proxy.lose, null);
  proxy.swallow = /donotcall[^]*12025556422|12025556422[^]*donotcall/;
  const orphan = await schedule('+12025556422');
  await until(() => proxy.swallowed > 0, 'the gate to be asked', 30000);
  process.kill(processes().find((p) => p.name === 'voiced' && p.runDir === path.join(phony.folder, 'run')).pid, 'SIGKILL');
  proxy.swallow = null;
  await placed('+12025556422', orphan);
  for (const to of ['+12025556421', '+12025556422']) assert.equal(carrier.events.filter((e) => e.event === 'create' && e.to === to).length, 1);
  assert.equal((await phony.stop()).code, 0);
  await proxy.close();
});

test('a message whose taking was not answered is sent once, long before its lease ends', async () => {
  const proxy = await new Proxy(Number(new URL(mongo.url).port)).listen();
  const phony = await startPhony({ sims: { carrier, agent }, settings: { ...settings, MONGODB_URL: `mongodb://127.0.0.1:${proxy.port}/alone?socketTimeoutMS=2000`, TWILIO_TIMEOUT_SECONDS: '5' } });
  proxy.lose = /findAndModify[^]*asking/;
  const { body } = await phony.api('POST', '/api/sms/send', { toNumber: '+12025556431', body: 'Later', sendAt: new Date(Date.now() + 1500).toISOString() });
  await until(() => proxy.lose === null, 'it to be taken', 30000);
  await until(async () => (await phony.api('GET', `/api/sms/messages?toNumber=${encodeURIComponent('+12025556431')}`)).body?.data?.messages?.[0]?.status === 'delivered', 'it to be delivered', 45000);
  assert.equal(carrier.events.filter((e) => e.event === 'message-created' && e.to === '+12025556431').length, 1, JSON.stringify(body));
  assert.equal((await phony.stop()).code, 0);
  await proxy.close();
});

test('a list that is being read when the server forgets the cursor is read whole', async () => {
  const proxy = await new Proxy(Number(new URL(mongo.url).port)).listen();
  const phony = await startPhony({ sims: { carrier, agent }, settings: { ...settings, MONGODB_URL: `mongodb://127.0.0.1:${proxy.port}/long` } });
  const toNumbers = Array.from({ length: 150 }, (_, i) => `+1202555${7000 + i}`); // more than the first batch of a cursor has
  assert.equal((await phony.api('POST', '/api/sms/bulk', { toNumbers, body: 'Later', sendAt: new Date(Date.now() + 86400000).toISOString() })).status, 202);
  const list = () => phony.api('GET', '/api/sms/messages?limit=200');
  await until(async () => (await list()).body.data?.messages.length === 150, 'all to be stored');
  proxy.forget = true;
  const { status, text, body } = await list();
  assert.equal(proxy.forget, false);
  assert.deepEqual([status, body.data?.messages.length], [200, 150], text.slice(0, 300));
  assert.equal((await phony.stop()).code, 0);
  await proxy.close();
});
