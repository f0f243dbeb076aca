// A call as a task, and an agent's question put before the client's person: MCP's answers that are not the last.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { createTaskSessionFromClient } from '@modelcontextprotocol/ext-tasks/client';
import * as shapes from '@modelcontextprotocol/ext-tasks/core/v2';
import { account, noProcesses, startAgent, startCarrier, startPhony, until } from '../harness/phony.mjs';
import { agents, bye, closeClients, legacyHttp, modernHttp, request } from '../harness/mcp.mjs';

const goodbye = { say: 'Thank you. Goodbye!', wav: bye.pattern };
const question = 'Window or garden?';
let carrier, agent, phony, endpoint, person = 5000;
before(async () => {
  agent = await startAgent({ apiKey: 'xi-test-key-0001', agents: { ...agents,
    'agent-asks': { script: [{ tool: 'ask_operator', parameters: { question } }, goodbye, { tool: 'end_call', parameters: {} }] } } });
  carrier = await startCarrier({ default: { script: [] }, callees: { '+12025569999': { outcome: 'busy' } }, numbers: [account.number] });
  phony = await startPhony({ sims: { carrier, agent } });
  endpoint = new URL(`http://127.0.0.1:${phony.port}/mcp`);
});
after(async () => {
  await phony.stop();
  assert.deepEqual([await agent.stop(), await carrier.stop()], [0, 0]);
  await noProcesses();
});

afterEach(closeClients);
const legacy = async (capabilities) => {
  const client = await legacyHttp(phony, { capabilities });
  return [client, (fn) => client.setRequestHandler(ElicitRequestSchema, fn)];
};
const modern = async (capabilities) => {
  const client = await modernHttp(phony, { capabilities });
  return [client, (fn) => client.setRequestHandler('elicitation/create', fn)];
};
const call = (elevenLabsAgentId, toNumber = `+1202556${person++}`) => ({ toNumber, elevenLabsAgentId, ...request });

for (const [era, make] of [['2025-11-25', legacy], ['2026-07-28', modern]]) describe(`an agent's question, ${era}`, () => {
  const place = async (client, agentId) => (await client.callTool({ name: 'phony_create_call', arguments: call(agentId) })).structuredContent.callSid;
  // Follows the call to its end; the answers of each wait.
  const follow = async (client, callSid) => {
    const all = [];
    for (let after = 0, status = 'initiated', live = true; live;) {
      const answer = await client.callTool({ name: 'phony_wait_for_call', arguments: { callSid, after, status, timeoutSeconds: 10 } });
      all.push(answer.structuredContent);
      ({ after, status, isLive: live } = answer.structuredContent.data);
      if (answer.structuredContent.data.operatorQuestion) await client.callTool({ name: 'phony_answer_operator', arguments: { callSid, answer: 'by the assistant' } });
    }
    return all;
  };

  test('is put before the person while the call is waited for, and the agent gets the answer', async () => {
    const [client, onQuestion] = await make({ elicitation: { form: {} } });
    const asked = [];
    onQuestion(({ params }) => { asked.push(params); return { action: 'accept', content: { answer: 'The garden.' } }; });
    const callSid = await place(client, 'agent-asks');
    const answers = await follow(client, callSid);
    assert.equal(asked.length, 1, JSON.stringify(asked));
    assert.equal(asked[0].message, `A call waits for you. The agent asks: ${question}`);
    assert.ok(answers.some((a) => /The person was asked/.test(a.message)));
    const events = (await phony.api('GET', `/api/calls/${callSid}/events`)).body;
    const answered = (events.data ?? events).events.find((e) => e.type === 'operator-answer');
    assert.equal(answered.data.answer, 'The garden.');
  });

  test('that the person does not answer is left to the assistant; who cannot be asked is not', async () => {
    const [client, onQuestion] = await make({ elicitation: { form: {} } });
    onQuestion(() => ({ action: 'decline' }));
    const [unable] = await make({});
    for (const one of [client, unable]) {
      const callSid = await place(one, 'agent-asks');
      const answers = await follow(one, callSid);
      assert.ok(answers.some((a) => a.data.operatorQuestion?.question === question));
      const events = (await phony.api('GET', `/api/calls/${callSid}/events`)).body;
      assert.equal((events.data ?? events).events.find((e) => e.type === 'operator-answer').data.answer, 'by the assistant');
    }
  });

  test('of the assistant reaches the person as well', async () => {
    const [client, onQuestion] = await make({ elicitation: { form: {} } });
    const asked = [];
    onQuestion(({ params }) => { asked.push(params.message); return { action: 'accept', content: { answer: 'Friday' } }; });
    const callSid = await place(client, 'agent-patient');
    await until(async () => (await phony.api('GET', `/api/calls/${callSid}/events?eventType=agent-connected`)).body.count, 'the agent');
    const answer = await client.callTool({ name: 'phony_request_operator_context', arguments: { callSid, question: 'Which day?' } });
    assert.match(answer.structuredContent?.message ?? answer.content[0].text, /The person was asked/);
    assert.deepEqual(asked, ['A call waits for you. The agent asks: Which day?']);
    const events = (await phony.api('GET', `/api/calls/${callSid}/events`)).body;
    assert.equal((events.data ?? events).events.filter((e) => e.type === 'operator-question').length, 1);
    await client.callTool({ name: 'phony_hangup_call', arguments: { callSid } });
    await phony.over(callSid);
  });
});

describe('a call as a task', () => {
  const version = '2026-07-28';
  const capabilities = { elicitation: {}, extensions: { 'io.modelcontextprotocol/tasks': {} } };
  const meta = (clientCapabilities = capabilities) => ({ 'io.modelcontextprotocol/protocolVersion': version, 'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
    'io.modelcontextprotocol/clientCapabilities': clientCapabilities });
  let id = 0;
  const send = async (method, params, clientCapabilities) => {
    const name = params.taskId ?? params.name;
    const answer = await fetch(endpoint, { method: 'POST', headers: { authorization: `Bearer ${phony.token}`, 'content-type': 'application/json', accept: 'application/json, text/event-stream',
      'mcp-protocol-version': version, 'mcp-method': method, ...(name && { 'mcp-name': name }) },
    body: JSON.stringify({ jsonrpc: '2.0', id: ++id, method, params: { ...params, _meta: { ...params._meta, ...meta(clientCapabilities) } } }) });
    return { status: answer.status, ...await answer.json() };
  };
  const create = async (agentId, to) => {
    const { result } = await send('tools/call', { name: 'phony_create_call', arguments: call(agentId, to) });
    shapes.CreateTaskResultV2Schema.parse(result);
    return result.taskId;
  };
  const get = async (taskId) => {
    const { result } = await send('tasks/get', { taskId });
    shapes.GetTaskResultV2Schema.parse(result);
    return result;
  };

  test('the public client drives one to its end, with the person asked on the way', async () => {
    const [client] = await modern(capabilities);
    const errors = [], asked = [];
    const session = createTaskSessionFromClient(client, { endpointId: 'phony', onError: (error) => errors.push(error),
      onInputRequest: async ({ params }) => { asked.push(params.message); return { action: 'accept', content: { answer: 'Window.' } }; },
      rawDispatch: async ({ method, params }) => { const { result, error } = await send(method, params); return error ? { kind: 'error', error } : { kind: 'result', result }; },
      v2RequestFraming: { protocolVersion: version, clientInfo: { name: 'test', version: '1' }, clientCapabilities: capabilities } });
    const execution = await session.callTool('phony_create_call', call('agent-asks'));
    assert.equal(execution.kind, 'task');
    const { outcome } = await execution.settle();
    await session.close();
    assert.equal(outcome.status, 'completed', JSON.stringify(outcome));
    const { structuredContent } = outcome.result;
    assert.deepEqual([structuredContent.callSid, structuredContent.status, structuredContent.provider], [execution.handle.taskId, 'completed', 'elevenlabs']);
    assert.equal(structuredContent.conversationHistory.at(-1).content, 'Thank you. Goodbye!');
    assert.equal(asked.length, 1);
    assert.deepEqual(errors, []);
  });

  test('working, waiting for input, refused and late answers, done', async () => {
    const taskId = await create('agent-asks');
    const waiting = await until(async () => { const task = await get(taskId); return task.status === 'input_required' && task; }, 'the question');
    assert.equal(waiting.inputRequests.operator.method, 'elicitation/create');
    const unable = (await send('tasks/get', { taskId }, { extensions: capabilities.extensions })).result;
    assert.equal(unable.status, 'working'); // who cannot be asked is not
    const update = (inputResponses) => send('tasks/update', { taskId, inputResponses });
    for (const responses of [{ operator: { action: 'decline' } }, { other: { action: 'accept', content: {} } }]) {
      shapes.UpdateTaskResultV2Schema.parse((await update(responses)).result);
      assert.equal((await get(taskId)).status, 'input_required');
    }
    await update({ operator: { action: 'accept', content: { answer: 'Garden.' } } });
    const done = await until(async () => { const task = await get(taskId); return task.status === 'completed' && task; }, 'the end');
    assert.equal(done.result.isError, false);
    assert.equal((await update({ operator: { action: 'accept', content: { answer: 'too late' } } })).result.resultType, 'complete');
    assert.deepEqual(await get(taskId), { ...done, _meta: done._meta });
  });

  test('cancelled: the call is ended', async () => {
    const taskId = await create('agent-patient');
    await until(async () => (await get(taskId)).statusMessage === 'in-progress', 'the call');
    shapes.CancelTaskResultV2Schema.parse((await send('tasks/cancel', { taskId })).result);
    await phony.over(taskId);
    assert.ok(['completed', 'cancelled'].includes((await get(taskId)).status));
    const { result: later } = await send('tools/call', { name: 'phony_create_call', arguments: { ...call('agent-test'), callAt: new Date(Date.now() + 3600000).toISOString() } });
    assert.equal((await get(later.taskId)).status, 'working');
    await send('tasks/cancel', { taskId: later.taskId });
    assert.equal((await get(later.taskId)).status, 'cancelled');
  });

  test('busy is what came of it', async () => {
    const taskId = await create('agent-test', '+12025569999');
    const done = await until(async () => { const task = await get(taskId); return task.status === 'completed' && task; }, 'the end');
    assert.equal(done.result.structuredContent.status, 'busy');
  });

  test('unknown tasks, and clients that have not said they take them', async () => {
    assert.equal((await send('tasks/get', { taskId: `CA${'0'.repeat(32)}` })).error.code, -32602);
    assert.equal((await send('tasks/get', { taskId: 'x' })).error.code, -32602);
    const undeclared = await send('tasks/get', { taskId: 'x' }, {});
    assert.deepEqual([undeclared.status, undeclared.error.code, undeclared.error.data], [400, -32021, { requiredCapabilities: { extensions: { 'io.modelcontextprotocol/tasks': {} } } }]);
    const plain = (await send('tools/call', { name: 'phony_create_call', arguments: call('agent-test') }, {})).result;
    assert.equal(plain.resultType, 'complete');
    await phony.over(plain.structuredContent.callSid);
  });

  // What a subscriptions/listen says, until enough(message, all) is true.
  async function listen(taskIds, enough) {
    const controller = new AbortController(), seen = [];
    const answer = await fetch(endpoint, { signal: controller.signal, method: 'POST', headers: { authorization: `Bearer ${phony.token}`, 'content-type': 'application/json', 'mcp-protocol-version': version, 'mcp-method': 'subscriptions/listen' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 'l', method: 'subscriptions/listen', params: { notifications: { taskIds }, _meta: meta() } }) });
    let text = '', done = false;
    for await (const part of answer.body.pipeThrough(new TextDecoderStream())) {
      text += part;
      for (let end; !done && (end = text.indexOf('\n\n')) >= 0; text = text.slice(end + 2)) {
        const data = text.slice(0, end).split('\n').find((line) => line.startsWith('data: '));
        if (data) { seen.push(JSON.parse(data.slice(6))); done = await enough(seen.at(-1), seen); }
      }
      if (done) break;
    }
    controller.abort();
    return seen;
  }

  test('those who listen are told the whole task', async () => {
    const taskId = await create('agent-asks');
    const seen = await listen([taskId], async ({ params }) => {
      if (params.status === 'input_required') await send('tasks/update', { taskId, inputResponses: { operator: { action: 'accept', content: { answer: 'Yes.' } } } });
      return params.status === 'completed';
    });
    assert.deepEqual(seen[0].params.notifications, { taskIds: [taskId] });
    for (const one of seen.slice(1)) {
      assert.equal(one.params._meta['io.modelcontextprotocol/subscriptionId'], 'l');
      shapes.TaskStatusNotificationV2Schema.parse(one);
    }
    assert.ok(seen.length >= 3);
  });

  test('a scheduled call keeps its first id: it is followed, steered and cancelled by it', async () => {
    const later = async (ms) => (await send('tools/call', { name: 'phony_create_call', arguments: { ...call('agent-patient'), callAt: new Date(Date.now() + ms).toISOString() } })).result.taskId;
    const taskId = await later(1000);
    assert.match(taskId, /^PC/);
    const heard = listen([taskId], ({ params }) => params.status === 'completed' || params.status === 'cancelled');
    const live = await until(async () => { const task = await get(taskId); return task.statusMessage === 'in-progress' && task; }, 'the call');
    assert.equal(live.taskId, taskId);
    const tool = async (name, args = {}) => {
      const { result } = await send('tools/call', { name, arguments: { callSid: taskId, ...args } }, {});
      assert.ok(!result.isError, `${name}: ${result.content[0].text}`);
      return result.structuredContent;
    };
    await until(async () => (await tool('phony_get_call_events', { eventType: 'agent-connected' })).data.count, 'the agent');
    for (const [name, args] of [['phony_send_dtmf', { digits: '1' }], ['phony_inject_context', { context: 'Hurry up.' }], ['phony_hold_call'], ['phony_resume_call'], ['phony_get_call_transcript'], ['phony_get_call_instructions']]) await tool(name, args);
    const waited = tool('phony_wait_for_call', { status: 'in-progress', timeoutSeconds: 40 });
    shapes.CancelTaskResultV2Schema.parse((await send('tasks/cancel', { taskId })).result);
    assert.equal((await waited).data.isLive, false);
    assert.ok(['completed', 'cancelled'].includes((await get(taskId)).status));
    for (const { params } of (await heard).slice(1)) assert.equal(params.taskId, taskId);
    // One that is not due yet.
    const waiting = await later(3600000);
    const canceled = listen([waiting], ({ params }) => params.status === 'cancelled');
    await until(async () => (await phony.api('GET', `/api/calls/${waiting}`)).body.status === 'scheduled', 'the call');
    await send('tasks/cancel', { taskId: waiting });
    assert.equal((await canceled).at(-1).params.taskId, waiting);
  });
});
