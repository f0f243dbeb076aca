// How a conversation ends and how it does not: goodbyes, holds, questions, the outcome, and lines that fall silent.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { endWell, processes, speech, startAgent, startCarrier, startPhony, until } from '../harness/phony.mjs';
import { Proxy } from '../harness/proxy.mjs';

const hello = speech('Hello, this is Anna. May I ask you something?');
const bye = speech('Thank you. Goodbye!');
const moment = speech('One moment please.');
const yes = speech('Yes, please.', { voice: 'en-us' });
const wait = speech('Wait, wait, just a moment please, I have a question.', { voice: 'en-us' });
const say = (text, sound) => ({ say: text, wav: sound.pattern });
const greeting = say('Hello, this is Anna.', hello);
const goodbye = say('Thank you. Goodbye!', bye);
const end = { tool: 'end_call', parameters: {} };
const idle = { pause_ms: 60000 };

const agents = {
  'agent-test': { script: [greeting, idle] },
  'agent-question': { script: [greeting, { hear: 'Great, see you then.' }, say('Wonderful. Before you go, may I have your name?', hello),
    { hear: 'My name is Baker.' }, goodbye, idle] },
  'agent-greets': { script: [say('Thank you for calling Delicious Restaurant. Have a nice day!', hello), { hear: 'Hello?' }, goodbye, idle] },
  'agent-recalled': { script: [greeting, { hear: 'Yes.' }, goodbye, { hear: 'Wait, I have a question.' }, say('Of course, go on.', moment), end] },
  'agent-goes-on': { script: [greeting, { hear: 'Yes.' }, goodbye, say('One more thing: the door is open.', hello), { pause_ms: 3500 }, end] },
  'agent-held': { script: [greeting, { context: 'putting them on hold' }, say('One moment please.', moment), { context: 'music' },
    say('Are you still there? Goodbye!', bye), { ...end, error: true }, { context: 'heard nothing of what you said' }, say('I am back.', moment), end] },
  'agent-asks': { script: [greeting, { tool: 'ask_operator', parameters: { question: 'Which table?' } }, { context: 'You are back with the person' }, end] },
  'agent-injects': { bad: 'inject', script: [greeting, end] },
  'agent-echo': { mode: 'echo' },
  'agent-transfers': { speed: 20, script: [greeting, { hear: 'Yes.' }, say('I connect you with a colleague.', hello), { tool: 'transfer_call', parameters: {} }, goodbye, { pause_ms: 5000 }], again: [end] },
};
const replies = { script: [{ hear: true }, { say: yes.at(8000) }] };
const callees = {
  '+12025550301': { script: [{ hear: true }, { say: yes.at(8000) }, { hear: true }, { pause_ms: 1200 }, { say: yes.at(8000) }] },
  '+12025550302': replies,
  '+12025550303': { script: [{ hear: true }, { say: yes.at(8000) }, { hear: true }, { say: wait.at(8000) }] },
  '+12025550304': replies, '+12025550305': { script: [] }, '+12025550306': { script: [] }, '+12025550307': { script: [] },
  '+12025550308': { mode: 'stamp', seconds: 3 }, '+12025550309': { script: [], bad: 'mute' }, '+12025550310': replies,
};

let carrier, agent, phony;
before(async () => {
  agent = await startAgent({ apiKey: 'xi-test-key-0001', agents });
  carrier = await startCarrier({ callees, default: { script: [] } });
  phony = await startPhony({ sims: { carrier, agent } });
});
after(() => endWell({ phony, agent, carrier }));

async function place(name, to, more = {}) {
  const { status, body } = await phony.call(to, { elevenLabsAgentId: `agent-${name}`, ...more });
  assert.equal(status, 201, JSON.stringify(body));
  return body.callSid;
}
const post = (sid, what, body) => phony.api('POST', `/api/calls/${sid}/${what}`, body);
const events = async (sid) => (await phony.api('GET', `/api/calls/${sid}/events`)).body.events ?? [];
const happened = (sid, type) => until(async () => (await events(sid)).find((e) => e.type === type), type, 20000);
const turns = (sid, n) => until(async () => (await phony.api('GET', `/api/calls/${sid}/transcript`)).body.messageCount >= n, `${n} turns`, 20000);
const said = (call) => call.conversationHistory.map((turn) => `${turn.role}: ${turn.content}`);
const streams = (sid) => carrier.events.filter((e) => e.event === 'stream-open' && e.callSid === sid).length;

describe('conversations', { concurrency: true }, () => {
  test("the caller's goodbye is taken back by the agent's question; the caller has two seconds to answer a goodbye", async () => {
    const sid = await place('question', '+12025550301');
    await turns(sid, 1);
    // Ctrl-C and a closed terminal are the supervisor's to act on, which drains.
    const worker = processes().find((p) => p.name === 'callworker' && p.title.includes(sid));
    for (const signal of ['SIGINT', 'SIGHUP']) process.kill(worker.pid, signal);
    const call = await phony.over(sid, 40000);
    assert.deepEqual(said(call), ['assistant: Hello, this is Anna.', 'user: Great, see you then.', 'assistant: Wonderful. Before you go, may I have your name?',
      'user: My name is Baker.', 'assistant: Thank you. Goodbye!']);
    assert.equal(call.endReason, 'the agent said goodbye');
    assert.equal(streams(sid), 1);
  });

  test('a greeting that sounds like a goodbye ends nothing', async () => {
    const call = await phony.over(await place('greets', '+12025550302'), 40000);
    assert.deepEqual(said(call).slice(1), ['user: Hello?', 'assistant: Thank you. Goodbye!']);
    assert.equal(call.endReason, 'the agent said goodbye');
  });

  test("the caller's voice takes the agent's goodbye back", async () => {
    const call = await phony.over(await place('recalled', '+12025550303'), 40000);
    assert.deepEqual(said(call).slice(2), ['assistant: Thank you. Goodbye!', 'user: Wait, I have a question.', 'assistant: Of course, go on.']);
    assert.equal(call.endReason, 'the agent ended the call');
  });

  test('the agent takes its own back', async () => {
    const call = await phony.over(await place('goes-on', '+12025550304'), 40000);
    assert.equal(call.endReason, 'the agent ended the call');
  });

  test('a transfer goes through, whatever is said with it', async () => {
    const sid = await place('transfers', '+12025550310', { transferNumber: '+12025550399' });
    const { callSid } = await carrier.events.wait((e) => e.event === 'dialled' && e.callSid === sid, 'the transfer');
    assert.equal((await phony.over(callSid)).status, 'completed');
    assert.ok(!(await events(sid)).some((e) => e.type === 'hangup'), 'a goodbye hung the call up');
  });

  test('what the agent says meanwhile is not heard, and ends nothing', async () => {
    const sid = await place('held', '+12025550305', { record: true });
    await turns(sid, 1);
    assert.equal((await post(sid, 'hold')).status, 200);
    await turns(sid, 2);
    // The music has begun once the announcement was heard: from then on nobody hears the agent.
    await until(async () => (await phony.api('GET', `/api/calls/${sid}`)).body.onHold, 'the hold');
    await carrier.events.wait((e) => e.event === 'stream-first-audio' && e.callSid === sid, 'audio');
    await new Promise((done) => setTimeout(done, 3500)); // of the announcement and of music
    assert.equal((await post(sid, 'inject-context', { context: 'They hear music.' })).status, 200);
    await agent.events.wait((e) => e.event === 'tool-result' && e.tool === 'end_call' && e.conversation.includes('agent-held'), 'the refusal');
    assert.equal((await phony.api('GET', `/api/calls/${sid}`)).body.isLive, true);
    assert.equal((await post(sid, 'resume')).status, 200);
    const call = await phony.over(sid, 40000);
    assert.deepEqual(said(call), ['assistant: Hello, this is Anna.', 'assistant: One moment please.', 'assistant: I am back.']);
    assert.equal(call.endReason, 'the agent ended the call');
  });

  test("a person's hold and a question are two: the answer does not end the hold", async () => {
    const sid = await place('asks', '+12025550306');
    await happened(sid, 'operator-question');
    assert.equal((await post(sid, 'hold')).status, 200);
    assert.equal((await post(sid, 'hold')).status, 409);
    assert.equal((await post(sid, 'resume')).status, 409);
    assert.equal((await post(sid, 'answer-operator', { answer: 'Seven' })).status, 200);
    await agent.events.wait((e) => e.event === 'tool-result' && e.tool === 'ask_operator' && e.conversation.includes('agent-asks'), 'the answer');
    assert.equal((await post(sid, 'hold')).status, 409, 'it is on hold still');
    assert.equal((await post(sid, 'resume')).status, 200);
    assert.equal((await phony.over(sid, 40000)).endReason, 'the agent ended the call');
  });

  test('what is no audio of the agent does not reach the carrier', async () => {
    const call = await phony.over(await place('injects', '+12025550307'), 40000);
    assert.equal(call.status, 'completed'); // endWell finds what the carrier did not understand
  });

  test('answers are counted once a turn, not for each piece of audio', async () => {
    const sid = await place('echo', '+12025550308');
    const { figures } = await phony.over(sid, 40000);
    assert.ok(figures.framesFromCaller > 100);
    assert.ok((figures.responsesMs?.length ?? 0) <= 1, JSON.stringify(figures.responsesMs));
  });

  test('no media for five seconds: the line is given back, and the call goes on with another', async () => {
    const sid = await place('test', '+12025550309');
    const ended = await happened(sid, 'stream-ended');
    assert.match(ended.data.fault, /no media came from the carrier for 5 s/);
    assert.equal(ended.data.cut, true);
    await until(() => streams(sid) === 2, 'another stream');
    await until(async () => (await events(sid)).some((e) => e.type === 'agent-connected' && e.attempt === 1), 'the agent again');
    await post(sid, 'hangup');
    assert.equal((await phony.over(sid)).status, 'completed');
  });

  test('Twilio is slow to hang up: the agent is closed in time', async () => {
    const rest = await new Proxy(carrier.port).listen();
    const slow = await startPhony({ sims: { carrier: { ...carrier, url: `http://127.0.0.1:${rest.port}` }, agent } });
    const { callSid } = (await slow.call('+12025550311', { elevenLabsAgentId: 'agent-test', outcomeSchema: { type: 'object', properties: { booked: { type: 'boolean' } } } })).body;
    await until(async () => (await slow.api('GET', `/api/calls/${callSid}/transcript`)).body.messageCount > 0, 'the first words');
    const conversation = agent.events.filter((e) => e.event === 'initiated' && e.conversation.includes('agent-test')).at(-1).conversation;
    rest.stall(12000);
    const hangup = slow.api('POST', `/api/calls/${callSid}/hangup`);
    await agent.events.wait((e) => e.event === 'ended' && e.conversation === conversation, 'the agent to be closed', 15000);
    await hangup;
    assert.equal((await slow.over(callSid, 40000)).status, 'completed');
    assert.ok((await slow.api('GET', `/api/calls/${callSid}/events`)).body.events.some((e) => e.type === 'outcome-missing'));
    assert.equal((await slow.stop()).code, 0);
    await rest.close();
  });
});
