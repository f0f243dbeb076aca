// Two hosts on one MongoDB: names that it refuses, what is deleted, and what goes on while it is away.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { account, endAll, noProcesses, speech, startAgent, startCarrier, startMongo, startPhony, until } from '../harness/phony.mjs';

afterEach((t) => { if (t.error) endAll(); });

const still = speech('I am on the line still.'), bye = speech('Thank you. Goodbye!');
let mongo, agent, carrier, one, other;
before(async () => {
  mongo = await startMongo();
  agent = await startAgent({ apiKey: 'xi-test-key-0001', agents: {
    'agent-test': { script: [{ say: 'Your secret is xylophonist. Goodbye!', wav: bye.pattern }] },
    'agent-patient': { script: [{ say: 'I am on the line still.', wav: still.pattern }, { pause_ms: 60000 }] },
    'agent-odd': { script: [{ tool: 'report_outcome', parameters: { booked: true, '': 'x', $set: { 'a.b': 1 }, 'a.b': null } }, { say: 'Thank you. Goodbye!', wav: bye.pattern }] } } });
  carrier = await startCarrier({ default: { script: [] }, numbers: [account.number] });
  const settings = { MONGODB_URL: mongo.url, API_TOKEN: 'a-token-that-all-hosts-share-0001', WARM_WORKERS: '1' };
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
  const outcomeSchema = { $schema: 'https://json-schema.org/draft/2020-12/schema', type: 'object', properties: { booked: { type: 'boolean' }, 'a.b': { type: ['string', 'null'] }, '': { type: 'string' } }, required: ['booked'] };
  const placed = await one.call('+12025556403', { elevenLabsAgentId: 'agent-odd', outcomeSchema });
  assert.equal(placed.status, 201, placed.text);
  await one.over(placed.body.callSid);
  for (const phony of [one, other]) {
    const { body } = await phony.api('GET', `/api/calls/${placed.body.callSid}`);
    assert.deepEqual([body.outcome, body.outcomeSchema], [{ booked: true, '': 'x', $set: { 'a.b': 1 }, 'a.b': null }, outcomeSchema]);
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
    for (const sid of [live, later]) assert.equal((await phony.api('DELETE', `/api/calls/${sid}`)).status, 409);
    for (const status of ['in-progress', 'scheduled']) assert.equal((await phony.api('DELETE', '/api/calls', { status })).body.data.deletedCount, 0);
  }
  assert.deepEqual(await said(one, live), ['I am on the line still.']);
  await one.api('POST', `/api/calls/${live}/hangup`);
  await one.over(live);
  assert.equal((await one.api('POST', `/api/calls/${later}/cancel`)).status, 200);
  await until(async () => (await other.api('DELETE', '/api/calls', { callType: 'outbound' })).status === 200 && (await one.api('GET', `/api/calls/${live}`)).status === 404, 'them to be deleted');
});

// The last: it takes the database away.
test('changed, then ended, while the database is away: it has both when it is back', async () => {
  const calls = await Promise.all(['+12025556404', '+12025556405'].map(async (to) => (await one.call(to, { elevenLabsAgentId: 'agent-patient' })).body.callSid));
  for (const callSid of calls) await until(async () => (await said(one, callSid)).length > 0, 'the first words');
  await mongo.kill();
  await until(async () => (await one.api('GET', '/ready')).body.status === 'degraded', 'it to be noticed');
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
