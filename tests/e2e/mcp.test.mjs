// MCP over stdio with the public clients of both eras, and with hands that tremble.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { Client as Legacy } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as LegacyStdio } from '@modelcontextprotocol/sdk/client/stdio.js';
import { ElicitRequestSchema, LoggingMessageNotificationSchema, ResourceUpdatedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import { Client as Modern } from '@modelcontextprotocol/client';
import { StdioClientTransport as ModernStdio } from '@modelcontextprotocol/client/stdio';
import { account, bin, freePort, killAll, Log, noProcesses, poorEnvironment, processes, root, settings, start, startAgent, startCarrier, startPhony, temporaryFolder, until } from '../harness/phony.mjs';
import { agents, checker, closeClients, names, opened, rawStdio, request, story } from '../harness/mcp.mjs';


let person = 3000;
let carrier, agent, phony;
before(async () => {
  agent = await startAgent({ apiKey: 'xi-test-key-0001', agents: { ...agents,
    'agent-held': { script: [{ context: 'putting them on hold' }, { pause_ms: 100 }, { context: 'You are back' }, { pause_ms: 60000 }] },
    'agent-asked': { script: [{ tool: 'ask_operator', parameters: { question: 'Which day?' } }, { pause_ms: 60000 }] } } });
  carrier = await startCarrier({ default: { script: [], message: true, transcript: 'Call me about the bicycle.' }, numbers: [account.number] });
  phony = await startPhony({ sims: { carrier, agent } });
});
after(async () => {
  await phony.stop();
  assert.deepEqual([await agent.stop(), await carrier.stop()], [0, 0]);
  await noProcesses();
});

afterEach(closeClients);

const command = (env = phony.env) => ({ command: bin('phony'), args: ['mcp'], env, cwd: '/', stderr: 'inherit' });

test('the official client of 2025-11-25 and older', async () => {
  const client = opened(new Legacy({ name: 'test', version: '1' }));
  await client.connect(new LegacyStdio(command()));
  await story(client);
  await client.ping();
  await client.close();
});

test('the official client of 2026-07-28', async () => {
  const client = opened(new Modern({ name: 'test', version: '1' }, { versionNegotiation: { mode: { pin: '2026-07-28' } } }));
  await client.connect(new ModernStdio(command()));
  await story(client);
  await client.close();
});

test('the official client of both eras, by negotiation', async () => {
  const client = opened(new Modern({ name: 'test', version: '1' }, { versionNegotiation: { mode: 'auto' } }));
  await client.connect(new ModernStdio(command()));
  assert.equal((await client.listTools()).tools.length, names.length);
  await client.close();
});

test("the inspector's command line", async () => {
  const inspector = path.join(root, 'tests/node_modules/@modelcontextprotocol/inspector');
  const { bin: entry } = JSON.parse(fs.readFileSync(path.join(inspector, 'package.json'), 'utf8'));
  const program = path.join(inspector, typeof entry === 'string' ? entry : Object.values(entry)[0]);
  const run = (...args) => promisify(execFile)(process.execPath, [program, '--cli', ...args, ...Object.entries(phony.env).flatMap(([k, v]) => ['-e', `${k}=${v}`]), '--', bin('phony'), 'mcp'],
    { timeout: 60000, env: { ...process.env } });
  const { stdout } = await run('--method', 'tools/list', '--format', 'json');
  assert.ok(names.every((name) => stdout.includes(name)), stdout.slice(0, 500));
  const called = await run('--method', 'tools/call', '--tool-name', 'phony_get_system_status', '--tool-args-json', '{}', '--format', 'json');
  assert.match(called.stdout, /sqlite/);
});

const raw = (env = phony.env, args) => rawStdio(env, args);

test('garbage, huge lines, unknown methods, wrong types', async () => {
  const { child, answers, send } = raw();
  send('garbage');
  send('[{"jsonrpc":"2.0","id":1,"method":"ping"}]');
  send('{"jsonrpc":"2.0","id":null,"method":"ping"}');
  send('{"jsonrpc":"2.0","id":8,"method":5}');
  send('{"jsonrpc":"1.0","id":9,"method":"ping"}');
  send('{"jsonrpc":"2.0","id":10,"method":"no/such"}');
  send('{"jsonrpc":"2.0","id":11,"method":"tools/call","params":[]}');
  send('{"jsonrpc":"2.0","id":12,"method":"tools/call","params":{"name":"phony_get_call","arguments":5}}');
  send('{"jsonrpc":"2.0","id":13,"method":"logging/setLevel","params":{"level":"x"}}'); // no such level
  send('{"jsonrpc":"2.0","method":"notifications/unknown"}');
  send('{"jsonrpc":"2.0","id":"text","method":"ping"}\r');
  send('');
  send('{"jsonrpc":"2.0","id":14,"method":"ping","x":"\\u0000"}');
  send(`{"jsonrpc":"2.0","id":15,"method":"ping","params":{"x":"${'y'.repeat(5 * 1024 * 1024)}"}}`);
  send(`{"method":"ping","params":{"x":"${'y'.repeat(5 * 1024 * 1024)}"},"jsonrpc":"2.0","id":"fifteen"}`);
  send('{"jsonrpc":"2.0","id":17,"method":"ping","x":99999999999999999999}');
  send('{"jsonrpc":"2.0","id":18.0,"method":"ping"}');
  send('{"jsonrpc":"2.0","id":18.5,"method":"ping"}');
  send('{"jsonrpc":"2.0","id":16,"method":"ping"}');
  await answers.wait((a) => a.id === 16, 'the last answer');
  const found = answers.items.map((a) => [a.id, a.error?.code]);
  for (const expected of [[8, -32600], [9, -32600], [10, -32601], [11, -32600], [12, -32602], [13, -32602], ['text', undefined], [14, undefined], [15, -32700], ['fifteen', -32700],
    [17, -32700], [18, undefined], [18.5, -32600], [16, undefined]])
    assert.ok(found.some(([id, code]) => id === expected[0] && code === expected[1]), `${expected} in ${JSON.stringify(found)}`);
  assert.equal(found.filter(([id]) => id === undefined).length, 3);
  assert.ok(answers.items.every((a) => a.id !== null));
  child.stdin.end();
  assert.deepEqual(await child.ended, { code: 0, signal: null });
});

// MCP 2025-03-26, Base Protocol, "Batching": a server takes them. Later revisions have none.
test('2025-03-26: several messages in one array, and their answers in one', async () => {
  const initialize = (id, protocolVersion) => ({ jsonrpc: '2.0', id, method: 'initialize', params: { protocolVersion, capabilities: {}, clientInfo: { name: 'x', version: '1' } } });
  const ask = (id, method, params) => ({ jsonrpc: '2.0', id, method, params });
  const list = (id) => ask(id, 'tools/call', { name: 'phony_list_calls', arguments: {} });
  const cancelled = (requestId) => ({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId } });
  const { child, answers, send } = raw();
  let read = 0;
  const next = async () => { const n = ++read; await until(() => answers.items.length >= n, `answer ${n}`); return answers.items[n - 1]; };
  const byId = (batch) => Object.fromEntries(batch.map((a) => [a.id, a.error?.code ?? a.result]));
  send(initialize(0, '2025-06-18'));
  assert.equal((await next()).result.protocolVersion, '2025-06-18');
  send([ask(1, 'ping')]);
  assert.deepEqual((await next()).error, { code: -32600, message: 'Batches are of MCP 2025-03-26 and older: send one message at a time' });
  send(initialize(1, '2025-03-26'));
  assert.equal((await next()).result.protocolVersion, '2025-03-26');
  // What has to be asked of voiced, what is known, and what is none, together.
  send([list(1), { jsonrpc: '2.0', method: 'notifications/initialized' }, ask(2, 'ping'), ask(2, 'no/such'), { jsonrpc: '2.0', id: 4 }, 5, initialize(6, '2025-03-26'), list(7), cancelled(7), list(8), list(8)]);
  const mixed = await next();
  assert.ok(Array.isArray(mixed));
  assert.equal(mixed.length, 8);
  assert.ok(mixed.every((a) => a.jsonrpc === '2.0' && a.id !== null));
  assert.deepEqual(mixed.filter((a) => a.id === 2).map((a) => a.error?.code ?? a.result), [{}, -32601]);
  assert.deepEqual(mixed.filter((a) => a.id === undefined).map((a) => a.error.code), [-32600]);
  assert.deepEqual([byId(mixed)[4], byId(mixed)[6], byId(mixed)[7]], [-32600, -32600, undefined]);
  assert.deepEqual(mixed.filter((a) => a.id === 8).map((a) => a.error?.message ?? 'answered').sort(), ['answered', 'id is in use by a request that is not answered yet']);
  assert.ok(byId(mixed)[1].structuredContent.data.count >= 0);
  // Nothing is said to what asks nothing; each batch has its own answers, whichever comes first.
  send([{ jsonrpc: '2.0', method: 'notifications/initialized' }]);
  send([list(1)]);
  send([ask(2, 'ping'), ask(3, 'ping')]);
  assert.deepEqual([await next(), await next()].map((batch) => batch.map((a) => a.id)).sort(), [[1], [2, 3]]);
  for (const batch of [[], Array.from({ length: 101 }, (_, i) => ask(i, 'ping'))]) {
    send(batch);
    assert.deepEqual((await next()).error, { code: -32600, message: 'A batch has between 1 and 100 messages' });
  }
  // At the end of input what is in flight is answered.
  send([list(1), list(2)]);
  child.stdin.end();
  assert.equal((await child.ended).code, 0);
  assert.deepEqual((await next()).map((a) => a.id).sort(), [1, 2]);
  assert.equal(answers.items.length, read);
});

// What is there besides calling and writing; the answers fit what the tools declare.
test('every other tool', async () => {
  const client = opened(new Legacy({ name: 'test', version: '1' }));
  await client.connect(new LegacyStdio(command()));
  const used = new Set(), fits = checker((await client.listTools()).tools, used);
  const tool = async (name, args = {}) => {
    const result = await client.callTool({ name, arguments: args });
    assert.ok(!result.isError, `${name}: ${result.content[0].text}`);
    return fits(name, result).data;
  };
  const refused = async (name, args, words) => {
    const result = await client.callTool({ name, arguments: args });
    assert.equal(result.isError, true, JSON.stringify(result));
    assert.match(result.content[0].text, words);
  };
  const place = async (agentId, more = {}) => fits('phony_create_call', await client.callTool({ name: 'phony_create_call',
    arguments: { toNumber: `+1202556${person++}`, elevenLabsAgentId: agentId, ...request, ...more } })).callSid;
  const happened = (callSid, eventType) => until(async () => (await client.callTool({ name: 'phony_get_call_events', arguments: { callSid, eventType } })).structuredContent.data.count, eventType);

  const held = await place('agent-held', { record: true });
  await happened(held, 'agent-connected');
  await tool('phony_hold_call', { callSid: held });
  await happened(held, 'hold');
  await refused('phony_hold_call', { callSid: held }, /hold/);
  await tool('phony_resume_call', { callSid: held });
  const recording = await until(async () => { // it grows while the call is live
    const result = await client.callTool({ name: 'phony_get_recording', arguments: { callSid: held } });
    return result.isError ? null : fits('phony_get_recording', result).data;
  }, 'the recording');
  await client.callTool({ name: 'phony_hangup_call', arguments: { callSid: held } });
  assert.equal((await tool('phony_wait_for_call', { callSid: held, status: 'in-progress', after: 1000, timeoutSeconds: 20 })).status, 'completed');
  assert.equal((await phony.api('GET', new URL(recording.url, 'http://x').pathname)).status, 200);
  assert.ok((await tool('phony_search_calls', { query: 'goodbye' })).count > 0);
  const asked = await place('agent-asked');
  await until(async () => (await tool('phony_list_operator_questions')).questions.some((q) => q.callSid === asked && q.question === 'Which day?'), 'the question');
  await tool('phony_answer_operator', { callSid: asked, answer: 'Friday' });
  await refused('phony_answer_operator', { callSid: asked, answer: 'Friday' }, /question/);
  await tool('phony_request_operator_context', { callSid: asked, question: 'And the hour?' });
  await tool('phony_transfer_call', { callSid: asked, toNumber: '+12025550911' });
  await refused('phony_transfer_call', { callSid: held, toNumber: '+12025550911' }, /over/);
  await client.callTool({ name: 'phony_emergency_shutdown', arguments: {} });
  const later = await place('agent-test', { callAt: new Date(Date.now() + 3600000).toISOString() });
  assert.equal((await tool('phony_cancel_call', { callSid: later })).status, 'canceled');
  await tool('phony_delete_call', { callSid: later });
  await refused('phony_delete_calls', {}, /filter/);
  assert.equal((await tool('phony_delete_calls', { startDate: '2001-01-01', endDate: '2001-01-02' })).deletedCount, 0);

  const { contextId } = await tool('phony_create_context', { name: 'polite', systemInstructions: 'Be polite.', contextType: 'outgoing' });
  assert.equal((await tool('phony_update_context', { contextId, description: 'manners' })).description, 'manners');
  assert.equal((await tool('phony_get_context', { contextId })).name, 'polite');
  assert.equal((await tool('phony_list_contexts', { type: 'outgoing' })).count, 1);
  await tool('phony_delete_context', { contextId });
  await refused('phony_get_context', { contextId }, /context/i);

  const phoneNumber = account.number;
  assert.equal((await tool('phony_list_available_numbers')).count, 1);
  await tool('phony_create_incoming_config', { phoneNumber, voicemailEnabled: true, setWebhook: true });
  assert.equal((await tool('phony_list_available_numbers')).count, 0);
  assert.equal((await tool('phony_list_numbers', { includeCapabilities: true })).numbers[0].webhookSet, true);
  assert.equal((await tool('phony_update_incoming_config', { phoneNumber, voicemailGreeting: 'Speak.' })).voicemailGreeting, 'Speak.');
  assert.equal((await tool('phony_list_incoming_configs')).count, 1);
  carrier.command({ dial: phoneNumber, from: '+12025557001', url: `${phony.env.PUBLIC_URL}/call/incoming` });
  const { recordingSid } = await carrier.events.wait((e) => e.event === 'voicemail', 'the message');
  await until(async () => (await tool('phony_get_unread_voicemail_count', { toNumber: phoneNumber })).unreadCount === 1, 'the voicemail');
  await until(async () => (await tool('phony_search_voicemails', { query: 'bicycle' })).count === 1, 'its words');
  assert.equal((await tool('phony_mark_voicemail_read', { recordingSid })).isRead, true);
  assert.equal((await tool('phony_mark_voicemail_unread', { recordingSid })).isRead, false);
  assert.equal((await tool('phony_get_voicemail', { recordingSid })).transcription, 'Call me about the bicycle.');
  assert.equal((await tool('phony_list_voicemails', { isRead: false })).count, 1);
  await tool('phony_delete_voicemail', { recordingSid });
  assert.equal((await tool('phony_delete_voicemails', { toNumber: phoneNumber })).deletedCount, 0);
  await tool('phony_delete_incoming_config', { phoneNumber });
  await refused('phony_update_incoming_config', { phoneNumber, enabled: true }, /number|config/i);

  await tool('phony_add_do_not_call', { phoneNumber: '+12025557002', reason: 'asked us to stop' });
  assert.equal((await tool('phony_list_do_not_call')).numbers[0].phoneNumber, '+12025557002');
  await refused('phony_create_call', { toNumber: '+12025557002', ...request }, /do-not-call/);
  await tool('phony_remove_do_not_call', { phoneNumber: '+12025557002' });
  const others = names.slice(names.indexOf('phony_get_system_status') + 1);
  assert.deepEqual(others.filter((name) => !used.has(name)), []);
  await client.close();
});

test('a prompt takes what it was given and leaves out what it was not', async () => {
  const client = opened(new Legacy({ name: 'test', version: '1' }));
  await client.connect(new LegacyStdio(command()));
  const text = async (more) => (await client.getPrompt({ name: 'reschedule-appointment',
    arguments: { phoneNumber: '+12025550198', appointment: 'on Monday [9:00]', newTimes: '{Tuesday}', ...more } })).messages[0].content.text;
  assert.match(await text(), /my appointment on Monday \[9:00\] to \{Tuesday\}\. If none/);
  assert.match(await text({ name: 'Bell' }), /to \{Tuesday\}\. It is under the name Bell\. If none/);
  await client.close();
});

test('following a call: a subscription, progress, log messages, completion', async () => {
  const client = opened(new Legacy({ name: 'test', version: '1' }));
  const updated = new Log(), logged = new Log(), progress = [];
  client.setNotificationHandler(ResourceUpdatedNotificationSchema, (n) => updated.push(n.params));
  client.setNotificationHandler(LoggingMessageNotificationSchema, (n) => logged.push(n.params));
  await client.connect(new LegacyStdio(command()));
  await client.setLoggingLevel('info');
  await client.subscribeResource({ uri: 'call://transcriptions' });
  await assert.rejects(client.subscribeResource({ uri: 'call://nothing' }), /Resource not found/);
  const { callSid } = (await client.callTool({ name: 'phony_create_call', arguments: { toNumber: `+1202556${person++}`, ...request } })).structuredContent;
  const uri = `call://transcriptions/${callSid}`;
  await client.subscribeResource({ uri });
  for (let after = 0, live = true; live;) {
    const { data } = (await client.callTool({ name: 'phony_wait_for_call', arguments: { callSid, after, timeoutSeconds: 20 } }, undefined,
      { onprogress: (p) => progress.push(p) })).structuredContent;
    ({ after, isLive: live } = data);
  }
  assert.ok(progress.length > 0 && progress.every((p) => typeof p.message === 'string'), JSON.stringify(progress));
  await updated.wait((n) => n.uri === uri, 'the update of the call');
  await updated.wait((n) => n.uri === 'call://transcriptions', 'the update of the latest');
  const line = await logged.wait((n) => n.data.callSid === callSid, 'the log message');
  assert.deepEqual([line.level, line.logger], ['info', 'calls']);
  await client.unsubscribeResource({ uri });
  const { completion } = await client.complete({ ref: { type: 'ref/resource', uri: 'call://transcriptions/{callSid}' }, argument: { name: 'callSid', value: callSid.slice(0, 9) } });
  assert.deepEqual(completion, { values: [callSid], total: 1, hasMore: false });
  assert.deepEqual((await client.complete({ ref: { type: 'ref/prompt', name: 'confirm-booking' }, argument: { name: 'booking', value: 'a' } })).completion.values, []);
  await assert.rejects(client.complete({ ref: { type: 'ref/prompt', name: 'fly' }, argument: { name: 'x', value: '' } }), /no such prompt/);
  await client.close();
});

test('listening, in the current era: updates carry the id of the subscription, and end with it', async () => {
  const { child, answers, send } = raw();
  const _meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {} };
  send({ jsonrpc: '2.0', id: 'l', method: 'subscriptions/listen', params: { notifications: { resourceSubscriptions: ['call://transcriptions', 'call://nothing'] }, _meta } });
  const { params } = await answers.wait((a) => a.method === 'notifications/subscriptions/acknowledged', 'the acknowledgment');
  assert.deepEqual(params.notifications, { resourceSubscriptions: ['call://transcriptions'] });
  const call = (id) => send({ jsonrpc: '2.0', id, method: 'tools/call', params: { name: 'phony_create_call', arguments: { toNumber: `+1202556${person++}`, ...request }, _meta } });
  call(1);
  const { params: update } = await answers.wait((a) => a.method === 'notifications/resources/updated', 'the update');
  assert.deepEqual([update.uri, update._meta['io.modelcontextprotocol/subscriptionId']], ['call://transcriptions', 'l']);
  await phony.over((await answers.wait((a) => a.id === 1, 'the call')).result.structuredContent.callSid);
  send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'l', _meta } });
  send({ jsonrpc: '2.0', id: 2, method: 'tools/list', params: { _meta } });
  await answers.wait((a) => a.id === 2, 'what follows');
  const count = () => answers.items.filter((a) => a.method === 'notifications/resources/updated').length;
  const before = count();
  call(3);
  await phony.over((await answers.wait((a) => a.id === 3, 'another call')).result.structuredContent.callSid);
  assert.equal(count(), before);
  child.stdin.end();
  assert.equal((await child.ended).code, 0);
});

describe('CONFIRM_CALLS: the person is asked before a call', () => {
  const env = () => ({ ...phony.env, CONFIRM_CALLS: 'true' });
  const parameters = (toNumber) => ({ name: 'phony_create_call', arguments: { toNumber, ...request } });
  const placed = (toNumber) => carrier.events.find((e) => e.event === 'call-created' && e.to === toNumber);

  for (const [name, make] of [
    ['the older era', async (capabilities) => {
      const client = opened(new Legacy({ name: 'test', version: '1' }, { capabilities }));
      await client.connect(new LegacyStdio(command(env())));
      return [client, (fn) => client.setRequestHandler(ElicitRequestSchema, fn)];
    }],
    ['the current era', async (capabilities) => {
      const client = opened(new Modern({ name: 'test', version: '1' }, { capabilities, versionNegotiation: { mode: { pin: '2026-07-28' } } }));
      await client.connect(new ModernStdio(command(env())));
      return [client, (fn) => client.setRequestHandler('elicitation/create', fn)];
    }],
  ])
    test(name, async () => {
      const [client, onQuestion] = await make({ elicitation: { form: {} } });
      let answer;
      const asked = [];
      onQuestion((q) => { asked.push(q.params); return answer; });
      for (answer of [{ action: 'decline' }, { action: 'cancel' }, { action: 'accept', content: { confirm: false } }]) {
        const to = `+1202557${person++}`;
        const refused = await client.callTool(parameters(to));
        assert.equal(refused.isError, true);
        assert.match(refused.content[0].text, /did not agree: the call was not placed/);
        assert.equal(placed(to), undefined);
      }
      if (name === 'the older era') { // a client of the current one repeats no request whose question it could not put
        onQuestion(() => { throw new Error('no window'); });
        const unasked = await client.callTool(parameters(`+1202557${person++}`));
        assert.match(unasked.content[0].text, /could not: the call was not placed/);
        onQuestion((q) => { asked.push(q.params); return answer; });
      }
      answer = { action: 'accept', content: { confirm: true } };
      const to = `+1202557${person++}`;
      const { structuredContent } = await client.callTool(parameters(to));
      assert.match(structuredContent.callSid, /^CA/);
      assert.equal(asked.length, 4);
      assert.equal(asked[3].message, `Call ${to}? What the call is to achieve: Say goodbye.`);
      assert.deepEqual(asked[3].requestedSchema.required, ['confirm']);
      await phony.over(structuredContent.callSid);
      await client.close();
      const [unable] = await make({});
      const call = (await unable.callTool(parameters(`+1202557${person++}`))).structuredContent;
      assert.match(call.callSid, /^CA/); // who cannot be asked is not
      await phony.over(call.callSid);
      await unable.close();
    });

  test('an answer counts once, for the call that was asked about', async () => {
    const { child, answers, send } = raw(env());
    const _meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': { elicitation: {} } };
    let id = 0;
    const call = async (params) => {
      send({ jsonrpc: '2.0', id: ++id, method: 'tools/call', params: { ...params, _meta } });
      const number = id;
      return (await answers.wait((a) => a.id === number, `answer ${number}`)).result;
    };
    const inputResponses = { consent: { action: 'accept', content: { confirm: true } } };
    const [to, other] = [`+1202557${person++}`, `+1202557${person++}`];
    const first = await call(parameters(to));
    assert.equal(first.resultType, 'input_required');
    const { requestState } = first;
    for (const forged of [{ ...parameters(other), requestState, inputResponses }, { ...parameters(to), inputResponses },
      { ...parameters(to), requestState: 'x', inputResponses }, { ...parameters(to), requestState }])
      assert.equal((await call(forged)).resultType, 'input_required');
    const done = await call({ ...parameters(to), requestState, inputResponses });
    assert.equal(done.resultType, 'complete');
    await phony.over(done.structuredContent.callSid);
    assert.equal((await call({ ...parameters(to), requestState, inputResponses })).resultType, 'input_required');
    assert.equal(placed(other), undefined);
    child.stdin.end();
    assert.equal((await child.ended).code, 0);
  });

  test('a question that is never answered ends with its request, and with the client', async () => {
    const { child, answers, send } = raw(env());
    send({ jsonrpc: '2.0', id: 1, method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: { elicitation: {} }, clientInfo: { name: 'x', version: '1' } } });
    const to = `+1202557${person++}`;
    for (const id of [2, 3]) {
      send({ jsonrpc: '2.0', id, method: 'tools/call', params: parameters(to) });
      await answers.wait((a) => a.method === 'elicitation/create' && a.id === id - 1, `question ${id}`);
    }
    send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 2 } });
    send({ jsonrpc: '2.0', id: 1, result: { action: 'accept', content: { confirm: true } } });
    send({ jsonrpc: '2.0', id: 4, method: 'ping' });
    await answers.wait((a) => a.id === 4 && a.result, 'the ping');
    child.stdin.end();
    assert.equal((await child.ended).code, 0);
    assert.equal(placed(to), undefined);
  });
});

test('both eras on one pipe, each request for itself', async () => {
  const { child, answers, send } = raw();
  const meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {} };
  send({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: { _meta: meta } });
  send({ jsonrpc: '2.0', id: 2, method: 'tools/list' });
  send({ jsonrpc: '2.0', id: 3, method: 'ping', params: { _meta: meta } });
  send({ jsonrpc: '2.0', id: 4, method: 'tools/list', params: { _meta: { ...meta, 'io.modelcontextprotocol/protocolVersion': '1900-01-01' } } });
  send({ jsonrpc: '2.0', id: 5, method: 'tools/list', params: { _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' } } });
  send({ jsonrpc: '2.0', id: 6, method: 'initialize', params: { protocolVersion: '2026-07-28', capabilities: {}, clientInfo: { name: 'x', version: '1' } } });
  send({ jsonrpc: '2.0', id: 7, method: 'resources/read', params: { uri: 'call://transcriptions/none', _meta: meta } });
  send({ jsonrpc: '2.0', id: 8, method: 'resources/read', params: { uri: 'call://transcriptions/none' } });
  send({ jsonrpc: '2.0', id: 9, method: 'subscriptions/listen', params: { notifications: { toolsListChanged: true }, _meta: meta } });
  const answer = (id) => answers.wait((a) => a.id === id, `answer ${id}`);
  const modern = (await answer(1)).result;
  assert.deepEqual([modern.resultType, modern.cacheScope, modern._meta['io.modelcontextprotocol/serverInfo'].name], ['complete', 'public', 'phony']);
  assert.equal((await answer(2)).result.resultType, undefined);
  assert.equal((await answer(3)).error.code, -32601);
  assert.deepEqual((await answer(4)).error, { code: -32022, message: 'Unsupported protocol version', data: { supported: ['2026-07-28'], requested: '1900-01-01' } });
  assert.equal((await answer(5)).error.code, -32602);
  assert.equal((await answer(6)).result.protocolVersion, '2025-11-25');
  assert.equal((await answer(7)).error.code, -32602);
  assert.equal((await answer(8)).error.code, -32002);
  const acknowledged = await answers.wait((a) => a.method === 'notifications/subscriptions/acknowledged', 'the subscription');
  assert.equal(acknowledged.params._meta['io.modelcontextprotocol/subscriptionId'], 9);
  child.stdin.end();
  assert.equal((await child.ended).code, 0);
});

test('a client that vanishes: the call goes on', async () => {
  const { child, send, answers } = raw();
  send({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'phony_create_call', arguments: { toNumber: '+12025559001', elevenLabsAgentId: 'agent-patient', ...request } } });
  const { callSid } = (await answers.wait((a) => a.id === 1, 'the call')).result.structuredContent;
  await carrier.events.wait((e) => e.event === 'stream-open' && e.callSid === callSid, 'the stream');
  child.kill('SIGKILL');
  await child.ended;
  assert.equal((await phony.api('GET', `/api/calls/${callSid}`)).body.isLive, true);
  await phony.api('POST', `/api/calls/${callSid}/hangup`);
  assert.equal((await phony.over(callSid)).status, 'completed');
});

test('a request in flight at the end of input is answered', async () => {
  const { child, send, answers } = raw();
  send({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'phony_list_calls', arguments: {} } });
  child.stdin.end();
  assert.equal((await child.ended).code, 0);
  assert.equal(answers.items[0].id, 1);
  assert.ok(answers.items[0].result.structuredContent.data.count > 0);
});

test('a cancelled request is not answered', async () => {
  const { child, send, answers } = raw();
  send({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'phony_list_calls', arguments: {} } });
  send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } });
  send({ jsonrpc: '2.0', id: 2, method: 'tools/call', params: { name: 'phony_list_calls', arguments: {} } });
  await answers.wait((a) => a.id === 2, 'the second');
  assert.equal(answers.find((a) => a.id === 1), undefined);
  child.stdin.end();
  await child.ended;
});

test('without configuration: discovery answers, a tool says what is missing', async () => {
  const { child, send, answers } = raw(poorEnvironment());
  send({ jsonrpc: '2.0', id: 1, method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'x', version: '1' } } });
  send({ jsonrpc: '2.0', id: 2, method: 'tools/call', params: { name: 'phony_list_calls' } });
  await answers.wait((a) => a.id === 1, 'initialize');
  const refused = await answers.wait((a) => a.id === 2, 'the tool');
  assert.equal(refused.result.isError, true);
  assert.match(refused.result.content[0].text, /PUBLIC_URL environment variable is required/);
  child.stdin.end();
  await child.ended;
});

test('two clients that start at once end up on one instance, which ends when nobody is left', async () => {
  const folder = temporaryFolder();
  const env = { ...poorEnvironment(), ...settings({ carrier, agent, port: await freePort(), folder, IDLE_EXIT_SECONDS: '1' }) };
  const clients = [raw(env), raw(env), raw(env)];
  for (const { send } of clients) send({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'phony_get_system_status' } });
  for (const { answers } of clients) {
    const { result } = await answers.wait((a) => a.id === 1, 'the status', 30000);
    assert.equal(result.isError, undefined, JSON.stringify(result));
  }
  const mine = () => processes().filter((p) => p.runDir === env.RUN_DIR);
  await until(() => mine().filter((p) => p.name === 'phony').length === 1, 'one supervisor');
  assert.equal(mine().filter((p) => p.name === 'voiced').length, 1);
  for (const { child } of clients) child.stdin.end();
  await until(() => mine().length === 0, 'the instance to end by itself', 15000);
  fs.rmSync(folder, { recursive: true, force: true });
});

describe('an instance that is long in coming up', () => {
  // The database is held by somebody else, so the daemons have to wait for it.
  let folder, env, database;
  const mine = () => processes().filter((p) => p.runDir === env.RUN_DIR);
  const ask = () => {
    const client = raw(env);
    client.send({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'phony_get_system_status' } });
    return { child: client.child, result: client.answers.wait((a) => a.id === 1, 'the status', 30000).then((a) => a.result) };
  };
  const leave = async ({ child }) => {
    child.stdin.end();
    await child.ended;
    await until(() => mine().length === 0, 'the instance to end by itself');
  };
  beforeEach(async () => {
    folder = temporaryFolder();
    env = { ...poorEnvironment(), ...settings({ carrier, agent, port: await freePort(), folder, IDLE_EXIT_SECONDS: '1' }) };
    const first = ask(); // whose instance makes the database
    assert.equal((await first.result).isError, undefined);
    await leave(first);
    database = new DatabaseSync(path.join(folder, 'state/phony.db'));
    database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT');
  });
  afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

  test('it does not end for want of clients before one can come', async () => {
    const client = ask();
    const { pid } = await until(() => mine().find((p) => p.name === 'voiced'), 'voiced');
    await new Promise((done) => setTimeout(done, 2000)); // twice IDLE_EXIT_SECONDS
    database.close();
    assert.equal((await client.result).isError, undefined);
    assert.equal(mine().find((p) => p.name === 'voiced').pid, pid);
    await leave(client);
  });

  test('when it ends before it is there, another is brought up', async () => {
    const client = ask();
    await until(() => mine().some((p) => p.name === 'voiced'), 'voiced');
    const { pid } = mine().find((p) => p.name === 'phony');
    killAll(mine().map((p) => p.pid).filter((p) => p !== client.child.pid));
    await until(() => mine().some((p) => p.name === 'phony' && p.pid !== pid), 'another instance');
    database.close();
    assert.equal((await client.result).isError, undefined);
    await leave(client);
  });
});

test('a probe starts nothing', async () => {
  const folder = temporaryFolder();
  const env = { ...poorEnvironment(), ...settings({ carrier, agent, port: await freePort(), folder }) };
  const { child, send, answers } = raw(env);
  send({ jsonrpc: '2.0', id: 'discover-1', method: 'server/discover', params: { _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {} } } });
  assert.deepEqual((await answers.wait((a) => a.id === 'discover-1', 'discovery')).result.supportedVersions, ['2026-07-28']);
  child.kill('SIGKILL');
  await child.ended;
  assert.deepEqual(fs.readdirSync(folder), []);
  fs.rmSync(folder, { recursive: true });
});
