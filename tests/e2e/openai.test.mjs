// Calls through OpenAI Realtime: the same calls as through ElevenLabs, in another protocol.
import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, describe, test } from 'node:test';
import { endWell, speech, startAgent, startCarrier, startPhony, until } from '../harness/phony.mjs';
import { checkTypes } from '../harness/types.mjs';

const hello = speech('Hello, this is Anna. May I ask you something?');
const thanks = speech('Thank you. Goodbye!');
const yes = speech('Yes, please.', { voice: 'en-us' });
const wait = speech('Wait, wait, just a moment please, I have a question.', { voice: 'en-us' });
const longText = 'I would like to tell you a long story about a table for two people at your very nice restaurant in the old town.';
const long = speech(longText);

const say = (text, sound, more = {}) => ({ say: text, wav: sound.pattern, ...more });
const talk = [say('Hello, this is Anna.', hello), { hear: 'Yes, please.' }, say('Thank you. Goodbye!', thanks)];
const agents = {
  openai: { script: talk, trace: true },
  preview: { bad: 'preview', script: talk },
  voice: { bad: 'voice' }, quota: { bad: 'quota' }, limited: { bad: 'rate_limit', script: talk }, silent: { bad: 'silent' },
  menu: { trace: true, script: [{ hear: 'Press 4 2.' }, { tool: 'send_dtmf', parameters: { digits: '42#' } }, say('Hello, this is Anna.', hello),
    { tool: 'add_note', parameters: { note: 'Table 7, under Anna.' } }, { tool: 'end_call', parameters: { reason: 'done' } }] },
  nonsense: { script: [{ tool: 'send_dtmf', parameters: '{"digits": ', error: true }, { tool: 'send_dtmf', parameters: { digits: 7 }, error: true },
    { tool: 'fly', parameters: {}, error: true }, { tool: 'end_call', parameters: {} }] },
  outcome: { script: [say('Hello, this is Anna.', hello), { tool: 'report_outcome', parameters: { times: ['seven'], booked: true } }, { tool: 'end_call', parameters: {} }] },
  interrupted: { trace: true, speed: 20, chunk_ms: 300, script: [say(longText, long), { hear: 'Wait, I have a question.' }, say('Thank you. Goodbye!', thanks)] },
  live: { speed: 1, chunk_ms: 100, script: [say(longText, long), { hear: 'Wait, I have a question.' }, say('Thank you. Goodbye!', thanks)] },
  context: { script: [say('Hello, this is Anna.', hello), { context: 'window seat' }, { pause_ms: 60000 }] },
  renewed: { trace: true, speed: 20, chunk_ms: 300, script: [say('Hello, this is Anna.', hello), { crash: true }], again: [say(longText, long), { hear: 'Wait, I have a question.' }, say('Thank you. Goodbye!', thanks)] },
  asks: { script: [say('Hello, this is Anna.', hello), { tool: 'ask_operator', parameters: { question: 'Which table?' }, crash_after_ms: 500 }], again: [{ context: 'Table seven' }, say('Thank you. Goodbye!', thanks)] },
  frozen: { script: [say('Hello, this is Anna.', hello), { freeze: true }], again: [say('Thank you. Goodbye!', thanks)] },
  lost: { script: [say(longText, long, { crash_after_ms: 1500 })], again: [say('Thank you. Goodbye!', thanks)] },
};
const callees = {
  '+12025550102': { script: [{ pause_ms: 200 }, { say: yes.at(8000) }, { digits: '42#' }] },
  '+12025550103': { script: [{ say: wait.at(8000), after_ms: 2000 }] },
  '+12025550105': { script: [{ press: '5' }] }, // is there: before that no goodbye ends the call
  '+12025550107': { script: [{ press: '5' }] },
  '+12025550108': { script: [{ press: '5' }] },
  '+12025550106': { script: [{ say: wait.at(8000), after_ms: 5000 }] },
  '+12025550104': { script: [{ say: wait.at(8000), after_ms: 1500 }] },
};

let carrier, agent, phony;
before(async () => {
  agent = await startAgent({ openaiKey: 'sk-test-key-0001', agents });
  carrier = await startCarrier({ callees, default: { script: [{ hear: true }, { say: yes.at(8000) }] } });
  phony = await startPhony({ sims: { carrier, agent } });
});
after(() => endWell({ phony, agent, carrier }));

let numbers = 200;
const number = () => `+1202555${String(++numbers).padStart(4, '0')}`;
async function place(name, toNumber = number(), more = {}) {
  const { status, body } = await phony.call(toNumber, { provider: 'openai', callInstructions: `Say hello. #${name}`, ...more });
  assert.equal(status, 201, JSON.stringify(body));
  assert.equal(body.provider, 'openai');
  return body.callSid;
}
const closed = (sid) => carrier.events.wait((e) => e.event === 'stream-closed' && e.callSid === sid, `the stream of ${sid} to close`, 40000);
const said = (call) => call.conversationHistory.map((turn) => `${turn.role}: ${turn.content}`);
const events = async (sid) => (await phony.api('GET', `/api/calls/${sid}/events`)).body.events;

// The way to the agent: each connection is met by the next of these, the last one from then on.
async function startGate(...meet) {
  const gate = { connections: 0, server: net.createServer((near) => {
    near.on('error', () => {});
    meet[Math.min(gate.connections++, meet.length - 1)](near);
  }) };
  await new Promise((done) => gate.server.listen(0, '127.0.0.1', done));
  return Object.assign(gate, { port: gate.server.address().port, stop: () => new Promise((done) => gate.server.close(done)) });
}
const answer = (status) => (near) => near.once('data', () => near.end(`HTTP/1.1 ${status} X\r\nContent-Length: 0\r\n\r\n`));
const through = (near) => {
  const far = net.connect(agent.port, '127.0.0.1').on('error', () => near.destroy());
  near.on('close', () => far.destroy());
  near.pipe(far).pipe(near);
};

describe('outgoing calls', { concurrency: true }, () => {
  for (const name of ['openai', 'preview', 'limited'])
    test(`a whole conversation (${name})`, async () => {
      const sid = await place(name);
      const end = await closed(sid);
      const call = await phony.over(sid);
      assert.equal(call.status, 'completed', call.errorMessage);
      assert.equal(call.endReason, 'the agent said goodbye');
      assert.deepEqual(said(call), ['assistant: Hello, this is Anna.', 'user: Yes, please.', 'assistant: Thank you. Goodbye!']);
      assert.equal(end.playedBytes, end.bytesReceived);
      assert.equal(call.voiceProvider, 'openai');
      assert.equal(call.voice, 'sage');
    });

  test('keys, notes and the end, as tools; the voice of the call', async () => {
    const sid = await place('menu', '+12025550102', { voice: 'verse' });
    const end = await closed(sid);
    const call = await phony.over(sid);
    // Of a stream that broke, of tones that were asked for too early, or cut off, the rest would tell.
    const told = async () => JSON.stringify([end, carrier.events.filter((e) => e.callSid === sid).map((e) => e.event), await events(sid)]);
    if (end.digits !== '42#') assert.fail(await told());
    assert.equal(call.endReason, 'the agent ended the call');
    assert.equal(end.playedBytes, end.bytesReceived);
    const all = await events(sid);
    assert.equal(all.find((e) => e.type === 'note').data.note, 'Table 7, under Anna.');
    assert.ok(all.some((e) => e.type === 'usage' && e.data.total_tokens === 150));
    const initiated = agent.events.find((e) => e.event === 'initiated' && e.voice === 'verse');
    assert.deepEqual(initiated.tools.map((t) => t.name), ['send_dtmf', 'end_call', 'add_note', 'ask_operator']);
  });

  test('an outcome whose schema OpenAI refuses is reported all the same', async () => {
    const outcomeSchema = { type: 'object', properties: { times: { type: 'array' }, booked: { type: 'boolean' } }, anyOf: [{ required: ['booked'] }] };
    const call = await phony.over(await place('outcome', number(), { outcomeSchema }));
    assert.equal(call.endReason, 'the agent ended the call');
    assert.deepEqual(call.outcome, { times: ['seven'], booked: true });
  });

  test('tools with nonsense are answered as errors', async () => {
    const sid = await place('nonsense');
    assert.equal((await phony.over(sid)).status, 'completed');
  });

  for (const [name, to, after] of [['interrupted', '+12025550103', 2000], ['live', '+12025550104', 1500]])
    test(`an interruption (${name}): the item is cut at what was heard, and so is the transcript`, async () => {
      const sid = await place(name, to);
      const end = await closed(sid);
      const call = await phony.over(sid);
      const clear = carrier.events.find((e) => e.event === 'clear' && e.callSid === sid);
      const conversation = agent.events.find((e) => e.event === 'initiated' && e.prompt.includes(`#${name}`)).conversation;
      const cut = agent.events.find((e) => e.event === 'truncate' && e.conversation === conversation);
      assert.ok(cut.ms > after - 300 && cut.ms <= cut.of, JSON.stringify(cut)); // a slow machine sends late what is to be heard
      // The carrier's ear and the marks agree to a tenth of a second, and a frame or two on the way.
      const heardMs = clear.playedMs;
      assert.ok(cut.ms <= heardMs + 20 && cut.ms > heardMs - 180, `${cut.ms} ms of ${heardMs}`);
      const [first] = call.conversationHistory;
      assert.equal(first.truncated, true);
      assert.ok(longText.startsWith(first.content) && first.content.length > 10 && first.content.length < longText.length - 10, first.content);
      const share = first.content.length / longText.length;
      if (name === 'interrupted') assert.ok(Math.abs(share - cut.ms / cut.of) < 0.12, `${share} of the text, ${cut.ms / cut.of} of the sound`);
      assert.equal(said(call)[1], 'user: Wait, I have a question.');
      assert.ok(end.playedBytes < end.bytesReceived || name === 'live');
    });

  test('context reaches the agent', async () => {
    const sid = await place('context');
    await until(async () => (await events(sid))?.some((e) => e.type === 'agent-connected'), 'the agent');
    assert.equal((await phony.api('POST', `/api/calls/${sid}/inject-context`, { context: 'Ask for a window seat.' })).status, 200);
    await agent.events.wait((e) => e.event === 'context' && e.text === 'OPERATOR INSTRUCTION:\nAsk for a window seat.', 'the context');
    await phony.api('POST', `/api/calls/${sid}/hangup`);
    await phony.over(sid);
  });

  test('the connection breaks in the middle of a sentence: another goes on with what was said', async () => {
    const sid = await place('lost', '+12025550105');
    const crash = await agent.events.wait((e) => e.event === 'crash', 'the crash', 20000);
    await closed(sid);
    const call = await phony.over(sid);
    assert.equal(call.status, 'completed', call.errorMessage);
    assert.ok((await events(sid)).some((e) => e.type === 'agent-lost'));
    const again = agent.events.find((e) => e.event === 'first-audio' && e.us > crash.us);
    assert.ok(again.us - crash.us < 2000000, `${again.us - crash.us} us`);
    assert.ok(agent.events.find((e) => e.event === 'context' && e.text.includes('the line was gone')));
    assert.equal(call.conversationHistory.at(-1).content, 'Thank you. Goodbye!');
  });

  test('an interruption after the connection was renewed: what was heard is counted anew', async () => {
    const sid = await place('renewed', '+12025550106');
    await closed(sid);
    const call = await phony.over(sid);
    const { conversation } = agent.events.items.filter((e) => e.event === 'initiated' && e.prompt.includes('#renewed')).at(-1);
    const cut = agent.events.find((e) => e.event === 'truncate' && e.conversation === conversation);
    const at = (event) => agent.events.find((e) => e.event === event && e.conversation === conversation).us / 1000;
    const heardMs = at('interruption') - at('first-audio');
    assert.ok(cut.ms < heardMs + 150 && cut.ms > heardMs - 700, `${cut.ms} ms of ${heardMs}`);
    const turn = call.conversationHistory.find((t) => longText.startsWith(t.content));
    assert.ok(turn.truncated && turn.content.length > 5, JSON.stringify(call.conversationHistory));
  });

  test('the answer to the agent\'s question comes when its connection was renewed', async () => {
    const sid = await place('asks', '+12025550107');
    await until(async () => (await events(sid))?.filter((e) => e.type === 'agent-connected').length === 2, 'the second connection');
    assert.equal((await phony.api('POST', `/api/calls/${sid}/answer-operator`, { answer: 'Table seven' })).status, 200);
    assert.equal((await phony.over(sid)).endReason, 'the agent said goodbye');
  });

  test('a connection from which nothing comes any more is left within five seconds', async () => {
    const sid = await place('frozen', '+12025550108');
    const frozen = await agent.events.wait((e) => e.event === 'frozen', 'silence', 20000);
    await closed(sid);
    const again = agent.events.find((e) => e.event === 'initiated' && e.us > frozen.us && e.prompt.includes('#frozen'));
    assert.ok(again.us - frozen.us < 7_000_000, `${again.us - frozen.us} us`);
    assert.equal((await phony.over(sid)).endReason, 'the agent said goodbye');
  });

  for (const [name, words] of [['voice', /OpenAI: Invalid value: 'fable'/], ['quota', /quota is used up/], ['silent', /never answered/]])
    test(`OpenAI refuses (${name}): the caller hears an apology, the reason is told`, async () => {
      const sid = await place(name);
      const call = await phony.over(sid);
      assert.equal(call.status, 'failed');
      assert.match(call.errorMessage, words);
      assert.ok(carrier.events.find((e) => e.event === 'say' && e.callSid === sid && /sorry/i.test(e.text)));
    });

  test('the first connection to the agent is tried again when it breaks', async () => {
    const gate = await startGate((near) => near.resetAndDestroy(), answer(503), (near) => near.once('data', () => near.end()), through);
    const other = await startPhony({ sims: { carrier, agent: gate }, settings: { VOICE_PROVIDER: 'openai' } });
    const { body } = await other.call('+12025550993', { callInstructions: 'Say hello. #openai' });
    const call = await other.over(body.callSid);
    assert.equal(call.status, 'completed', call.errorMessage);
    assert.deepEqual(said(call), ['assistant: Hello, this is Anna.', 'user: Yes, please.', 'assistant: Thank you. Goodbye!']);
    assert.equal(gate.connections, 4);
    assert.equal((await other.stop()).code, 0);
    await gate.stop();
  });

  test('the first connection to the agent is not tried again when it is refused', async () => {
    const gate = await startGate(answer(404));
    const other = await startPhony({ sims: { carrier, agent: gate }, settings: { VOICE_PROVIDER: 'openai' } });
    const call = await other.over((await other.call('+12025550994')).body.callSid);
    assert.equal(call.status, 'failed');
    assert.equal(gate.connections, 1);
    assert.equal((await other.stop()).code, 0);
    await gate.stop();
  });
});

test('the models are those of the settings', async () => {
  const { transcription } = agent.events.find((e) => e.event === 'initiated');
  assert.equal(transcription, 'gpt-transcribe');
  const session = agent.events.find((e) => e.event === 'model');
  assert.equal(session.model, 'gpt-realtime-2.1');
});

test('a wrong key', async () => {
  const other = await startPhony({ sims: { carrier, agent }, settings: { OPENAI_API_KEY: 'sk-wrong', VOICE_PROVIDER: 'openai' } });
  const { body } = await other.call('+12025550991');
  const call = await other.over(body.callSid);
  assert.equal(call.status, 'failed');
  assert.match(call.errorMessage, /check OPENAI_API_KEY/);
  assert.equal((await other.stop()).code, 0);
});

// Both sides' messages of the calls above, each of its kind once, must have the types of the vendor's package.
test('every message is one that the openai package knows', () => {
  const check = checkTypes(agent.events.items, `import type { RealtimeClientEvent as Got, RealtimeServerEvent as Sent } from 'openai/resources/realtime/realtime';`);
  assert.ok(['session.update', 'input_audio_buffer.append', 'response.create', 'conversation.item.truncate', 'conversation.item.create'].every((type) => check.got.includes(type)), check.got.join());
  assert.ok(check.sent.length >= 10, check.sent.join());
  assert.equal(check.stdout, '');
  assert.equal(check.status, 0);
});

test('a redirect of the agent\'s address is not followed', async () => {
  const open = await startAgent({ agents: { 'agent-test': { bad: 'redirect' } } });
  const other = await startPhony({ sims: { carrier, agent: open }, settings: { ELEVENLABS_API_KEY: '' } });
  const { body } = await other.call('+12025550992');
  const call = await other.over(body.callSid);
  assert.equal(call.status, 'failed');
  assert.match(call.errorMessage, /no conversation at ElevenLabs/);
  assert.equal((await other.stop()).code, 0);
  assert.equal(await open.stop(), 0);
});
