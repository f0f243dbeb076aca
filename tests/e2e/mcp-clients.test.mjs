// MCP clients as they are: they leave in the middle, cancel, lose their connection, write what is not quite JSON, send
// null and arguments of their own, and read lines where others see none.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { Client as Legacy } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as LegacyStdio } from '@modelcontextprotocol/sdk/client/stdio.js';
import { account, bin, noProcesses, processes, startAgent, startCarrier, startPhony, until } from '../harness/phony.mjs';
import { bye, closeClients, legacyHttp, modernHttp, opened, rawStdio, request } from '../harness/mcp.mjs';
import { hook, incoming, sid } from '../harness/webhooks.mjs';

const recordingSid = sid(901, 'RE');
// The 200th byte of what it says lies inside a character.
const long = `${'x'.repeat(199)}é and so on. Goodbye!`;
let carrier, agent, phony, person = 6000;
before(async () => {
  agent = await startAgent({ apiKey: 'xi-test-key-0001', agents: {
    'agent-long': { script: [{ pause_ms: 500 }, { say: long, wav: bye.pattern }, { pause_ms: 60000 }] },
    'agent-patient': { script: [{ pause_ms: 60000 }] },
    'agent-outcome': { script: [{ pause_ms: 300 }, { tool: 'add_note', parameters: { note: 'They open at nine.' } }, { say: 'Goodbye!', wav: bye.pattern }, { tool: 'end_call', parameters: {} },
      { context: 'report_outcome' }, { tool: 'report_outcome', parameters: { booked: true } }] } } });
  carrier = await startCarrier({ default: { script: [] }, numbers: [account.number], recordings: { [recordingSid]: 'I called about the bicycle.' } });
  phony = await startPhony({ sims: { carrier, agent }, settings: { ELEVENLABS_AGENT_ID: 'agent-patient', DRAIN_SECONDS: '0' } });
  await hook(phony, '/voicemail/recording', { CallSid: sid(901, 'CA'), RecordingSid: recordingSid, RecordingUrl: 'https://api.twilio.com/x', RecordingDuration: '5', From: '+12025551111', To: account.number, AccountSid: account.sid });
});
after(async () => {
  phony.child.kill(); // and again: Twilio is away, the last call cannot be ended
  await phony.stop();
  assert.equal(await agent.stop(), 0);
  await noProcesses();
});
afterEach(closeClients);

const number = () => `+1202557${person++}`;
const mcpd = () => processes().filter((p) => p.name === 'mcpd' && p.state !== 'Z').map((p) => p.pid).join();
const live = async (callSid) => { await until(async () => (await phony.api('GET', `/api/calls/${callSid}`)).body.status === 'in-progress', 'the call'); return callSid; };
const place = async (agentId = 'agent-patient', more = {}) => (await phony.call(number(), { elevenLabsAgentId: agentId, ...more })).body.callSid;
const hangUp = async (callSid) => { await phony.api('POST', `/api/calls/${callSid}/hangup`); await phony.over(callSid); };
const tool = (id, name, args, more = {}) => ({ jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: args, ...more } });
const wait = (id, callSid, more) => tool(id, 'phony_wait_for_call', { callSid, status: 'in-progress', after: 100, timeoutSeconds: 40 }, more);
const cancelled = (requestId) => ({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId } });

const revision = '2025-11-25';
const initialize = { jsonrpc: '2.0', id: 0, method: 'initialize', params: { protocolVersion: revision, capabilities: {}, clientInfo: { name: 'hand', version: '1' } } };
const post = (message, headers = {}, options = {}) => fetch(`http://127.0.0.1:${phony.port}/mcp`, { method: 'POST', ...options,
  headers: { authorization: `Bearer ${phony.token}`, 'content-type': 'application/json', accept: 'application/json, text/event-stream', 'mcp-protocol-version': revision, ...headers },
  body: typeof message === 'string' ? message : JSON.stringify(message) });
async function session() {
  const answer = await post(initialize);
  assert.equal(answer.status, 200, await answer.text());
  return { 'mcp-session-id': answer.headers.get('mcp-session-id') };
}
const modern = '2026-07-28';
const modernPost = (message, capabilities = {}, name = message.params.name) => post(
  { ...message, params: { ...message.params, _meta: { 'io.modelcontextprotocol/protocolVersion': modern, 'io.modelcontextprotocol/clientCapabilities': capabilities } } },
  { 'mcp-protocol-version': modern, 'mcp-method': message.method, ...(name && { 'mcp-name': name }) });

describe('what is said is cut on characters', () => {
  test('stdio', async () => {
    const { child, answers, send } = rawStdio(phony.env);
    send(initialize);
    const callSid = await place('agent-long');
    send(tool(1, 'phony_wait_for_call', { callSid, after: 100, timeoutSeconds: 40 }, { _meta: { progressToken: 'p' } }));
    const told = await answers.wait((m) => m.params?.message?.startsWith('assistant: xxx'), 'the progress');
    assert.equal(told.params.message, `assistant: ${'x'.repeat(199)}`);
    await hangUp(callSid);
    await answers.wait((m) => m.id === 1, 'the answer');
    child.stdin.end();
    assert.deepEqual(await child.ended, { code: 0, signal: null });
  });

  test('HTTP', async () => {
    const before = mcpd(), callSid = await place('agent-long');
    const answer = await post(tool(1, 'phony_wait_for_call', { callSid, after: 100, timeoutSeconds: 40 }, { _meta: { progressToken: 'p' } }), await session());
    let text = '';
    for await (const part of answer.body.pipeThrough(new TextDecoderStream())) {
      text += part;
      if (text.includes('assistant: xxx')) await hangUp(callSid);
    }
    assert.match(text, /"message":"assistant: x{199}"/);
    assert.equal(mcpd(), before);
  });
});

describe('clients that leave', () => {
  test('in the middle of what takes two questions', async () => {
    const before = mcpd(), callSid = await live(await place());
    for (let i = 0; i < 40; i++) {
      const headers = await session();
      const read = post({ jsonrpc: '2.0', id: 1, method: 'resources/read', params: { uri: 'call://transcriptions' } }, headers).then((r) => r.text(), () => {});
      if (i % 4) await new Promise((done) => setTimeout(done, i % 4));
      await fetch(`http://127.0.0.1:${phony.port}/mcp`, { method: 'DELETE', headers: { authorization: `Bearer ${phony.token}`, ...headers } });
      await read;
    }
    const { body } = await phony.api('GET', '/api/status');
    assert.equal(mcpd(), before, JSON.stringify(body));
    await hangUp(callSid);
  });

  test('a cancelled request ends: its stream, its batch, its id is free', async () => {
    const callSid = await live(await place()), headers = await session();
    // As a stream, and before it has become one.
    for (const first of [true, false]) {
      const answer = post(wait('w', callSid), headers);
      if (first) await answer;
      else await until(async () => (await post(wait('w', callSid), headers)).status === 400, 'the request to be in work');
      assert.equal((await post(cancelled('w'), headers)).status, 202);
      const { status, headers: answered } = await answer, text = await (await answer).text();
      assert.deepEqual([status, answered.get('content-type')], [200, 'text/event-stream']);
      assert.ok(!text.includes('"result"') && !text.includes('"error"'), text);
      const { result } = await (await post({ jsonrpc: '2.0', id: 'w', method: 'ping' }, headers)).json();
      assert.deepEqual(result, {});
      // The client has lost nothing, and is told not to come back for it.
      const began = /^id: (\S+)$/m.exec(text)?.[1];
      if (began) assert.equal((await fetch(`http://127.0.0.1:${phony.port}/mcp`, { headers: { authorization: `Bearer ${phony.token}`, accept: 'text/event-stream', 'last-event-id': began, ...headers } })).status, 204);
    }
    const older = await post({ ...initialize, params: { ...initialize.params, protocolVersion: '2025-03-26' } }, { 'mcp-protocol-version': '2025-03-26' });
    const batches = { 'mcp-protocol-version': '2025-03-26', 'mcp-session-id': older.headers.get('mcp-session-id') };
    const batch = post([wait('a', callSid), wait('b', callSid)], batches);
    await until(async () => (await post(wait('b', callSid), batches)).status === 400, 'the batch to be in work');
    await post([cancelled('a'), cancelled('b')], batches);
    assert.equal((await (await batch).text()).replace(/^:.*\n\n/, ''), ''); // but a comment, so that proxies pass the header on
    await hangUp(callSid);
  });

  test('the official client cancels, and goes on', async () => {
    const callSid = await live(await place()), client = await legacyHttp(phony), errors = [];
    client.onerror = (error) => errors.push(error);
    const controller = new AbortController(), answer = client.callTool({ name: 'phony_wait_for_call', arguments: wait(0, callSid).params.arguments }, undefined, { signal: controller.signal });
    await client.ping();
    controller.abort('enough');
    await assert.rejects(answer, /enough/);
    assert.equal((await client.callTool({ name: 'phony_get_call', arguments: { callSid } })).structuredContent.data.isLive, true);
    assert.deepEqual(errors, []);
    await hangUp(callSid);
  });

  test('a hundred whose connection is cut, or that cancelled: there is room for others', async () => {
    const callSid = await live(await place());
    const leave = async (i) => {
      const headers = await session(), controller = new AbortController();
      const answer = await post(wait(1, callSid), headers, { signal: controller.signal });
      if (i % 2) await post(cancelled(1), headers);
      controller.abort();
      await answer.text().catch(() => {});
    };
    for (let i = 0; i < 105; i += 35) await Promise.all(Array.from({ length: 35 }, (_, k) => leave(i + k)));
    await session();
    await hangUp(callSid);
  });

  test('stdio: cancelled, and the end of input', async () => {
    const callSid = await live(await place());
    const { child, answers, send } = rawStdio(phony.env);
    send(initialize);
    send(wait('w', callSid));
    send(tool('list', 'phony_list_calls', {}));
    await answers.wait((m) => m.id === 'list', 'the list');
    send(cancelled('w'));
    child.stdin.end();
    const end = await Promise.race([child.ended, new Promise((done) => setTimeout(done, 20000, 'still there').unref())]);
    assert.deepEqual(end, { code: 0, signal: null });
    assert.equal(answers.find((m) => m.id === 'w'), undefined);
    await hangUp(callSid);
  });

  test('stdio: a client that dies while it waits', async () => {
    const callSid = await live(await place());
    const { child, answers, send } = rawStdio(phony.env);
    send(wait('w', callSid));
    send(tool('list', 'phony_list_calls', {}));
    await answers.wait((m) => m.id === 'list', 'the list');
    child.stdin.destroy();
    child.stdout.destroy();
    const end = await Promise.race([child.ended, new Promise((done) => setTimeout(done, 20000, 'still there').unref())]);
    assert.deepEqual(end, { code: 0, signal: null });
    await hangUp(callSid);
  });
});

describe('what is not quite JSON', () => {
  // JSON.stringify writes half of a pair as an escape, which is how language models' broken emoji arrive.
  const query = 'a\ud83d b\u0000c';

  test('the official clients search for half a character', async () => {
    const stdio = opened(new Legacy({ name: 'test', version: '1' }));
    await stdio.connect(new LegacyStdio({ command: bin('phony'), args: ['mcp'], env: phony.env, cwd: '/', stderr: 'inherit' }));
    for (const client of [stdio, await legacyHttp(phony), await modernHttp(phony)])
      assert.equal((await client.callTool({ name: 'phony_search_messages', arguments: { query } })).structuredContent.data.count, 0);
  });

  test('a byte order mark, bytes that are not UTF-8, numbers that are too large', async () => {
    const headers = await session();
    const ping = (id, more = '') => `{"jsonrpc":"2.0","id":${id},"method":"ping","params":{"x":"${more}"}}`;
    const ask = async (body) => { const answer = await post(body, headers); const { id, result, error } = await answer.json(); return [answer.status, id, error?.code ?? result]; };
    assert.deepEqual(await ask(`\ufeff${ping(1)}`), [200, 1, {}]);
    assert.deepEqual(await ask(`{"jsonrpc":"2.0","id":2,"method":"ping","x":99999999999999999999}`), [400, 2, -32700]);
    assert.deepEqual(await ask('{"jsonrpc":"2.0","id":3.5,"method":"ping"}'), [400, 3.5, -32600]);
    assert.deepEqual(await ask('{"jsonrpc":"2.0","id":"four","method":"ping",}'), [400, 'four', -32700]);
    assert.deepEqual(await ask('"five"'), [400, undefined, -32600]);
    assert.deepEqual(await ask('{"jsonrpc":"2.0","id":1.5,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{}}}'), [400, 1.5, -32600]);
    const { child, answers, send } = rawStdio(phony.env);
    child.stdin.write(Buffer.concat([Buffer.from('\ufeff'), Buffer.from(`${JSON.stringify(initialize)}\n`)]));
    assert.equal((await answers.wait((m) => m.id === 0, 'initialize')).result.protocolVersion, revision);
    child.stdin.write(Buffer.from(`${ping(1, 'Qu\xe9bec')}\n`, 'latin1'));
    assert.deepEqual((await answers.wait((m) => m.id === 1, 'the answer')).result, {});
    send(ping(2, '\\ud83d'));
    assert.deepEqual((await answers.wait((m) => m.id === 2, 'the answer')).result, {});
    child.stdin.end();
    await child.ended;
  });

  test('what is sent ends no line for anybody', async () => {
    const body = 'before\u2028after\u2029end\u0085x 👋';
    await incoming(phony, { MessageSid: sid(701), From: '+12025550123', To: account.number, Body: body, NumMedia: '0' });
    const list = tool(1, 'phony_list_messages', { fromNumber: '+12025550123' });
    const { child, answers, lines, send } = rawStdio(phony.env);
    send(list);
    const stdio = await answers.wait((m) => m.id === 1, 'the list');
    const headers = await session(), json = await (await post(list, headers)).text();
    const current = await (await modernPost(list)).text();
    for (const text of [lines[0], json, current]) assert.match(text, /^[\x20-\x7e]*$/);
    for (const answer of [stdio, JSON.parse(json), JSON.parse(current)]) assert.equal(answer.result.structuredContent.data.messages[0].body, body);
    child.stdin.end();
    await child.ended;
  });
});

describe('arguments', () => {
  const mess = { limit: null, status: null, fromNumber: null, sessionId: 's', toolCallId: 'call_1', action: 'sendMessage', chatInput: 'Hi' };

  test('null is absent, what a tool does not have is ignored, 5.0 and "5" are integers', async () => {
    const stdio = opened(new Legacy({ name: 'test', version: '1' }));
    await stdio.connect(new LegacyStdio({ command: bin('phony'), args: ['mcp'], env: phony.env, cwd: '/', stderr: 'inherit' }));
    for (const client of [stdio, await legacyHttp(phony), await modernHttp(phony)]) {
      for (const name of ['phony_list_calls', 'phony_list_messages', 'phony_list_voicemails'])
        assert.ok((await client.callTool({ name, arguments: mess })).structuredContent.status, name);
      const missing = await client.callTool({ name: 'phony_get_call', arguments: { callSid: null } });
      assert.deepEqual([missing.isError, missing.content[0].text], [true, 'callSid is missing.']);
    }
    await phony.log.wait((line) => /phony_list_calls: ignored arguments that it does not have: sessionId, toolCallId, action, chatInput/.test(line), 'the log line');
    const headers = await session(), lists = ['tools/list', 'prompts/list', 'resources/list', 'resources/templates/list'];
    for (const method of lists) assert.ok((await (await post({ jsonrpc: '2.0', id: 1, method, params: { cursor: null, _meta: null } }, headers)).json()).result, method);
    const five = (n) => post(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"phony_list_calls","arguments":{"limit":${n}}}}`, headers);
    for (const limit of ['5.0', '"5"']) assert.ok((await (await five(limit)).json()).result.structuredContent, limit);
    assert.match((await (await five('5.5')).json()).result.content[0].text, /limit must be a whole number/);
  });

  test('every tool takes such a client', async () => {
    const client = await legacyHttp(phony);
    for (const { name, inputSchema } of (await client.listTools()).tools) {
      const required = inputSchema.required ?? [], args = { sessionId: 's', toolCallId: 't' };
      if (!required.length) continue; // what it does without arguments is not always harmless
      for (const argument of Object.keys(inputSchema.properties)) args[argument] = null;
      const { isError, content: [{ text }] } = await client.callTool({ name, arguments: args });
      assert.equal(isError, true, name);
      assert.deepEqual(text.split('. ').map((s) => s.replace(/\.$/, '')).sort(), required.map((argument) => `${argument} is missing`).sort(), name);
    }
  });

  test('a schema of an outcome and the fields of a template are whatever they are', async () => {
    const client = await legacyHttp(phony);
    const outcomeSchema = { type: 'object', properties: { booked: { type: ['boolean', 'null'] }, type: { type: 'string', enum: ['a'] } }, required: ['booked'], additionalProperties: false };
    const { callSid } = (await client.callTool({ name: 'phony_create_call', arguments: { toNumber: number(), ...request, outcomeSchema } })).structuredContent;
    assert.deepEqual((await phony.api('GET', `/api/calls/${callSid}`)).body.outcomeSchema, outcomeSchema);
    await live(callSid);
    await hangUp(callSid);
    await client.callTool({ name: 'phony_create_message_template', arguments: { name: 'greeting', body: 'Hi {{who}}' } });
    const bulk = await client.callTool({ name: 'phony_send_bulk_sms', arguments: { toNumbers: [number(), { toNumber: number(), fields: { who: 'Bob' } }], template: 'greeting', fields: { who: 'all' } } });
    assert.equal(bulk.structuredContent.data.total, 2);
  });
});

test('the last answer about a call says what came of it', async () => {
  const client = await legacyHttp(phony), outcomeSchema = { type: 'object', properties: { booked: { type: 'boolean' } }, required: ['booked'] };
  const callSid = await place('agent-outcome', { outcomeSchema });
  let args = { callSid }, data;
  do {
    ({ data } = (await client.callTool({ name: 'phony_wait_for_call', arguments: args })).structuredContent);
    args = { callSid, after: data.after, status: data.status };
  } while (data.isLive);
  const call = await phony.over(callSid);
  assert.deepEqual([data.status, data.outcome, data.notes, data.duration, data.endReason], ['completed', { booked: true }, ['They open at nine.'], call.duration, call.endReason]);
});

test('a recording is at the address that is told', async () => {
  const client = await legacyHttp(phony), callSid = await place('agent-outcome', { record: true });
  await phony.over(callSid);
  const { message, data } = (await client.callTool({ name: 'phony_get_recording', arguments: { callSid } })).structuredContent;
  assert.equal(data.url, `http://127.0.0.1:${phony.port}/api/calls/${callSid}/recording`);
  assert.match(message, /PUBLIC_URL does not serve it/);
  assert.equal((await (await fetch(data.url, { headers: { authorization: `Bearer ${phony.token}` } })).arrayBuffer()).byteLength, data.bytes);
});

test('the audio of a voicemail is a resource', async () => {
  for (const client of [await legacyHttp(phony), await modernHttp(phony)]) {
    const template = (await client.listResourceTemplates()).resourceTemplates.find((t) => t.name === 'voicemail');
    assert.deepEqual([template.uriTemplate, template.mimeType], ['voicemail://{recordingSid}', 'audio/mpeg']);
    const completed = await client.complete({ ref: { type: 'ref/resource', uri: template.uriTemplate }, argument: { name: 'recordingSid', value: 'RE' } });
    assert.deepEqual(completed.completion.values, [recordingSid]);
    const { contents: [{ uri, mimeType, blob }] } = await client.readResource({ uri: `voicemail://${recordingSid}` });
    assert.deepEqual([uri, mimeType], [`voicemail://${recordingSid}`, 'audio/mpeg']);
    assert.equal(Buffer.from(blob, 'base64').subarray(0, 2).toString('hex'), 'ffe3');
    await assert.rejects(client.readResource({ uri: `voicemail://${sid(902, 'RE')}` }), /Resource not found/);
    await assert.rejects(client.readResource({ uri: 'voicemail://x' }), /Resource not found/);
  }
});

// The last one: Twilio does not come back.
test('an emergency shutdown that fails is told as a failure', async () => {
  await live(await place());
  const clients = [await legacyHttp(phony), await modernHttp(phony)];
  await carrier.stop();
  for (const client of clients) {
    const { isError, content } = await client.callTool({ name: 'phony_emergency_shutdown', arguments: {} }, undefined, { timeout: 60000 });
    assert.equal(isError, true, content[0].text);
  }
});
