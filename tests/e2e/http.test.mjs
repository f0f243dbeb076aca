// Every door, and bad input at each.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { after, before, test } from 'node:test';
import twilio from 'twilio';
import WebSocket from 'ws';
import { account, noProcesses, processes, startAgent, startCarrier, startPhony } from '../harness/phony.mjs';

let carrier, agent, phony, base;
before(async () => {
  agent = await startAgent({ apiKey: 'xi-test-key-0001', agents: { 'agent-test': { script: [{ pause_ms: 60000 }] } } });
  carrier = await startCarrier({ default: { script: [] } });
  phony = await startPhony({ sims: { carrier, agent }, settings: { MAX_CONCURRENT_OUTGOING_CALLS: '3' } });
  base = `http://127.0.0.1:${phony.port}`;
});
after(async () => {
  await phony.stop();
  assert.deepEqual([await agent.stop(), await carrier.stop()], [0, 0]);
  await noProcesses();
});

// Bytes as they are, and everything that comes back.
function speak(bytes, { half = false, wait = 10000 } = {}) {
  return new Promise((done, fail) => {
    const socket = net.connect(phony.port, '127.0.0.1', () => { socket.write(bytes); if (half) socket.end(); });
    let answer = '';
    const timer = setTimeout(() => { socket.destroy(); fail(new Error(`no end after ${wait} ms: ${answer}`)); }, wait);
    socket.on('data', (data) => { answer += data; });
    socket.on('error', () => {});
    socket.on('close', () => { clearTimeout(timer); done(answer); });
  });
}
const status = (answer) => Number(answer.split(' ')[1]);

async function liveCall(toNumber) {
  const { status: code, body } = await phony.call(toNumber);
  assert.equal(code, 201, JSON.stringify(body));
  const open = await carrier.events.wait((e) => e.event === 'stream-open' && e.callSid === body.callSid, 'the stream');
  assert.ok(open);
  const { document } = carrier.events.find((e) => e.event === 'twiml' && e.callSid === body.callSid);
  return { sid: body.callSid, token: document.match(/connection-outgoing\/(\w+)/)[1] };
}
const hook = (target, params, { token = account.token, url = `${base}${target}`, signature } = {}) => fetch(`${base}${target}`, {
  method: 'POST', body: new URLSearchParams(params),
  headers: { 'content-type': 'application/x-www-form-urlencoded', 'x-twilio-signature': signature ?? twilio.getExpectedTwilioSignature(token, url, params) },
});

test('/api wants the token', async () => {
  for (const authorization of ['', 'Bearer ', 'Bearer wrong', `Basic ${phony.token}`, `Bearer ${phony.token}x`]) {
    const answer = await phony.api('GET', '/api/calls', undefined, { authorization });
    assert.equal(answer.status, 401);
    assert.equal(answer.body.code, 'unauthorized');
  }
  for (const scheme of ['Bearer ', 'bearer ', 'BEARER  ']) assert.equal((await phony.api('GET', '/api/calls', undefined, { authorization: `${scheme}${phony.token}` })).status, 200, scheme);
});

test('addresses and methods that are not there', async () => {
  for (const [method, target, code] of [['GET', '/nowhere', 404], ['GET', '/api/nowhere', 404], ['PUT', '/api/calls', 405], ['DELETE', '/api/calls', 400],
    ['GET', '/call/outgoing', 405], ['POST', '/health', 405], ['GET', '/health', 200], ['GET', '/ready', 200],
    ['GET', '/sms/incoming', 405], ['POST', '/sms/nothing', 404], ['GET', '/api/sms/nothing', 404], ['PUT', '/mcp', 405], ['GET', '/mcp/x', 404]]) {
    const answer = await phony.api(method, target, method === 'POST' ? {} : undefined);
    assert.equal(answer.status, code, `${method} ${target}: ${answer.text}`);
    if (code >= 400 && answer.body) assert.equal(answer.body.status, 'error');
  }
});

test('wrong requests get a clear 400 that names the field', async () => {
  const good = { toNumber: '+12025550101', systemInstructions: 'x', callInstructions: 'y' };
  const cases = [[{ ...good, toNumber: '555' }, /toNumber.*E\.164/], [{ ...good, toNumber: undefined }, /toNumber is missing/],
    [{ ...good, toNumber: 5 }, /toNumber must be a text/], [{ ...good, systemInstructions: '' }, /systemInstructions is empty/],
    [{ ...good, provider: 'skynet' }, /provider must be/], [{ ...good, machineDetection: 'maybe' }, /machineDetection must be/], [{ ...good, outcomeSchema: { type: 'string' } }, /outcomeSchema: it must be/],
    [{ ...good, outcomeSchema: { type: 'object', properties: { a: { type: 'array', items: { pattern: '(' } } } } }, /outcomeSchema: properties\.a\.items\.pattern is no regular expression: at character 2/],
    [{ ...good, retries: 99 }, /retries must be 0 to 10/], [{ ...good, callAt: '2020-01-01' }, /callAt is in the past/], [{ ...good, callAt: '2400-01-01' }, /more than a year/], [{ ...good, context: 'x' }, /not both/],
    [{ ...good, transferNumber: '12' }, /transferNumber/], [{ ...good, ringTimeout: 1 }, /ringTimeout must be 5 to 600/],
    [{ ...good, fromNumber: '+1 202' }, /fromNumber.*E\.164/], [{ ...good, callInstructions: 'z'.repeat(70000) }, /callInstructions is longer/],
    [{}, /toNumber is missing; systemInstructions is missing; callInstructions is missing/], ['{"a"', /not JSON/], ['[]', /object is needed/],
    ['{"toNumber":"+12025550101","toNumber":"+12025550102"}', /not JSON/], ['{"toNumber":"\ud800"}', /not JSON|E\.164|missing/], ['{"toNumber":{"$gt":""}}', /toNumber must be a text/]];
  for (const [body, message] of cases) {
    const answer = await phony.api('POST', '/api/calls', body);
    assert.equal(answer.status, 400, answer.text);
    assert.match(answer.body.message, message);
  }
  for (const [query, message] of [['limit=0', /limit must be 1 to 200/], ['limit=201', /1 to 200/], ['limit=x', /whole number/], ['callType=up', /callType/],
    ['status=odd', /status must be/], ['startDate=yesterday', /startDate/], ['toNumber=+12025550101', /toNumber.*E\.164/], ['cursor=zzz', /cursor/],
    ['x=%zz', /query string is broken/], ['limit=1&limit=2', /query string is broken/]]) {
    const answer = await phony.api('GET', `/api/calls?${query}`);
    assert.equal(answer.status, 400, `${query}: ${answer.text}`);
    assert.match(answer.body.message, message);
  }
  assert.equal((await phony.api('GET', '/api/calls/CA12')).status, 400);
  assert.equal((await phony.api('GET', `/api/calls/CA${'0'.repeat(32)}`)).status, 404);
  assert.equal((await phony.api('POST', `/api/calls/CA${'0'.repeat(32)}/hangup`)).status, 404);
});

test('too much of everything', async () => {
  assert.equal((await phony.api('POST', '/api/calls', `{"x":"${'y'.repeat(300 * 1024)}"}`)).status, 413);
  assert.equal(status(await speak(`GET /${'a'.repeat(9000)}`)), 414);
  assert.equal(status(await speak(`GET /call/connection-outgoing/abc HTTP/1.1\r\nX: ${'a'.repeat(20000)}`)), 431);
  assert.ok([431, 413].includes(status(await speak(`GET /api/calls HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(60000)}\r\n\r\n`))));
});

test('what is no HTTP', async () => {
  assert.equal(status(await speak('hello\r\n')), 400);
  assert.equal(status(await speak('\x16\x03\x01\x02\x00\x01\x00')), 400);
  assert.equal(status(await speak('GET / HTTP/3.0\r\n\r\n')), 400);
  assert.equal(await speak('GET /api/ca', { half: true }), '');
  assert.equal(status(await speak('GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n', { half: true })), 404);
});

test('half a request line is waited for five seconds, however it trickles', async () => {
  const begun = Date.now();
  const trickle = await new Promise((done) => {
    const socket = net.connect(phony.port, '127.0.0.1');
    let answer = '';
    const timer = setInterval(() => socket.write('A'), 300);
    socket.on('data', (data) => { answer += data; });
    socket.on('error', () => {});
    socket.on('close', () => { clearInterval(timer); done(answer); });
  });
  const took = Date.now() - begun;
  assert.ok([408, 400].includes(status(trickle)), trickle);
  assert.ok(took < 7000, `${took} ms`);
  assert.equal(status(await speak('GET /api/calls HTTP', { wait: 8000 })), 408);
});

test('webhooks want a signature, which the vendor\'s own package makes', async () => {
  const { sid, token } = await liveCall('+12025550111');
  const params = { CallSid: sid, CallStatus: 'in-progress', From: '+12025550143', FromCity: 'Zürich', Body: ' a+b&c=d ', Empty: '' };
  const target = `/call/status?call=${token}`;
  assert.equal((await hook(target, params)).status, 204);
  // With the default port written out, as some libraries sign.
  assert.equal((await hook(target, params, { url: `http://127.0.0.1:80${target}` })).status, 204);
  for (const wrong of [{ token: 'f'.repeat(32) }, { url: `${base}/call/status?call=other` }, { signature: '' }, { signature: 'AAAAAAAAAAAAAAAAAAAAAAAAAAA=' }]) {
    const answer = await hook(target, params, wrong);
    assert.equal(answer.status, 403, JSON.stringify(wrong));
    assert.equal((await answer.json()).code, 'signature');
  }
  const unsigned = await fetch(`${base}${target}`, { method: 'POST', body: new URLSearchParams(params) });
  assert.equal(unsigned.status, 403);
  assert.equal((await hook(target, { ...params, CallSid: `CA${'1'.repeat(32)}` })).status, 403, "another call's secret");
  assert.equal((await hook(target, { CallStatus: 'ringing' })).status, 400);
  assert.equal((await hook(target, { CallSid: 'CA1' })).status, 400);
  assert.equal((await hook('/call/status?call=unknown', params)).status, 204);
  assert.match(await (await hook('/call/outgoing?call=unknown', params)).text(), /<Response><Hangup\/><\/Response>/);
  assert.equal((await hook(`/call/recording?call=${token}`, { CallSid: sid, RecordingSid: 'RE1', RecordingStatus: 'completed' })).status, 204);
  assert.equal((await hook(`/call/amd?call=${token}`, { CallSid: sid, AnsweredBy: 'human' })).status, 204);
  const { body } = await phony.api('GET', `/api/calls/${sid}/events?eventType=answered-by`);
  assert.equal(body.events[0].data.answeredBy, 'human');
  // A status never goes back.
  assert.equal((await hook(target, { ...params, CallStatus: 'ringing' })).status, 204);
  assert.equal((await phony.api('GET', `/api/calls/${sid}`)).body.status, 'in-progress');
  await phony.api('POST', `/api/calls/${sid}/hangup`);
  await phony.over(sid);
});

function upgrade(target, signature) {
  return new Promise((done) => {
    const ws = new WebSocket(`ws://127.0.0.1:${phony.port}${target}`, { headers: signature ? { 'x-twilio-signature': signature } : {} });
    ws.on('unexpected-response', (_, answer) => { done(answer.statusCode); ws.terminate(); });
    ws.on('open', () => { done(101); ws.terminate(); });
    ws.on('error', () => {});
  });
}

test('a stream wants its secret and its signature', async () => {
  const { sid, token } = await liveCall('+12025550112');
  const target = `/call/connection-outgoing/${token}`;
  const sign = (path) => twilio.getExpectedTwilioSignature(account.token, `ws://127.0.0.1:${phony.port}${path}`, {});
  const wrong = `${target.slice(0, -1)}${target.endsWith('A') ? 'B' : 'A'}`;
  assert.equal(await upgrade(wrong, sign(wrong)), 403);
  assert.equal(await upgrade('/call/connection-outgoing/x', sign('/call/connection-outgoing/x')), 403);
  assert.equal(await upgrade(target, 'AAAAAAAAAAAAAAAAAAAAAAAAAAA='), 403);
  assert.equal(await upgrade(target, undefined), 403);
  // The live stream was not disturbed by any of them.
  assert.equal((await phony.api('GET', `/api/calls/${sid}`)).body.isLive, true);
  await phony.api('POST', `/api/calls/${sid}/hangup`);
  await phony.over(sid);
  assert.equal(await upgrade(target, sign(target)), 403, 'the call is over');
});

test('of several streams of a call one is served: of the last attempt, the first', async () => {
  const { sid, token } = await liveCall('+12025550115');
  const target = `/call/connection-outgoing/${token}`;
  const signature = twilio.getExpectedTwilioSignature(account.token, `ws://127.0.0.1:${phony.port}${target}`, {});
  const again = (n) => hook(`/call/outgoing?call=${token}&again=${n}`, { CallSid: sid, CallStatus: 'in-progress', From: account.number, To: '+12025550115', AccountSid: account.sid });
  assert.equal(await upgrade(target, signature), 409, 'it has its stream');
  const worker = processes().find((p) => p.name === 'callworker' && p.title.includes(sid));
  process.kill(worker.pid, 'SIGSTOP'); // it does not give way: whoever comes next waits for what it has to tell
  try {
    assert.match(await (await again(1)).text(), /<Stream/);
    const first = [upgrade(target, signature), upgrade(target, signature)];
    assert.match(await (await again(2)).text(), /<Stream/);
    assert.deepEqual((await Promise.all([...first, upgrade(target, signature)])).toSorted(), [101, 409, 409]);
  } finally {
    process.kill(worker.pid, 'SIGCONT');
  }
  await phony.api('POST', `/api/calls/${sid}/hangup`);
  await phony.over(sid);
});

test('limits: calls at once, the same number twice', async () => {
  const one = await liveCall('+12025550113');
  const twice = await phony.call('+12025550113');
  assert.equal(twice.status, 429);
  assert.match(twice.body.message, /Duplicate call to \+12025550113 rejected - another call was placed \d+\.\ds ago/);
  const others = [await liveCall('+12025550114'), await liveCall('+12025550115')];
  const fourth = await phony.call('+12025550116');
  assert.equal(fourth.status, 429);
  assert.match(fourth.body.message, /Too many active calls/);
  const ended = await phony.api('POST', '/api/emergency-shutdown');
  assert.deepEqual([ended.status, ended.body.ended], [200, 3]);
  for (const { sid } of [one, ...others]) assert.equal((await phony.over(sid)).endReason, 'emergency shutdown');
});

test('what Twilio refuses is told in its words, with advice, and kept as failed', async () => {
  const invalid = await phony.call('+15005550001');
  assert.equal(invalid.status, 502);
  assert.match(invalid.body.message, /Twilio error 21211.*not a valid phone number.*Check toNumber/);
  const foreign = await phony.call('+12025550117', { fromNumber: '+12025559999' });
  assert.match(foreign.body.message, /21210/);
  const { body } = await phony.api('GET', '/api/calls?status=failed');
  assert.ok(body.calls.some((c) => c.toNumber === '+15005550001' && /21211/.test(c.errorMessage)));
});

test('no log line has a secret or a whole number in it', async () => {
  const text = phony.log.items.join('\n');
  for (const secret of [account.token, 'xi-test-key-0001', phony.token, 'connection-outgoing/']) assert.ok(!text.includes(secret), secret);
  const token = carrier.events.filter((e) => e.event === 'twiml').map((e) => e.document.match(/connection-outgoing\/(\w+)/)?.[1]);
  for (const t of token) if (t) assert.ok(!text.includes(t));
  assert.doesNotMatch(text, /\+1202555\d{4}/);
});

test('who waits for an answer while phony ends is told so', async () => {
  const ending = await startPhony();
  const call = await ending.call('+12025550190', { callAt: new Date(Date.now() + 3600000).toISOString() });
  assert.equal(call.body.status, 'scheduled', call.text);
  const known = await ending.api('GET', `/api/calls/${call.body.callSid}/wait?timeoutSeconds=0`);
  assert.deepEqual([known.body.data.status, known.body.data.changed], ['scheduled', false], known.text);
  const socket = net.connect(ending.port, '127.0.0.1');
  let answer = '';
  socket.on('data', (data) => { answer += data; });
  const closed = once(socket, 'close');
  await new Promise((done) => socket.write(`GET /api/calls/${call.body.callSid}/wait?timeoutSeconds=50 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ending.token}\r\n\r\n`, done));
  assert.equal((await ending.api('GET', '/api/calls')).status, 200); // came later, and was answered
  assert.equal(answer, '');
  assert.equal((await ending.stop()).code, 0);
  await closed;
  assert.match(answer, /^HTTP\/1\.1 503 [^]*\r\nRetry-After: 5\r\n[^]*"code":"ending"/i);
});
