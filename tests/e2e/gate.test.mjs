// The one gate for what rings a phone or costs money, what Twilio repeats or leaves open, and a call's two names.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import crypto from 'node:crypto';
import { createServer } from 'node:http';
import path from 'node:path';
import twilio from 'twilio';
import WebSocket from 'ws';
import { after, before, describe, test } from 'node:test';
import { account, bin, endAll, noProcesses, processes, startAgent, startCarrier, startMongo, startPhony, temporaryFolder, until } from '../harness/phony.mjs';
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

  test('a scheduled call that Twilio does not take for now is placed later', async () => {
    const busy = await startCarrier({ default: { script: [] }, numbers: [account.number], create_faults: ['429', '429', '429'] });
    const phony = await start({}, { sims: { carrier: busy, agent } });
    const { callSid } = (await phony.call('+12025554220', { callAt: inMs(500) })).body;
    const waiting = await until(async () => { const call = await get(phony, callSid); return call.postponedReason && call; }, 'it to be postponed', 30000);
    assert.equal(waiting.status, 'scheduled');
    assert.match(waiting.postponedReason, /429|too often|Too Many/i);
    await becomes(phony, callSid, 'in-progress');
    assert.equal(busy.events.filter((e) => e.event === 'create').length, 4);
    await finish(phony);
    await busy.stop();
  });

  test('two hosts of one database take the places of one', async () => {
    const mongo = await startMongo();
    const hosts = await Promise.all([1, 2].map(() => start({ MONGODB_URL: mongo.url, MAX_CALLS_PER_HOUR: '3', API_TOKEN: 'a-token-that-both-hosts-share-1' })));
    const all = await Promise.all(hosts.flatMap((host, h) => Array.from({ length: 6 }, (_, i) => host.call(`+120255543${h}${i}`))));
    assert.deepEqual(all.map((a) => a.status).sort(), [201, 201, 201, ...Array(9).fill(429)], all.map((a) => a.text).join('\n'));
    for (const host of hosts) await finish(host);
    await mongo.stop();
  });

  // As when a callback is repeated to another host because the first one was slow.
  test('a call whose end two hosts are told is tried again once', async () => {
    const unanswered = await startCarrier({ default: { script: [], ring_ms: 60000 } });
    const mongo = await startMongo();
    let hosts = [];
    const told = [];
    const fan = createServer(async (request, response) => {
      const body = Buffer.concat(await Array.fromAsync(request));
      const headers = { 'content-type': request.headers['content-type'], 'x-twilio-signature': request.headers['x-twilio-signature'] };
      const answers = await Promise.all(hosts.map((host) => fetch(`http://127.0.0.1:${host.port}${request.url}`, { method: 'POST', headers, body })));
      if (/CallStatus=no-answer/.test(body)) told.push(answers.map((answer) => answer.status));
      response.writeHead(answers[0].status).end(await answers[0].text());
    });
    await new Promise((done) => fan.listen(0, '127.0.0.1', done));
    const shared = { MONGODB_URL: mongo.url, API_TOKEN: 'a-token-that-both-hosts-share-1', PUBLIC_URL: `http://127.0.0.1:${fan.address().port}` };
    hosts = await Promise.all([1, 2].map(() => startPhony({ sims: { carrier: unanswered, agent }, settings: { ...settings, ...shared } })));
    const all = await Promise.all(Array.from({ length: 4 }, (_, i) => hosts[0].call(`+120255545${i}0`, { retries: 1, retryDelay: 600, ringTimeout: 5 })));
    await until(() => told.length === all.length, 'the ends to be told');
    assert.deepEqual(told.flat(), Array(8).fill(204));
    const { calls } = (await hosts[1].api('GET', '/api/calls?status=scheduled')).body;
    assert.deepEqual(calls.map((call) => call.retryOf).sort(), all.map((a) => a.body.callSid).sort());
    for (const host of hosts) await finish(host);
    fan.close();
    fan.closeAllConnections();
    await mongo.stop();
    assert.equal(await unanswered.stop(), 0);
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
    const numbers = ['+353999', '+358112', '+971999', '+886119', '+1911', '+19005550100', '+112', '+44999', '+1876911', '+12129765550', '+33899123456', '+881612345678',
      '+4409091234567', '+33008991234567', '+4909001234567']; // with a trunk prefix, which is left out when it is dialled
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
      await until(async () => { const answer = await phony.api('POST', `/api/calls/${name}/${verb}`, body); return answer.status === 200; }, verb);
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
  // A Twilio that takes each call, answers 500, and sends no callback of its own. listed(calls): what its list shows.
  async function startTwilio(listed) {
    const calls = [], lists = [];
    const server = createServer((request, answer) => {
      let body = '';
      request.on('data', (d) => { body += d; });
      request.on('end', () => {
        const create = request.method === 'POST' && request.url.includes('/Calls.json');
        if (create) calls.push({ ...Object.fromEntries(new URLSearchParams(body)), sid: sid(4800 + calls.length, 'CA') });
        answer.writeHead(create ? 500 : 200, { 'content-type': 'application/json' });
        answer.end(create ? '{"message":"oops","status":500}' : request.method === 'GET' ? JSON.stringify({ calls: listed(calls) }) : '{}', () => { if (request.method === 'GET') lists.push(request.url); });
      });
    });
    await new Promise((done) => server.listen(0, '127.0.0.1', done));
    return { calls, lists, server, url: `http://127.0.0.1:${server.address().port}` };
  }
  const callback = (phony, call, name, status) => {
    const url = new URL(call[name].split('#')[0]);
    return hook(phony, url.pathname + url.search, { CallSid: call.sid, From: account.number, To: call.To, CallStatus: status, AccountSid: account.sid });
  };

  test('an answer that is none: the call is found though the clocks differ, and not placed again', async () => {
    const date = () => new Date(Date.now() - 3000).toUTCString().replace('GMT', '+0000');
    const fake = await startTwilio((calls) => calls.map((c) => ({ sid: c.sid, to: c.To, from: c.From, direction: 'outbound-api', status: 'queued', date_created: date() })).toReversed());
    const phony = await startPhony({ sims: { carrier: fake, agent }, settings });
    const numbers = ['+12025554800', '+12025554801'];
    for (const [i, number] of numbers.entries()) {
      const placed = await phony.call(number);
      assert.deepEqual([placed.status, placed.body.callSid], [201, sid(4800 + i, 'CA')], placed.text);
      assert.match((await callback(phony, fake.calls[i], 'Url', 'in-progress')).text, /<Connect>/);
      assert.equal((await phony.call(number)).status, 429);
    }
    assert.equal(fake.calls.length, 2);
    for (const call of fake.calls) await callback(phony, call, 'StatusCallback', 'completed');
    await finish(phony);
    fake.server.close();
  });

  test('the SID that a callback brings settles it', async () => {
    const fake = await startTwilio(() => []);
    const phony = await startPhony({ sims: { carrier: fake, agent }, settings });
    const placing = phony.call('+12025554810');
    await until(() => fake.lists.length > 0, 'the first look, in vain');
    assert.match((await callback(phony, fake.calls[0], 'Url', 'in-progress')).text, /<Connect>/);
    const placed = await placing;
    assert.deepEqual([placed.status, placed.body.callSid], [201, fake.calls[0].sid], placed.text);
    assert.equal(fake.calls.length, 1);
    await callback(phony, fake.calls[0], 'StatusCallback', 'completed');
    assert.equal((await phony.over(fake.calls[0].sid)).status, 'completed');
    await finish(phony);
    fake.server.close();
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

  test('a caller who hangs up before the stream begins has completed a call', async () => {
    const phony = await start();
    const number = '+14045558810';
    await phony.api('POST', '/api/incoming-configs', { phoneNumber: number, systemInstructions: 'x', callInstructions: 'y' });
    const told = { CallSid: sid(8810, 'CA'), From: '+12025552222', To: number, AccountSid: account.sid, Direction: 'inbound' };
    const answer = await hook(phony, '/call/incoming', { ...told, CallStatus: 'ringing' });
    const url = answer.text.match(/<Stream url="([^"]+)"/)[1];
    const signature = twilio.getExpectedTwilioSignature(account.token, url, {});
    const stream = new WebSocket(url, { headers: { 'x-twilio-signature': signature } });
    await new Promise((open, fail) => { stream.on('open', open); stream.on('error', fail); });
    stream.send(JSON.stringify({ event: 'connected', protocol: 'Call', version: '1.0.0' }));
    stream.close();
    await until(async () => (await phony.api('GET', `/api/calls/${told.CallSid}/events`)).body.events.some((e) => e.type === 'stream-ended'), 'the end of the stream');
    await hook(phony, '/call/status', { ...told, CallStatus: 'completed', CallDuration: '1' });
    const call = await phony.over(told.CallSid);
    assert.deepEqual([call.status, call.errorMessage], ['completed', undefined]);
    await finish(phony);
  });

  test('bytes that are no UTF-8 in a ring, and words of Twilio that are no ASCII, end no process', async () => {
    const refusing = await startCarrier({ default: { script: [] }, numbers: [account.number], create_faults: ['refuse'] });
    const phony = await startPhony({ sims: { carrier: refusing, agent }, settings });
    const voiced = async () => processes().find((p) => p.name === 'voiced' && p.runDir === phony.env.RUN_DIR)?.pid;
    const before = await voiced();
    const ring = async (n, From, To) => {
      const url = `${phony.env.PUBLIC_URL}/call/incoming`;
      const fields = Object.entries({ AccountSid: account.sid, CallSid: sid(n, 'CA'), CallStatus: 'ringing', From, To }).map(([k, v]) => [k, Buffer.from(v, 'latin1')]);
      const signature = crypto.createHmac('sha1', account.token).update(Buffer.concat([Buffer.from(url), ...fields.flatMap(([k, v]) => [Buffer.from(k), v])])).digest('base64');
      const body = fields.map(([k, v]) => `${k}=${[...v].map((b) => `%${b.toString(16).padStart(2, '0')}`).join('')}`).join('&');
      return (await fetch(url, { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded', 'x-twilio-signature': signature }, body })).status;
    };
    await phony.api('POST', '/api/incoming-configs', { phoneNumber: account.number, messageOnly: true, hangupMessage: 'Closed' });
    assert.equal(await ring(8820, 'sip:Qu\u00e9bec@example.com', account.number), 200);
    assert.equal(await ring(8821, '+12025552222', 'sip:\u00e9\u00ff@example.com'), 200);
    const refused = await phony.call('+12025554830');
    assert.deepEqual([refused.status, refused.body.code], [502, 'twilio'], refused.text);
    assert.match(refused.body.message, /電話/);
    assert.equal((await get(phony, sid(8820, 'CA'))).fromNumber, 'sip:Qu\ufffdbec@example.com');
    assert.equal(await voiced(), before);
    for (const n of [8820]) await hook(phony, '/call/status', { CallSid: sid(n, 'CA'), From: account.number, To: account.number, CallStatus: 'completed', AccountSid: account.sid });
    await finish(phony);
    await refusing.stop();
  });

  test("a call's end that the store refuses for the moment is stored, whatever Twilio repeats meanwhile", async () => {
    const phony = await start();
    const { callSid } = (await phony.call('+12025554840')).body;
    await becomes(phony, callSid, 'in-progress');
    const lock = spawn('sqlite3', [path.join(phony.folder, 'state/phony.db')]);
    lock.stdin.write('.timeout 5000\nBEGIN IMMEDIATE;\nSELECT 42;\n');
    await new Promise((locked) => { lock.stdout.once('data', locked); });
    const tell = () => hook(phony, '/call/status', { CallSid: callSid, CallStatus: 'completed', CallDuration: '7', From: account.number, To: '+12025554840', AccountSid: account.sid });
    const told = [tell()];
    await phony.log.wait((line) => line.includes("the call's end is not stored"), 'the store to refuse');
    told.push(tell());
    lock.stdin.end('ROLLBACK;\n');
    await Promise.all(told);
    const stored = () => execFileSync('sqlite3', ['-readonly', path.join(phony.folder, 'state/phony.db'), '.timeout 5000', `SELECT json_extract(document, '$.status') FROM calls WHERE json_extract(document, '$.callSid') = '${callSid}'`]).toString().trim();
    await until(() => stored() === 'completed', "the call's end to be stored", 20000, 200);
    carrier.command({ hangup: callSid });
    await finish(phony);
  });
});

test('phony doctor knows itself at PUBLIC_URL, and nobody else', async () => {
  const phony = await start();
  const foreign = createServer((request, answer) => {
    answer.writeHead(request.url.startsWith('/there') ? 200 : 404, { 'content-type': 'application/json' });
    answer.end(request.url.startsWith('/there') ? '{"status":"ok","proof":"0000"}' : 'not found');
  });
  await new Promise((done) => foreign.listen(0, '127.0.0.1', done));
  const doctor = (env) => new Promise((done) => {
    const child = spawn(bin('phony'), ['doctor'], { env: { ...phony.env, ...env }, cwd: phony.folder });
    let out = '';
    child.stdout.on('data', (d) => { out += d; });
    child.on('close', () => done(out));
  });
  assert.match(await doctor({}), /^ok +PUBLIC_URL$/m);
  for (const where of ['', '/there'])
    assert.match(await doctor({ PUBLIC_URL: `http://127.0.0.1:${foreign.address().port}${where}` }), /^fault +PUBLIC_URL: .*not this phony/m);
  assert.equal((await fetch(`${phony.env.PUBLIC_URL}/call/proof`)).status, 400);
  await finish(phony);
  foreign.close();
});
