// The one gate for what rings a phone or costs money, what Twilio repeats or leaves open, and a call's two names.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { account, endAll, noProcesses, startAgent, startCarrier, startMongo, startPhony, temporaryFolder, until } from '../harness/phony.mjs';
import { hook, sid } from '../harness/webhooks.mjs';

const patient = { apiKey: 'xi-test-key-0001', agents: { 'agent-patient': { script: [{ pause_ms: 60000 }] } } };
const settings = { ELEVENLABS_AGENT_ID: 'agent-patient', WARM_WORKERS: '1' };
let agent, carrier;
before(async () => {
  agent = await startAgent(patient);
  carrier = await startCarrier({ default: { script: [] }, numbers: [account.number] });
});
after(async () => {
  await carrier.stop();
  await agent.stop();
  endAll();
  await noProcesses();
});
const start = (more = {}, options = {}) => startPhony({ sims: { carrier, agent }, settings: { ...settings, ...more }, ...options });
const get = async (phony, callSid) => (await phony.api('GET', `/api/calls/${callSid}`)).body;
const inMs = (ms) => new Date(Date.now() + ms).toISOString();
// Ends what is live, so that nothing has to be drained.
const finish = async (phony) => {
  await phony.api('POST', '/api/emergency-shutdown');
  await until(async () => (await phony.api('GET', '/api/status')).body.liveCalls === 0, 'no call to be live');
  assert.equal((await phony.stop()).code, 0);
};
const becomes = (phony, callSid, status) => until(async () => { const call = await get(phony, callSid); return call?.status === status && call; }, `${callSid} to be ${status}`, 30000);

describe('limits', { concurrency: 3 }, () => {
  test('ten requests at once take one place; deleting calls gives none back; a refusal of Twilio does', async () => {
    const phony = await start({ MAX_CALLS_PER_HOUR: '2', MAX_CONCURRENT_CALLS: '20', MAX_CONCURRENT_OUTGOING_CALLS: '20' });
    // Twilio refuses this one: it was certainly not placed.
    assert.equal((await phony.call('+15005550001')).status, 502);
    const all = await Promise.all(Array.from({ length: 10 }, (_, i) => phony.call(`+1202555400${i}`)));
    assert.deepEqual(all.map((a) => a.status).sort(), [201, 201, ...Array(8).fill(429)], all.map((a) => a.text).join('\n'));
    for (const a of all.filter((b) => b.status === 429)) assert.match(a.body.message, /MAX_CALLS_PER_HOUR/);
    await phony.api('POST', '/api/emergency-shutdown');
    for (const a of all.filter((b) => b.status === 201)) {
      await phony.over(a.body.callSid);
      await until(async () => (await phony.api('DELETE', `/api/calls/${a.body.callSid}`)).status === 200, 'the call to be deleted');
    }
    assert.equal((await phony.call('+12025554999')).status, 429);
    const later = await phony.api('POST', '/api/calls/browser', { systemInstructions: 'x', callInstructions: 'y' });
    assert.match(later.text, /MAX_CALLS_PER_HOUR/);
    await finish(phony);
  });

  test('concurrent calls: no more than the limit, however many ask at once; the same number once', async () => {
    const phony = await start({ MAX_CONCURRENT_CALLS: '3', MAX_CONCURRENT_OUTGOING_CALLS: '2' });
    const all = await Promise.all(Array.from({ length: 8 }, (_, i) => phony.call(`+1202555410${i}`)));
    assert.deepEqual(all.map((a) => a.status).sort(), [201, 201, ...Array(6).fill(429)]);
    await phony.api('POST', '/api/emergency-shutdown');
    for (const a of all.filter((b) => b.status === 201)) await phony.over(a.body.callSid);
    const same = await Promise.all(Array.from({ length: 5 }, () => phony.call('+12025554150')));
    assert.deepEqual(same.map((a) => a.status).sort(), [201, 429, 429, 429, 429]);
    assert.match(same.find((a) => a.status === 429).body.message, /Duplicate call|Too many active calls/);
    await finish(phony);
  });

  test('scheduled calls and retries are counted when they are due, and wait', async () => {
    const phony = await start({ MAX_CALLS_PER_HOUR: '1' });
    const all = await Promise.all(Array.from({ length: 5 }, (_, i) => phony.call(`+1202555420${i}`, { callAt: inMs(1000) })));
    assert.ok(all.every((a) => a.status === 201 && a.body.status === 'scheduled'));
    const states = async () => (await Promise.all(all.map((a) => get(phony, a.body.callSid))));
    const settled = await until(async () => { const s = await states(); return s.filter((c) => c.postponedReason).length === 4 && s; }, 'four to be postponed', 30000);
    assert.equal(settled.filter((c) => c.status !== 'scheduled').length, 1);
    for (const c of settled.filter((d) => d.postponedReason)) {
      assert.match(c.postponedReason, /MAX_CALLS_PER_HOUR/);
      assert.equal(c.isLive, false);
    }
    assert.equal(carrier.events.filter((e) => e.event === 'call-created' && e.to.startsWith('+1202555420')).length, 1);
    await finish(phony);
  });

  test('two hosts of one database take the places of one', async () => {
    const mongo = await startMongo();
    const hosts = await Promise.all([1, 2].map(() => start({ MONGODB_URL: mongo.url, MAX_CALLS_PER_HOUR: '3', API_TOKEN: 'a-token-that-both-hosts-share-1' })));
    const all = await Promise.all(hosts.flatMap((host, h) => Array.from({ length: 6 }, (_, i) => host.call(`+120255543${h}${i}`))));
    assert.deepEqual(all.map((a) => a.status).sort(), [201, 201, 201, ...Array(9).fill(429)], all.map((a) => a.text).join('\n'));
    for (const host of hosts) await finish(host);
    await mongo.stop();
  });
});

describe('quiet hours and ranges', { concurrency: 3 }, () => {
  test('a scheduled call: refused when it would ring then, postponed when it is due then', async () => {
    const folder = temporaryFolder();
    const first = await start({}, { folder, keep: true });
    const due = (await first.call('+12025554400', { callAt: inMs(2500) })).body;
    const chosen = (await first.call('+12025554401', { callAt: inMs(2500), ignoreQuietHours: true })).body;
    assert.equal((await first.stop()).code, 0);
    // Off while it was due, and quiet when it is on again.
    const phony = await start({ QUIET_HOURS: '00:00-23:59' }, { folder });
    const waiting = await until(async () => { const call = await get(phony, due.callSid); return call.postponedReason && call; }, 'it to be postponed', 30000);
    assert.equal(waiting.status, 'scheduled');
    assert.match(waiting.postponedReason, /QUIET_HOURS/);
    assert.ok(new Date(waiting.dueAt) > new Date(Date.now() + 60000) || new Date().getUTCMinutes() === 59, waiting.dueAt);
    assert.notEqual((await becomes(phony, chosen.callSid, 'in-progress')).callSid, chosen.callSid);
    for (const callAt of [undefined, inMs(60000)]) {
      const refused = await phony.call('+12025554402', { callAt });
      assert.equal(refused.status, 403, refused.text);
      assert.match(refused.body.message, /QUIET_HOURS.*callAt.*ignoreQuietHours/);
    }
    await phony.api('POST', '/api/do-not-call', { phoneNumber: '+12025554403', reason: 'asked' });
    assert.equal((await phony.call('+12025554403', { callAt: inMs(3600000), ignoreQuietHours: true })).body.code, 'do_not_call');
    await finish(phony);
  });

  test('every country has its hours; where they are not known it is quiet', async () => {
    const phony = await start({ QUIET_HOURS: '00:00-23:59' });
    for (const number of ['+359888123456', '+35799123456', '+35679123456', '+381641234567', '+2348012345678', '+12025554444', '+80012345678'])
      assert.equal((await phony.call(number)).body.code, 'quiet_hours', number);
    await finish(phony);
  });

  test('emergency, premium and satellite numbers, whatever ALLOWED_PREFIXES says', async () => {
    const phony = await start();
    const allowed = await start({ ALLOWED_PREFIXES: '+1,+353,+358,+33' });
    const numbers = ['+353999', '+358112', '+971999', '+886119', '+1911', '+19005550100', '+112', '+44999', '+1876911', '+12129765550', '+33899123456', '+881612345678'];
    for (const number of numbers)
      for (const host of [phony, allowed]) {
        const answer = await host.call(number);
        assert.ok(answer.body.code === 'denied' || answer.status === 400, `${number}: ${answer.text}`);
        assert.equal((await host.call(number, { callAt: inMs(3600000) })).status, answer.status);
      }
    assert.match((await allowed.call('+4420794600')).body.message, /ALLOWED_PREFIXES/);
    assert.equal((await allowed.stop()).code, 0);
    await finish(phony);
  });

  test('callAt has a time and a zone', async () => {
    const phony = await start();
    for (const callAt of [inMs(3600000).slice(0, 19), inMs(86400000).slice(0, 10)]) {
      const answer = await phony.call('+12025554500', { callAt });
      assert.equal(answer.status, 400, answer.text);
      assert.match(answer.body.message, /callAt must be a date, a time and the time's zone/);
    }
    assert.equal((await phony.call('+12025554500', { callAt: inMs(3600000).replace('Z', '+00:00') })).status, 201);
    await finish(phony);
  });
});

describe('a call by its names, and everything off', { concurrency: 3 }, () => {
  test('a scheduled call is acted on by its first name for life', async () => {
    const phony = await start();
    const name = (await phony.call('+12025554600', { callAt: inMs(500) })).body.callSid;
    const live = await becomes(phony, name, 'in-progress');
    assert.match(name, /^PC/);
    assert.match(live.callSid, /^CA/);
    await carrier.events.wait((e) => e.event === 'stream-open' && e.callSid === live.callSid, 'the stream');
    for (const [verb, body] of [['inject-context', { context: 'x' }], ['dtmf', { digits: '1' }], ['hold'], ['resume'], ['ask-operator', { question: 'Which?' }], ['answer-operator', { answer: 'This.' }]])
      await until(async () => { const answer = await phony.api('POST', `/api/calls/${name}/${verb}`, body); return answer.status === 200 || answer.status; }, verb)
        .then((answer) => assert.equal(answer, true, verb));
    assert.equal((await phony.api('GET', `/api/calls/${name}/levels`)).status, 200);
    assert.equal((await phony.api('POST', '/api/tags', { recordType: 'call', recordId: name, tags: ['first'] })).status, 200);
    assert.deepEqual((await get(phony, live.callSid)).tags, ['first']);
    assert.equal((await phony.api('DELETE', `/api/calls/${name}`)).status, 409);
    assert.equal((await phony.api('POST', `/api/calls/${name}/hangup`)).status, 200);
    await phony.over(name);
    await until(async () => (await phony.api('DELETE', `/api/calls/${name}`)).status === 200, 'it to be deleted');
    assert.equal((await phony.api('GET', `/api/calls/${live.callSid}`)).status, 404);
    // One that is not placed yet is taken back by a hang-up.
    const waiting = (await phony.call('+12025554601', { callAt: inMs(3600000) })).body.callSid;
    assert.equal((await phony.api('POST', `/api/calls/${waiting}/dtmf`, { digits: '1' })).status, 409);
    assert.equal((await phony.api('POST', `/api/calls/${waiting}/hangup`)).status, 200);
    assert.equal((await get(phony, waiting)).status, 'canceled');
    await finish(phony);
  });

  test('what is scheduled or live is not deleted', async () => {
    const phony = await start();
    const waiting = (await phony.call('+12025554610', { callAt: inMs(3600000) })).body.callSid;
    const live = (await phony.call('+12025554611')).body.callSid;
    const answer = await phony.api('DELETE', '/api/calls', { callType: 'outbound', endDate: inMs(1000) });
    assert.equal(answer.body.data.deletedCount, 0, answer.text);
    for (const callSid of [waiting, live]) {
      const refused = await phony.api('DELETE', `/api/calls/${callSid}`);
      assert.equal(refused.status, 409, refused.text);
      assert.equal((await phony.api('GET', `/api/calls/${callSid}`)).status, 200);
    }
    await finish(phony);
  });

  test('emergency shutdown takes back what is scheduled, and says what it could not end', async () => {
    const own = await startCarrier({ default: { script: [] }, numbers: [account.number] });
    const phony = await startPhony({ sims: { carrier: own, agent }, settings });
    const soon = (await phony.call('+12025554700', { callAt: inMs(3600000) })).body.callSid;
    const live = (await phony.call('+12025554701')).body.callSid;
    const off = await phony.api('POST', '/api/emergency-shutdown');
    assert.deepEqual([off.status, off.body.ended, off.body.canceled], [200, 1, 1], off.text);
    const canceled = await get(phony, soon);
    assert.deepEqual([canceled.status, canceled.endReason], ['canceled', 'emergency shutdown']);
    await phony.over(live);
    // Calls go on being placed after it.
    const next = await phony.call('+12025554702');
    assert.equal(next.status, 201, next.text);
    await becomes(phony, next.body.callSid, 'in-progress');
    await own.stop();
    const failed = await phony.api('POST', '/api/emergency-shutdown');
    assert.equal(failed.status, 502, failed.text);
    assert.equal(failed.body.status, 'error');
    assert.match(failed.body.message, new RegExp(`NOT ended: ${next.body.callSid}`));
    await hook(phony, '/call/status', { CallSid: next.body.callSid, From: account.number, To: '+12025554702', CallStatus: 'completed', AccountSid: account.sid });
    await phony.over(next.body.callSid);
    assert.equal((await phony.stop()).code, 0);
  });
});

describe("Twilio's doubts and repeats", { concurrency: 3 }, () => {
  test('an answer that is none: the call is found though the clocks differ, and not placed again', async () => {
    const doubtful = await startCarrier({ default: { script: [] }, numbers: [account.number], clock_skew_s: -5, create_faults: ['500-done', 'drop', 'lose'] });
    const phony = await startPhony({ sims: { carrier: doubtful, agent }, settings });
    for (const number of ['+12025554800', '+12025554801']) {
      const placed = await phony.call(number);
      assert.equal(placed.status, 201, placed.text);
      await becomes(phony, placed.body.callSid, 'in-progress');
      assert.equal((await phony.call(number)).status, 429);
    }
    assert.equal(doubtful.events.filter((e) => e.event === 'call-created').length, 2);
    await finish(phony);
    await doubtful.stop();
  });

  test('the SID that a callback brings settles it', async () => {
    // Twilio has the call, and neither its answer nor its list says so.
    const requests = [];
    const { createServer } = await import('node:http');
    const fake = createServer((request, answer) => {
      let body = '';
      request.on('data', (d) => { body += d; });
      request.on('end', () => {
        answer.setHeader('content-type', 'application/json');
        if (request.method === 'POST') requests.push(new URLSearchParams(body));
        answer.statusCode = request.method === 'POST' ? 500 : 200;
        answer.end(request.method === 'POST' ? '{"message":"oops","status":500}' : '{"calls":[]}');
      });
    });
    await new Promise((done) => fake.listen(0, '127.0.0.1', done));
    const phony = await startPhony({ sims: { carrier: { url: `http://127.0.0.1:${fake.address().port}` }, agent }, settings });
    const placing = phony.call('+12025554810');
    await until(() => requests.length === 1, 'the request');
    const url = new URL(requests[0].get('Url').split('#')[0]);
    const answered = await hook(phony, url.pathname + url.search, { CallSid: sid(4810, 'CA'), From: account.number, To: '+12025554810', CallStatus: 'in-progress', AccountSid: account.sid });
    assert.match(answered.text, /<Connect>/);
    const placed = await placing;
    assert.deepEqual([placed.status, placed.body.callSid], [201, sid(4810, 'CA')], placed.text);
    assert.equal(requests.length, 1);
    const told = new URL(requests[0].get('StatusCallback').split('#')[0]);
    await hook(phony, told.pathname + told.search, { CallSid: sid(4810, 'CA'), From: account.number, To: '+12025554810', CallStatus: 'completed', AccountSid: account.sid });
    await phony.over(sid(4810, 'CA'));
    await finish(phony);
    fake.close();
  });

  test('a repeat of a webhook gets the first answer again', async () => {
    const phony = await start({ MAX_CONCURRENT_INCOMING_CALLS: '1' });
    const [voicemail, message, live] = ['+14045558801', '+14045558802', '+14045558803'];
    await phony.api('POST', '/api/incoming-configs', { phoneNumber: voicemail, voicemailEnabled: true, voicemailGreeting: 'Leave a message' });
    await phony.api('POST', '/api/incoming-configs', { phoneNumber: message, messageOnly: true, hangupMessage: 'We are closed' });
    await phony.api('POST', '/api/incoming-configs', { phoneNumber: live, systemInstructions: 'x', callInstructions: 'y' });
    const ring = (n, to) => hook(phony, '/call/incoming', { CallSid: sid(n, 'CA'), From: '+12025552222', To: to, CallStatus: 'ringing', AccountSid: account.sid, Direction: 'inbound' });
    const first = {};
    // The one line is taken; voicemail and messages need none.
    for (const [n, to, words] of [[8803, live, /<Connect>/], [8804, live, /maximum capacity/], [8801, voicemail, /Leave a message.*<Record/s], [8802, message, /We are closed/], [8805, '+14045558809', /does not take calls/]]) {
      first[n] = (await ring(n, to)).text;
      assert.match(first[n], words);
    }
    const again = async (numbers) => { for (const [n, to] of numbers) assert.equal((await ring(n, to)).text, first[n], `${n}`); };
    await again([[8801, voicemail], [8802, message], [8803, live], [8804, live]]);
    await phony.api('PUT', `/api/incoming-configs/${encodeURIComponent(voicemail)}`, { voicemailEnabled: false });
    await again([[8801, voicemail]]);
    for (const n of [8801, 8802, 8803])
      await hook(phony, '/call/status', { CallSid: sid(n, 'CA'), From: '+12025552222', To: live, CallStatus: 'completed', AccountSid: account.sid });
    await finish(phony);
  });
});
