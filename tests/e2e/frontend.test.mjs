// The front door under pressure: too many, too slow, from where they should not, and what they must not get.
import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { account, freePort, noProcesses, startAgent, startCarrier, startPhony, until } from '../harness/phony.mjs';
import { startNginx } from '../harness/nginx.mjs';
import { incoming, sid } from '../harness/webhooks.mjs';

const sanitized = /asan/.test(process.env.BUILD ?? '');
let carrier, agent, phony, base, nginx, outside;
before(async () => {
  agent = await startAgent({ apiKey: 'xi-test-key-0001', agents: { 'agent-test': { script: [{ pause_ms: 60000 }] } } });
  carrier = await startCarrier({ default: { script: [] } });
  phony = await startPhony({ sims: { carrier, agent }, settings: { TRUSTED_PROXIES: '127.0.0.1', MAX_REQUESTS_PER_SECOND: '8' } });
  base = `http://127.0.0.1:${phony.port}`;
  outside = await freePort();
  nginx = await startNginx(outside, [phony.port]);
});
after(async () => {
  await nginx.stop();
  await phony.stop();
  assert.deepEqual([await agent.stop(), await carrier.stop()], [0, 0]);
  await noProcesses();
});

function speak(bytes, port = phony.port, wait = 40000) {
  return new Promise((done, fail) => {
    const socket = net.connect(port, '127.0.0.1', () => socket.write(bytes));
    let answer = '';
    const timer = setTimeout(() => { socket.destroy(); fail(new Error(`no end after ${wait} ms: ${answer}`)); }, wait);
    socket.on('data', (data) => { answer += data; });
    socket.on('error', () => {});
    socket.on('close', () => { clearTimeout(timer); done(answer); });
  });
}
const message = (n) => incoming(phony, { MessageSid: sid(n), From: '+12025550111', To: account.number, Body: 'hello', NumMedia: '0' });

test('thousands of idle connections and slow requests do not delay a webhook', async () => {
  const count = sanitized ? 1500 : 5000, idle = [];
  for (let at = 0; at < count; at += 250)
    await Promise.all(Array.from({ length: Math.min(250, count - at) }, (_, i) => new Promise((done) => {
      const socket = net.connect(phony.port, '127.0.0.1', done);
      socket.on('error', done);
      if (i % 5 === 0) socket.write('POST /sms/incoming HT'); // a slow line
      if (i % 5 === 1) socket.write('POST /sms/incoming HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\na=1'); // a slow body
      idle.push(socket);
    })));
  const times = [];
  for (let n = 1; n <= 20; n++) {
    const begun = performance.now();
    assert.equal((await message(n)).status, 200);
    times.push(performance.now() - begun);
  }
  times.sort((a, b) => a - b);
  console.log(`a webhook beside ${count} idle connections: median ${times[10].toFixed(1)} ms, longest ${times.at(-1).toFixed(1)} ms`);
  assert.ok(times.at(-1) < 5000, 'Twilio waits for 15 s');
  for (const socket of idle) socket.destroy();
});

test('a body that trickles is waited for fifteen seconds, not for ever', async () => {
  const begun = Date.now();
  const socket = net.connect(phony.port, '127.0.0.1', () => socket.write('POST /api/calls HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n'));
  const trickle = setInterval(() => socket.write('x'), 1000);
  socket.on('error', () => {});
  await new Promise((done) => socket.on('close', done));
  clearInterval(trickle);
  const took = Date.now() - begun;
  assert.ok(took > 13000 && took < 25000, `${took} ms`);
});

test('a session of the browser: begun with the token, kept from scripts and other pages, ended', async () => {
  const session = (method, body, headers = {}) => fetch(`${base}/api/session`, { method, body: body && JSON.stringify(body), headers: { 'content-type': 'application/json', ...headers } });
  assert.equal((await session('POST', { token: 'wrong' })).status, 401);
  assert.equal((await session('POST', {})).status, 400);
  assert.equal((await session('POST', { token: phony.token }, { origin: 'https://evil.example' })).status, 403);
  const begun = await session('POST', { token: phony.token });
  assert.equal(begun.status, 200);
  const set = begun.headers.get('set-cookie');
  assert.match(set, /^phony_session=[\d]+\.\w+\.[0-9a-f]{64}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=\d+$/);
  const cookie = set.split(';')[0];
  assert.deepEqual(await (await session('GET', undefined, { cookie })).json(), { signedIn: true });
  assert.deepEqual(await (await session('GET')).json(), { signedIn: false });
  const api = (method, headers) => fetch(`${base}/api/contexts`, { method, headers: { cookie, 'content-type': 'application/json', ...headers }, body: method === 'POST' ? '{}' : undefined });
  assert.equal((await api('GET')).status, 200);
  assert.equal((await fetch(`${base}/api/sms/messages`, { headers: { cookie } })).status, 200, 'smsd knows it, too');
  for (const headers of [{}, { origin: 'https://evil.example' }, { origin: 'null' }, { 'sec-fetch-site': 'cross-site' }])
    assert.equal((await api('POST', headers)).status, 403, JSON.stringify(headers));
  assert.equal((await api('POST', { origin: base })).status, 400, 'our page, and a body that lacks everything');
  for (const forged of [cookie.replace(/=\d+/, '=9999999999'), `${cookie}0`, cookie.replace(/.$/, (c) => (c === '0' ? '1' : '0')), 'phony_session=', 'phony_session=a.b.c'])
    assert.equal((await fetch(`${base}/api/contexts`, { headers: { cookie: forged } })).status, 401, forged);
  const ended = await session('DELETE', undefined, { cookie, origin: base });
  assert.match(ended.headers.get('set-cookie'), /^phony_session=; .*Max-Age=0/);
  const secure = await session('POST', { token: phony.token }, { 'x-forwarded-for': '192.0.2.7', 'x-forwarded-proto': 'https' });
  assert.match(secure.headers.get('set-cookie'), /; Secure$/);
});

test("a session is for our own pages: not for another port's of this machine, nor for what is no JSON", async () => {
  const json = { 'content-type': 'application/json' };
  const begun = await fetch(`${base}/api/session`, { method: 'POST', headers: json, body: JSON.stringify({ token: phony.token }) });
  const cookie = begun.headers.get('set-cookie').split(';')[0];
  const context = JSON.stringify({ name: 'x', systemInstructions: 'y', contextType: 'both' });
  const post = (headers, target = '/api/contexts', body = context) => fetch(`${base}${target}`, { method: 'POST', headers: { cookie, ...headers }, body }).then((a) => a.status);
  for (const origin of ['http://127.0.0.1:1', 'http://localhost:5173', `http://localhost:${phony.port}`, 'http://[::1]:80', 'null'])
    for (const target of ['/api/contexts', '/api/calls', '/api/sms/send', '/mcp']) assert.equal(await post({ origin, ...json }, target), 403, `${origin} ${target}`);
  assert.equal(await post({ origin: 'http://127.0.0.1:1', ...json }, '/api/session', JSON.stringify({ token: phony.token })), 403);
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'text/plain; x=application/json', 'application/jsonp'])
    for (const headers of [{ origin: base, cookie }, { cookie: '', authorization: `Bearer ${phony.token}` }]) {
      assert.equal(await post({ ...headers, 'content-type': type }), 415, type);
      assert.equal(await post({ ...headers, 'content-type': type }, '/api/sms/send'), 415, type);
    }
  assert.equal(await post({ 'content-type': 'text/plain' }, '/api/session', JSON.stringify({ token: phony.token })), 415);
  assert.equal(await post({ origin: base, 'content-type': 'application/json; charset=utf-8' }), 201);
  const names = (await (await fetch(`${base}/api/contexts`, { headers: { cookie } })).json()).data.contexts.map((c) => c.name);
  assert.deepEqual(names, ['x'], 'one, of all these');
});

test('several lines of a header are one list, or one too many', async () => {
  const ask = async (...lines) => {
    const answer = await speak(['GET /api/calls HTTP/1.1', 'Connection: close', ...lines, '', ''].join('\r\n'));
    return Number(answer.split(' ')[1]);
  };
  const token = `Authorization: Bearer ${phony.token}`, host = 'Host: x';
  assert.equal(await ask(host, token), 200);
  // Of the first line the client itself is the author: it may not choose whose rate is used up.
  const statuses = [];
  for (let i = 0; i < 50 && !statuses.includes(429); i++) statuses.push(await ask(host, token, `X-Forwarded-For: 203.0.113.${i}`, 'X-Forwarded-For: 198.51.100.77'));
  assert.ok(statuses.includes(429), statuses.join());
  assert.equal(await speak(['GET /health HTTP/1.1', host, 'X-Forwarded-For: 127.0.0.1', 'X-Forwarded-For: 198.51.100.78', '', ''].join('\r\n')).then((a) => Number(a.split(' ')[1])), 401);
  const cookie = (...lines) => speak(['POST /api/session HTTP/1.1', host, 'Connection: close', 'X-Forwarded-For: 198.51.100.79', ...lines, 'Content-Type: application/json', `Content-Length: ${JSON.stringify({ token: phony.token }).length}`, '', JSON.stringify({ token: phony.token })].join('\r\n'));
  assert.doesNotMatch(await cookie('X-Forwarded-Proto: https', 'X-Forwarded-Proto: http'), /; Secure/);
  assert.match(await cookie('X-Forwarded-Proto: http', 'X-Forwarded-Proto: https'), /; Secure/);
  for (const twice of [[host, 'Host: y', token], [host, token, 'Authorization: Bearer other'], [host, 'Authorization: Bearer other', token], [host, token, 'Origin: http://127.0.0.1', 'Origin: https://evil.example'],
    [host, token, 'Cookie: a=1', 'Cookie: b=2'], [host, token, 'Content-Type: text/plain', 'Content-Type: application/json'], [host, token, 'Content-Length: 0', 'Content-Length: 0']])
    assert.equal(await ask(...twice), 400, twice.join(', '));
  assert.equal(await ask('X-Twilio-Signature: a', 'X-Twilio-Signature: b', host, token), 400);
});

test('a path that a proxy would read otherwise is refused, at every door', async () => {
  const token = `Authorization: Bearer ${phony.token}`;
  const ask = async (target, port) => Number((await speak(`GET ${target} HTTP/1.1\r\nHost: x\r\n${token}\r\nConnection: close\r\n\r\n`, port, 5000)).split(' ')[1]);
  for (const rest of ['/../../api/calls', '/%2e%2e%2f%2e%2e%2fapi%2fcalls', '//api/calls', '/..%2Fapi/calls', '/%5c..%5capi', '/\\..\\api\\calls', '/%2E%2E/api/calls', '/./x', '/%252e%252e/x'])
    for (const first of ['/call', '/api/calls', '/api/sms', '/sms', '/mcp', '/voicemail']) assert.equal(await ask(first + rest), 400, first + rest);
  assert.equal(await ask('/api/calls?phone=%2E%2E%2F..//\\'), 200, 'a query may have all that');
  // The block that we ship passes none of these on, in whatever way they are written.
  for (const target of ['/call/../api/calls', '/call/%2e%2e/api/calls', '/api/calls/%2e%2e%2f%2e%2e%2fcall%2fx', '/call/..%2fapi/calls', '/call//../api/calls', '/api/calls/../../call/status', '//call/status', '/call%2fstatus'])
    assert.ok([400, 404].includes(await ask(target, outside)), target);
});

test('who asks through a trusted proxy is who it says: counted, and not local', async () => {
  const from = (address, target = '/health', headers = {}) => fetch(`${base}${target}`, { headers: { 'x-forwarded-for': address, ...headers } });
  assert.equal((await fetch(`${base}/health`)).status, 200);
  assert.equal((await from('198.51.100.1')).status, 401, 'open on loopback only');
  assert.equal((await from('198.51.100.3, 127.0.0.1')).status, 401);
  assert.equal((await from('127.0.0.1, 198.51.100.4')).status, 401, 'what comes before a stranger is a stranger\'s word');
  assert.equal((await from('198.51.100.2', '/health', { authorization: `Bearer ${phony.token}` })).status, 200);
  const statuses = [];
  for (let i = 0; i < 40; i++) statuses.push((await from('203.0.113.9', '/api/calls', { authorization: `Bearer ${phony.token}` })).status);
  assert.equal(statuses[0], 200);
  const refused = await from('203.0.113.9', '/api/calls', { authorization: `Bearer ${phony.token}` });
  assert.ok(statuses.includes(429) && refused.status === 429, statuses.join());
  assert.equal(refused.headers.get('retry-after'), '1');
  assert.equal((await from('203.0.113.10', '/api/calls', { authorization: `Bearer ${phony.token}` })).status, 200, 'others are not meant');
  const guesses = [];
  for (let i = 0; i < 5; i++) guesses.push((await from('203.0.113.11', '/api/calls', { authorization: `Bearer guess-${i}` })).status);
  assert.ok(guesses.includes(401) && guesses.at(-1) === 429, guesses.join());
});

test('answers are safe in a browser, and repeat nothing that was sent', async () => {
  for (const target of ['/', '/nowhere', '/api/calls', '/health', '/mcp', '/call/outgoing', '/api/sms/messages']) {
    const answer = await fetch(`${base}${target}`);
    for (const [name, value] of [['x-content-type-options', 'nosniff'], ['x-frame-options', 'DENY'], ['referrer-policy', 'no-referrer']]) assert.equal(answer.headers.get(name), value, `${target} ${name}`);
    assert.match(answer.headers.get('content-security-policy'), /default-src 'none'/);
    assert.doesNotMatch(answer.headers.get('content-security-policy'), /unsafe/);
  }
  for (const [method, target] of [['GET', '/SENT-IN-THE-PATH'], ['GET', '/api/SENT-IN-THE-PATH'], ['GET', '/api/calls/SENT-IN-THE-PATH'], ['GET', '/api/calls?limit=SENT-IN-THE-QUERY'],
    ['GET', '/api/calls?SENT-IN-THE-QUERY=1'], ['POST', '/sms/SENT-IN-THE-PATH'], ['GET', '/call/connection-outgoing/SENT-IN-THE-PATH'], ['GET', '/mcp/SENT-IN-THE-PATH'], ['GET', '/%3CSENT-IN-THE-PATH%3E']]) {
    const { text } = await phony.api(method, target, method === 'POST' ? {} : undefined);
    assert.doesNotMatch(text, /SENT-IN-THE-PATH/, `${target}: ${text}`);
    if (/QUERY=1/.test(target)) assert.doesNotMatch(text, /<|>/);
  }
});

// A second request inside the body of the first: it must never be served, whatever the proxy before us thinks.
const hidden = (path) => `DELETE /api/sms/messages/${sid(1)} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${phony.token}\r\n${path}\r\n`;
const smuggled = () => [
  ['both lengths', `POST /sms/incoming HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${hidden('')}`],
  ['two lengths', `POST /sms/incoming HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 300\r\n\r\n${hidden('')}`],
  ['a length and more', `POST /sms/incoming HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na=1${hidden('')}`],
  ['no length', `POST /sms/incoming HTTP/1.1\r\nHost: x\r\n\r\n${hidden('')}`],
  ['an odd encoding', `POST /sms/incoming HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\nContent-Length: 3\r\n\r\na=1${hidden('')}`],
  ['a folded header', `POST /sms/incoming HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n 3\r\n\r\na=1${hidden('')}`],
  ['a chunk and more', `POST /sms/incoming HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na=1\r\n0\r\n\r\n${hidden('')}`],
  ['a pipeline', `GET /health HTTP/1.1\r\nHost: x\r\n\r\n${hidden('')}`],
];
test('request smuggling: one request for each connection, directly and behind nginx', async () => {
  for (const [what, bytes] of smuggled()) {
    const answer = await speak(bytes);
    assert.equal(answer.split('HTTP/1.1 ').length - 1, 1, `${what}: ${answer}`);
    if (/lengths/.test(what)) assert.match(answer, /^HTTP\/1\.1 400/, what);
  }
  for (const [what, bytes] of smuggled()) {
    // nginx passes /sms/ only: the hidden one is not its to pass, nor ours to serve.
    const answer = await speak(bytes.replaceAll('Host: x\r\n', 'Host: x\r\nConnection: close\r\n'), outside, 3000).catch((error) => error.message);
    assert.doesNotMatch(answer, /deleted/i, what);
  }
  const stored = await until(async () => { const a = await phony.api('GET', `/api/sms/messages/${sid(1)}`); return a.status === 200 && a; }, 'the message that was to be deleted');
  assert.equal(stored.body.data.messageSid, sid(1));
});
