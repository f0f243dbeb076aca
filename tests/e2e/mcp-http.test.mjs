// MCP over HTTP: the public clients' HTTP transports, both eras, and the public conformance suite.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { ElicitRequestSchema, LoggingMessageNotificationSchema, ResourceUpdatedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import { account, noProcesses, processes, root, startAgent, startCarrier, startPhony, temporaryFolder, until } from '../harness/phony.mjs';
import { Proxy } from '../harness/proxy.mjs';
import { agents, closeClients, legacyHttp, modernHttp, names, request, story } from '../harness/mcp.mjs';

let carrier, agent, phony, person = 4000;
before(async () => {
  agent = await startAgent({ apiKey: 'xi-test-key-0001', agents });
  carrier = await startCarrier({ default: { script: [] }, numbers: [account.number] });
  phony = await startPhony({ sims: { carrier, agent } });
});
after(async () => {
  await phony.stop();
  assert.deepEqual([await agent.stop(), await carrier.stop()], [0, 0]);
  await noProcesses();
});

afterEach(closeClients);

const legacy = () => legacyHttp(phony);
const modern = (mode) => modernHttp(phony, mode && { mode });

// One exchange by hand. The headers of the host that the client believes to speak with can be given.
const exchange = (method, body, headers = {}) => new Promise((done, failed) => {
  const text = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
  const r = http.request({ port: phony.port, host: '127.0.0.1', path: '/mcp', method, agent: false,
    headers: { authorization: `Bearer ${phony.token}`, accept: 'application/json, text/event-stream', ...(text !== undefined && { 'content-type': 'application/json' }), ...headers } }, (answer) => {
    const parts = [];
    answer.on('data', (part) => parts.push(part));
    answer.on('error', failed);
    answer.on('end', () => {
      const whole = Buffer.concat(parts).toString();
      done({ status: answer.statusCode, headers: answer.headers, text: whole, body: answer.headers['content-type'] === 'application/json' ? JSON.parse(whole) : undefined });
    });
  });
  r.on('error', failed);
  r.end(text);
});

const version = '2026-07-28';
const _meta = { 'io.modelcontextprotocol/protocolVersion': version, 'io.modelcontextprotocol/clientCapabilities': {} };
const modernHeaders = (method, name) => ({ 'mcp-protocol-version': version, 'mcp-method': method, ...(name && { 'mcp-name': name }) });

describe('the official clients', () => {
  test('of 2025-11-25 and older', async () => {
    const client = await legacy();
    await story(client);
    await client.ping();
    await client.transport.terminateSession();
    await assert.rejects(client.ping(), /Mcp-Session-Id is missing/);
  });

  test('of 2026-07-28', async () => { await story(await modern()); });

  test('of both eras, by negotiation', async () => {
    const client = await modern('auto');
    assert.equal((await client.listTools()).tools.length, names.length);
    assert.equal(client.getNegotiatedProtocolVersion(), version);
  });

  test('twenty of them at once', async () => {
    const all = await Promise.all([...Array(20)].map((_, i) => (i % 2 ? modern() : legacy())));
    const answers = await Promise.all(all.map((client, i) => client.callTool({ name: 'phony_list_calls', arguments: { limit: i + 1 } })));
    for (const answer of answers) assert.equal(answer.structuredContent.status, 'success');
  });

  test('follow a call: updates, progress, log messages', async () => {
    const client = await legacy();
    const updates = [], logs = [], progress = [], turns = [];
    client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => { updates.push(params.uri); });
    client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => { logs.push(params.data.status); });
    await client.setLoggingLevel('info');
    await client.subscribeResource({ uri: 'call://transcriptions' });
    const { callSid } = (await client.callTool({ name: 'phony_create_call', arguments: { toNumber: `+1202556${person++}`, ...request } })).structuredContent;
    for (let live = true, known = 0, status; live;) {
      const { structuredContent: { data } } = await client.callTool({ name: 'phony_wait_for_call', arguments: { callSid, after: known, ...(status && { status }) } }, undefined,
        { onprogress: ({ message }) => progress.push(message), timeout: 30000 });
      ({ isLive: live, after: known, status } = data);
      turns.push(...data.newTurns.map((turn) => turn.content)); // what was said between two waits is no progress of either
    }
    await until(() => updates.length && logs.includes('completed'), 'the updates and the log');
    assert.ok(progress.length > 0);
    assert.ok([...progress, ...turns].some((message) => message.includes('Goodbye')), progress.join());
  });

  test('listen, in the current era', async () => {
    const client = await modern();
    const updates = [];
    client.setNotificationHandler('notifications/resources/updated', ({ params }) => { updates.push(params.uri); });
    const subscription = await client.listen({ resourceSubscriptions: ['call://transcriptions'] });
    const { callSid } = (await client.callTool({ name: 'phony_create_call', arguments: { toNumber: `+1202556${person++}`, ...request } })).structuredContent;
    await phony.over(callSid);
    await until(() => updates.includes('call://transcriptions'), 'an update');
    await subscription.close();
  });
});

test('a person is asked on the stream of the request', async () => {
  const strict = await startPhony({ sims: { carrier, agent }, settings: { CONFIRM_CALLS: 'true' } });
  const client = await legacyHttp(strict, { capabilities: { elicitation: {} } });
  const questions = [];
  client.setRequestHandler(ElicitRequestSchema, ({ params }) => { questions.push(params.message); return { action: 'accept', content: { confirm: questions.length > 1 } }; });
  const call = { name: 'phony_create_call', arguments: { toNumber: `+1202556${person++}`, ...request } };
  assert.match((await client.callTool(call)).content[0].text, /did not agree/);
  assert.equal((await client.callTool(call)).structuredContent.status, 'initiated');
  assert.equal(questions.length, 2);
  await strict.stop();
});

describe('who may come in', () => {
  const ping = { jsonrpc: '2.0', id: 1, method: 'tools/list', params: { _meta } };
  const headers = modernHeaders('tools/list');

  test('the token', async () => {
    for (const authorization of ['', 'Bearer wrong', `Basic ${phony.token}`]) {
      const { status, headers: answered, text } = await exchange('POST', ping, { ...headers, authorization });
      assert.deepEqual([status, answered['www-authenticate']], [401, 'Bearer']);
      assert.ok(!text.includes(phony.token));
    }
    assert.equal((await exchange('GET', undefined, { authorization: '' })).status, 401);
  });

  test('Origin and Host: this machine and PUBLIC_URL, and no page of another host', async () => {
        for (const origin of ['http://localhost:5173', 'http://127.0.0.1', 'https://[::1]:8443', `http://127.0.0.1:${phony.port}`]) assert.equal((await exchange('POST', ping, { ...headers, origin })).status, 200, origin);
    for (const origin of ['https://evil.example', 'null', 'http://localhost.evil.example', 'http://127.0.0.1.evil.example']) assert.equal((await exchange('POST', ping, { ...headers, origin })).status, 403, origin);
    for (const host of ['localhost', `127.0.0.1:${phony.port}`]) assert.equal((await exchange('POST', ping, { ...headers, host })).status, 200, host);
    for (const host of ['evil.example', 'localhost.evil.example', 'x@localhost']) assert.equal((await exchange('POST', ping, { ...headers, host })).status, 403, host);
  });

  test('methods and bodies', async () => {
    assert.equal((await exchange('PUT', ping)).status, 405);
    assert.equal((await exchange('GET', undefined, { 'mcp-protocol-version': version })).status, 405);
    assert.equal((await exchange('DELETE', undefined, { 'mcp-protocol-version': version })).status, 405);
    assert.equal((await exchange('POST', JSON.stringify(ping), { 'content-type': 'text/plain' })).status, 415);
    for (const body of ['', '{', '[]', '"x"', '{"jsonrpc":"2.0"', '\u0000']) assert.equal((await exchange('POST', body)).status, 400, body);
    assert.equal((await exchange('POST', `{"x":"${'y'.repeat(1100000)}"}`)).status, 413);
  });
});

test('2026-07-28: the headers repeat the body', async () => {
  const call = { jsonrpc: '2.0', id: 7, method: 'tools/call', params: { name: 'phony_list_calls', arguments: {}, _meta } };
  const good = modernHeaders('tools/call', 'phony_list_calls');
  const code = async (body, headers) => { const { status, body: answer } = await exchange('POST', body, headers); return [status, answer.error?.code ?? 0, answer.id]; };
  assert.deepEqual(await code(call, good), [200, 0, 7]);
  assert.deepEqual(await code(call, { ...good, 'mcp-name': `=?base64?${Buffer.from('phony_list_calls').toString('base64')}?=` }), [200, 0, 7]);
  for (const [name, value] of [['mcp-method', 'tools/list'], ['mcp-method', undefined], ['mcp-name', 'phony_get_call'], ['mcp-name', undefined],
    ['mcp-name', '=?base64?!!!?='], ['mcp-protocol-version', undefined], ['mcp-protocol-version', '2027-01-01']]) {
    const headers = { ...good };
    if (value) headers[name] = value; else delete headers[name];
    assert.deepEqual(await code(call, headers), [400, -32020, 7], `${name}: ${value}`);
  }
  const bare = { ...call, params: { name: 'phony_list_calls', arguments: {} } };
  assert.deepEqual(await code(bare, good), [400, -32602, 7]);
  const poor = { ...call, params: { ...bare.params, _meta: { 'io.modelcontextprotocol/protocolVersion': version } } };
  assert.deepEqual(await code(poor, good), [400, -32602, 7]);
  const newer = { ..._meta, 'io.modelcontextprotocol/protocolVersion': '2031-01-01' };
  assert.deepEqual(await code({ ...call, params: { ...bare.params, _meta: newer } }, { ...good, 'mcp-protocol-version': '2031-01-01' }), [400, -32022, 7]);
  assert.deepEqual(await code({ jsonrpc: '2.0', id: 8, method: 'ping', params: { _meta } }, modernHeaders('ping')), [404, -32601, 8]);
  assert.equal((await exchange('POST', { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1, _meta } }, modernHeaders('notifications/cancelled'))).status, 202);
});

test('2025-11-25: a session, its end, and what is none', async () => {
  const open = { jsonrpc: '2.0', id: 0, method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'hand', version: '1' } } };
  const ping = { jsonrpc: '2.0', id: 1, method: 'ping' };
  const { status, headers, body } = await exchange('POST', open);
  assert.deepEqual([status, body.result.protocolVersion], [200, '2025-11-25']);
  const session = { 'mcp-session-id': headers['mcp-session-id'] };
  assert.match(session['mcp-session-id'], /^[\x21-\x7e]{32}$/);
  assert.equal((await exchange('POST', { jsonrpc: '2.0', method: 'notifications/initialized' }, session)).status, 202);
  assert.deepEqual((await exchange('POST', ping, session)).body, { jsonrpc: '2.0', id: 1, result: {} });
  assert.equal((await exchange('POST', ping, { ...session, 'mcp-protocol-version': '2025-06-18' })).status, 200);
  assert.equal((await exchange('POST', ping, { ...session, 'mcp-protocol-version': '1999-01-01' })).status, 400);
  assert.equal((await exchange('POST', ping)).status, 400);
  assert.equal((await exchange('POST', ping, { 'mcp-session-id': 'x'.repeat(32) })).status, 404);
  assert.equal((await exchange('GET', undefined, { ...session, accept: 'text/html' })).status, 406);
  // An id in work is not given to another.
  const { callSid } = (await exchange('POST', { jsonrpc: '2.0', id: 2, method: 'tools/call', params: { name: 'phony_create_call', arguments: { toNumber: `+1202556${person++}`, elevenLabsAgentId: 'agent-patient', ...request } } }, session)).body.result.structuredContent;
  await until(async () => (await phony.api('GET', `/api/calls/${callSid}`)).body.status === 'in-progress', 'the call');
  const waiting = { jsonrpc: '2.0', id: 3, method: 'tools/call', params: { name: 'phony_wait_for_call', arguments: { callSid, status: 'in-progress', timeoutSeconds: 40 } } };
  const first = exchange('POST', waiting, session);
  await until(async () => (await exchange('POST', waiting, session)).status === 400, 'the refusal');
  assert.equal((await exchange('DELETE', undefined, session)).status, 204);
  assert.equal((await first).status, 503);
  assert.equal((await exchange('POST', ping, session)).status, 404);
  await phony.api('POST', `/api/calls/${callSid}/hangup`);
  await phony.over(callSid);
});

test('2025-03-26: several messages in one array, and their answers in one', async () => {
  const open = (protocolVersion) => ({ jsonrpc: '2.0', id: 0, method: 'initialize', params: { protocolVersion, capabilities: {}, clientInfo: { name: 'hand', version: '1' } } });
  const session = async (revision) => ({ 'mcp-session-id': (await exchange('POST', open(revision))).headers['mcp-session-id'] });
  const ping = (id) => ({ jsonrpc: '2.0', id, method: 'ping' }), list = (id) => ({ jsonrpc: '2.0', id, method: 'tools/call', params: { name: 'phony_list_calls', arguments: {} } });
  const notification = { jsonrpc: '2.0', method: 'notifications/initialized' };
  const older = await session('2025-03-26'), later = await session('2025-06-18');
  const both = await exchange('POST', [list(1), notification, ping('two')], older);
  assert.deepEqual([both.status, both.body.map((a) => a.id).sort()], [200, [1, 'two']]);
  assert.equal((await exchange('POST', [notification, notification], older)).status, 202);
  assert.deepEqual((await exchange('POST', [notification, [notification]], older)).body.map((a) => a.error.code), [-32600]);
  assert.deepEqual((await exchange('POST', [open('2025-03-26')], older)).body.map((a) => a.error.message), ['initialize must come alone, not in a batch']);
  for (const batch of [[], Array.from({ length: 101 }, (_, i) => ping(i))]) assert.match((await exchange('POST', batch, older)).body.error.message, /between 1 and 100/);
  for (const headers of [later, { 'mcp-protocol-version': version }]) {
    const refused = await exchange('POST', [ping(1)], headers);
    assert.deepEqual([refused.status, refused.body.error.code], [400, -32600]);
    assert.match(refused.body.error.message, /one message at a time/);
  }
  assert.equal((await exchange('POST', [ping(1)])).status, 400);
  // What one of them tells meanwhile comes on the stream of the batch, whose last event are the answers.
  const { callSid } = (await phony.call(`+1202556${person++}`, { elevenLabsAgentId: 'agent-patient' })).body;
  const wait = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'phony_wait_for_call', arguments: { callSid, timeoutSeconds: 40 }, _meta: { progressToken: 'p' } } };
  const waiting = exchange('POST', [wait, ping(2)], older);
  await until(async () => (await phony.api('GET', `/api/calls/${callSid}`)).body.status === 'in-progress', 'the call');
  // An id in work is not given to another.
  const again = await exchange('POST', wait, older);
  assert.match(again.body.error.message, /no request in work has/);
  await phony.api('POST', `/api/calls/${callSid}/hangup`);
  const { headers, text } = await waiting;
  assert.equal(headers['content-type'], 'text/event-stream');
  const told = text.split('\n').filter((l) => l.startsWith('data: ')).map((l) => JSON.parse(l.slice(6)));
  assert.ok(told.slice(0, -1).every((m) => m.method === 'notifications/progress'));
  assert.ok(told.length > 1);
  assert.deepEqual(told.at(-1).map((a) => a.id).sort(), [1, 2]);
  await phony.over(callSid);
  for (const ended of [older, later]) assert.equal((await exchange('DELETE', undefined, ended)).status, 204);
});

describe('2025-11-25: the connection breaks', () => {
  let line, client, back, waits;
  const place = async () => {
    const { callSid } = (await client.callTool({ name: 'phony_create_call', arguments: { toNumber: `+1202556${person++}`, elevenLabsAgentId: 'agent-patient', ...request } })).structuredContent;
    await until(async () => (await phony.api('GET', `/api/calls/${callSid}`)).body.status === 'in-progress', 'the call');
    return callSid;
  };
  // Resolves with the answer, and tells when the client knows its stream.
  const waiting = (callSid, by = client) => {
    const known = [], answer = by.callTool({ name: 'phony_wait_for_call', arguments: { callSid, status: 'in-progress', timeoutSeconds: 40 } }, undefined, { onresumptiontoken: (token) => known.push(token) });
    return { known, answer };
  };
  beforeEach(async () => {
    line = await new Proxy(phony.port).listen();
    waits = new Promise((done) => { back = done; });
    const fetcher = async (url, init) => { if (init.headers.get('last-event-id')) await waits; return fetch(url, init); };
    client = await legacyHttp({ port: line.port, token: phony.token }, {}, { fetch: fetcher, reconnectionOptions: { initialReconnectionDelay: 20, maxReconnectionDelay: 20, reconnectionDelayGrowFactor: 1, maxRetries: 50 } });
  });
  afterEach(() => line.close());

  test('before the answer: it comes on the stream that the client comes back to', async () => {
    const callSid = await place(), { known, answer } = waiting(callSid);
    await until(() => known.length, 'the stream');
    back();
    assert.ok(line.cut() > 0);
    await until(() => line.connections.size > 0, 'the client to be back');
    await phony.api('POST', `/api/calls/${callSid}/hangup`);
    assert.equal((await answer).structuredContent.data.status, 'completed');
    await phony.over(callSid);
  });

  test('and what was said meanwhile is not lost: the answer, the updates', async () => {
    const heard = async (by) => {
      const updates = [];
      by.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => { updates.push(params.uri); });
      await by.subscribeResource({ uri: 'call://transcriptions' });
      return updates;
    };
    // The witness, on an unbroken line, is told the same at the same time.
    const witness = await legacy(), updates = await heard(client), witnessed = await heard(witness);
    const callSid = await place(), { known, answer } = waiting(callSid), witnessAnswer = waiting(callSid, witness).answer;
    await until(() => known.length && updates.length && witnessed.length, 'the stream and the first update');
    line.cut();
    updates.length = witnessed.length = 0;
    await phony.api('POST', `/api/calls/${callSid}/hangup`);
    await phony.over(callSid);
    await witnessAnswer;
    await until(() => witnessed.length, 'the witness to be told');
    assert.deepEqual(updates, []);
    back();
    assert.equal((await answer).structuredContent.data.status, 'completed');
    await until(() => updates.includes('call://transcriptions'), 'the update');
  });

  test('an id that is none, and a stream on which nothing more comes', async () => {
    back();
    const session = { 'mcp-session-id': client.transport.sessionId, accept: 'text/event-stream' };
    for (const id of ['', 'x', '1', '1-', '-1-1', '1-1x', '99999999999-1']) assert.match((await exchange('GET', undefined, { ...session, 'last-event-id': id })).text, /is no id of this server/, id);
    assert.match((await exchange('GET', undefined, { ...session, 'last-event-id': '7-7' })).text, /Nothing came on this stream/);
  });

  test('only the version that knows them gets an event without data', async () => {
    back();
    const callSid = await place();
    const wait = (id) => ({ jsonrpc: '2.0', id, method: 'tools/call', params: { name: 'phony_wait_for_call', arguments: { callSid, status: 'in-progress', after: 100, timeoutSeconds: 1 } } });
    const session = { 'mcp-session-id': client.transport.sessionId };
    const older = await exchange('POST', wait(101), { ...session, 'mcp-protocol-version': '2025-06-18' });
    assert.deepEqual([older.headers['content-type'], older.body.id], ['application/json', 101]);
    const newer = await exchange('POST', wait(102), { ...session, 'mcp-protocol-version': '2025-11-25' });
    assert.equal(newer.headers['content-type'], 'text/event-stream');
    assert.match(newer.text, /^:\n\nid: (\d+)-\d+\ndata: \n\nid: \1-\d+\nevent: message\ndata: \{/);
    await phony.api('POST', `/api/calls/${callSid}/hangup`);
    await phony.over(callSid);
  });
});

test('mcpd dies: calls go on, the clients come again', async () => {
  const client = await modern();
  const { callSid } = (await client.callTool({ name: 'phony_create_call', arguments: { toNumber: `+1202556${person++}`, elevenLabsAgentId: 'agent-patient', ...request } })).structuredContent;
  const old = processes().find((p) => p.name === 'mcpd').pid;
  process.kill(old, 'SIGKILL');
  await until(() => client.callTool({ name: 'phony_hangup_call', arguments: { callSid } }).then((r) => !r.isError, () => false), 'mcpd to be back');
  assert.equal((await phony.over(callSid)).status, 'completed');
});

// The suite sends no token: this stands between, as a proxy that knows it would.
async function proxy() {
  const server = http.createServer((request, answer) => {
    const onward = http.request({ port: phony.port, host: '127.0.0.1', path: request.url, method: request.method, agent: false,
      headers: { ...request.headers, authorization: `Bearer ${phony.token}` } }, (got) => {
      const { connection, 'transfer-encoding': encoding, ...headers } = got.headers;
      answer.writeHead(got.statusCode, headers);
      answer.flushHeaders();
      got.pipe(answer);
    });
    onward.on('error', () => answer.destroy());
    answer.on('close', () => onward.destroy());
    request.pipe(onward);
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return server;
}

// What these ask for by name is a test server's own tool, resource or prompt; some pass without.
const needsFixture = /^(tools-call-|prompts-get-|resources-read-|resources-templates-read|resources-(un)?subscribe|completion-complete|elicitation-|json-schema|server-sse-|input-required-result-|http-custom-header|tasks-)/;
const lacksFixture = /^Not testable: server does not list the diagnostic tool/;

for (const revision of ['2025-11-25', '2026-07-28']) test(`the conformance suite, ${revision}`, { timeout: 240000 }, async () => {
  const program = path.join(root, 'tests/node_modules/@modelcontextprotocol/conformance/dist/index.js');
  await phony.over((await phony.api('POST', '/api/calls', { toNumber: `+1202556${person++}`, ...request })).body.callSid); // a resource to read
  const server = await proxy(), folder = temporaryFolder();
  const said = await new Promise((done) => execFile(process.execPath, [program, 'server', '--url', `http://127.0.0.1:${server.address().port}/mcp`, '--requirements', revision, '-o', folder],
    { maxBuffer: 1 << 26, timeout: 200000 }, (error, out) => done(out)));
  server.closeAllConnections();
  server.close();
  let scenarios = 0, passed = 0, without = 0;
  const failed = [];
  for (const file of fs.readdirSync(folder, { recursive: true }).filter((name) => name.endsWith('checks.json'))) {
    const name = path.basename(path.dirname(file)).replace(/^server-/, '').replace(/-\d{4}-\d\d-\d\dT.*$/, '');
    const checks = JSON.parse(fs.readFileSync(path.join(folder, file), 'utf8'));
    const faults = checks.filter((check) => check.status === 'FAILURE' && !lacksFixture.test(check.errorMessage ?? ''));
    if (faults.length && needsFixture.test(name)) { without++; continue; }
    scenarios++;
    passed += checks.filter((check) => check.status === 'SUCCESS').length;
    for (const check of faults) failed.push(`${name}: ${check.id}: ${check.errorMessage}`);
  }
  console.log(`conformance ${revision}: ${passed} checks of ${scenarios} scenarios passed, ${failed.length} failed; ${without} more scenarios call what only a test server has. The suite's own total: ${said.match(/^Total: (.*)$/m)?.[1]}`);
  assert.equal(failed.join('\n'), '');
  assert.ok(scenarios >= 10, `only ${scenarios} scenarios ran`);
});
