// Outgoing calls through ElevenLabs, from the request to the stored transcript.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { endWell, speech, startAgent, startCarrier, startPhony, until } from '../harness/phony.mjs';
import { checkTypes } from '../harness/types.mjs';

const hello = speech('Hello, this is Anna. May I ask you something?');
const thanks = speech('Thank you. Goodbye!');
const yes = speech('Yes, please.', { voice: 'en-us' });
const bye = speech('Goodbye then.', { voice: 'en-us' });
const wait = speech('Wait, wait, just a moment please, I have a question.', { voice: 'en-us' });
const long = speech('I would like to tell you a long story about a table for two people at your very nice restaurant in the old town.');

const say = (text, sound, more = {}) => ({ say: text, wav: sound.pattern, ...more });
// The same twice: before the caller has said anything it is a greeting, whatever it sounds like.
const greeted = (words) => [words, { hear: 'Yes, please.' }, words];
const formats = [['ulaw_8000', 'ulaw_8000'], ['pcm_16000', 'pcm_16000'], ['pcm_8000', 'ulaw_8000'], ['ulaw_8000', 'pcm_8000'],
  ['pcm_22050', 'pcm_24000'], ['pcm_24000', 'pcm_22050'], ['pcm_44100', 'pcm_48000'], ['pcm_48000', 'pcm_44100']];

const agents = {
  'agent-test': { script: [say('Hello, this is Anna.', hello), { hear: 'Yes, please.' }, say('Thank you. Goodbye!', thanks)] },
  'agent-menu': { gives: 'pcm_16000', takes: 'pcm_16000', script: [{ hear: 'Press 4 2 for bookings.' },
    { tool: 'send_dtmf', parameters: { digits: '42#' } }, { hear: 'You are through.' }, say('Hello, this is Anna.', hello),
    { tool: 'end_call', parameters: { reason: 'done' } }] },
  'agent-tools': { script: [{ tool: 'send_dtmf', parameters: { digits: '1x' }, error: true },
    { tool: 'send_dtmf', parameters: {}, error: true }, { tool: 'fly', parameters: {}, error: true },
    { tool: 'end_call', parameters: {} }] },
  'agent-interrupted': { gives: 'pcm_16000', script: [say('I would like to tell you a long story.', long, { corrected: 'I would like to' }),
    { hear: 'Wait, I have a question.' }, say('Thank you. Goodbye!', thanks)] },
  'agent-listener': { script: [say('Hello, this is Anna.', hello), { hear: 'Goodbye then.' }, { pause_ms: 60000 }] },
  'agent-answers': { script: [say('Hello, this is Anna.', hello), { hear: 'Goodbye then.' }, say('It was nice to talk to you, have fun', hello), { pause_ms: 60000 }] },
  'agent-care': { script: [say('I will take care of it for you', hello), { hear: 'Yes, please.' }, say('Thank you. Goodbye!', thanks)] },
  'agent-context': { script: [say('Hello, this is Anna.', hello), { hear: 'Yes, please.' }, { context: 'ask for a window seat' }, say('Thank you. Goodbye!', thanks)] },
  'agent-patient': { script: [{ pause_ms: 60000 }] },
  'agent-fragments': { bad: 'fragments', gives: 'pcm_16000', script: greeted(say('Thank you. Goodbye!', thanks)) },
  'agent-huge': { bad: 'huge', gives: 'pcm_48000', script: greeted(say('I would like to tell you a long story. Goodbye.', long)) },
  'agent-odd': { bad: 'odd_pcm', gives: 'pcm_16000', chunk_ms: 33, script: greeted(say('Thank you. Goodbye!', thanks)) },
  'agent-lost': { script: [say('I would like to tell you a long story.', long, { crash_after_ms: 800 })], again: [say('Thank you. Goodbye!', thanks)] },
  'agent-lost-mute': { bad: 'refuse_first_message', script: [say('I would like to tell you a long story.', long, { crash_after_ms: 800 })], again: [say('Thank you. Goodbye!', thanks)] },
  'agent-closes': { script: [say('Hello, this is Anna.', hello), { close: 1000, reason: 'done' }] },
};
for (const name of ['agent-test', 'agent-menu', 'agent-tools', 'agent-interrupted', 'agent-context']) agents[name].trace = true;
formats.forEach(([takes, gives], i) => { agents[`agent-format-${i}`] = { ...agents['agent-test'], takes, gives }; });

const answer = { script: [{ hear: true }, { say: yes.at(8000) }] };
// One who speaks first: before that no goodbye of the agent's ends the call.
const greets = { script: [{ say: yes.at(8000) }] };
const callees = {
  '+12025550102': { script: [{ pause_ms: 200 }, { say: yes.at(8000) }, { digits: '42#' }, { say: yes.at(8000) }] },
  '+12025550103': { script: [{ say: wait.at(8000), after_ms: 1000 }] },
  '+12025550104': { script: [{ hear: true }, { say: bye.at(8000) }] },
  '+12025550105': { outcome: 'busy' },
  '+12025550106': { outcome: 'no-answer', repeat_callbacks: true },
  '+12025550109': { script: [{ hear: true }, { say: bye.at(8000) }] },
  '+12025550110': greets, '+12025550111': greets,
  '+12025550107': { script: [{ press: '5' }, { pause_ms: 300 }, { hangup: true }] },
  '+12025550108': { script: [], lose_completed: true },
};

let carrier, agent, phony;
before(async () => {
  agent = await startAgent({ apiKey: 'xi-test-key-0001', agents });
  carrier = await startCarrier({ callees, default: answer });
  phony = await startPhony({ sims: { carrier, agent } });
});
after(() => endWell({ phony, agent, carrier }));

let numbers = 200;
const number = () => `+1202555${String(++numbers).padStart(4, '0')}`;

async function place(agentId, toNumber = number(), more = {}) {
  const { status, body } = await phony.call(toNumber, { elevenLabsAgentId: agentId, ...more });
  assert.equal(status, 201, JSON.stringify(body));
  return body.callSid;
}
const closed = (sid) => carrier.events.wait((e) => e.event === 'stream-closed' && e.callSid === sid, `the stream of ${sid} to close`, 40000);
const said = (call) => call.conversationHistory.map((turn) => `${turn.role}: ${turn.content}`);
const events = async (sid) => (await phony.api('GET', `/api/calls/${sid}/events`)).body.events;

describe('outgoing calls', { concurrency: true }, () => {
  test('a whole conversation, its last words heard, its transcript kept', async () => {
    const sid = await place('agent-test');
    const end = await closed(sid);
    const call = await phony.over(sid);
    assert.equal(call.status, 'completed');
    assert.equal(call.endReason, 'the agent said goodbye');
    assert.equal(call.errorMessage, undefined);
    assert.deepEqual(said(call), ['assistant: Hello, this is Anna.', 'user: Yes, please.', 'assistant: Thank you. Goodbye!']);
    assert.ok(call.endedAt >= call.startedAt && Number.isInteger(call.duration));
    // All that the agent spoke was played before the line was cut.
    assert.equal(end.playedBytes, end.bytesReceived);
    assert.ok(end.bytesReceived > 8000);
    assert.equal(end.code, 1000);
  });

  for (const [i, [takes, gives]] of formats.entries())
    test(`an agent that takes ${takes} and gives ${gives}`, async () => {
      const sid = await place(`agent-format-${i}`);
      const end = await closed(sid);
      const call = await phony.over(sid);
      assert.equal(call.status, 'completed');
      assert.deepEqual(said(call).length, 3);
      assert.ok(Math.abs(end.bytesReceived - end.playedBytes) === 0);
      const conversation = agent.events.find((e) => e.event === 'ended' && e.conversation.startsWith(`conv_agent-format-${i}_`));
      const perSecond = { ulaw_8000: 8000 }[takes] ?? Number(takes.slice(4)) * 2;
      // Nothing is lost on the way but what the resampler holds back.
      const seconds = end.framesSent / 50;
      assert.ok(Math.abs(conversation.bytes / perSecond - seconds) < 0.3, `${conversation.bytes / perSecond} s of ${seconds}`);
    });

  test('a menu is navigated by tones, then the agent ends the call', async () => {
    const sid = await place('agent-menu', '+12025550102');
    const end = await closed(sid);
    const call = await phony.over(sid);
    assert.equal(end.digits, '42#');
    assert.equal(call.endReason, 'the agent ended the call');
    assert.equal(end.playedBytes, end.bytesReceived);
    const kinds = (await events(sid)).map((e) => e.type);
    for (const kind of ['stream-started', 'agent-connected', 'tool-call', 'dtmf-sent', 'end-reason', 'hangup', 'stream-ended'])
      assert.ok(kinds.includes(kind), kind);
  });

  test('tools with wrong arguments are answered, with is_error', async () => {
    const sid = await place('agent-tools');
    await closed(sid);
    assert.equal((await phony.over(sid)).status, 'completed');
  });

  test('an interruption clears what is buffered, and stale audio is dropped', async () => {
    const sid = await place('agent-interrupted', '+12025550103');
    const end = await closed(sid);
    const call = await phony.over(sid);
    const clear = carrier.events.find((e) => e.event === 'clear' && e.callSid === sid);
    assert.ok(clear && clear.droppedMs > 0, JSON.stringify(clear));
    assert.ok(end.playedBytes < end.bytesReceived);
    assert.deepEqual(said(call).slice(0, 2), ['assistant: I would like to', 'user: Wait, I have a question.']);
    assert.equal(call.conversationHistory[0].truncated, true);
  });

  test("the caller's goodbye ends the call after five seconds of silence", async () => {
    const sid = await place('agent-listener', '+12025550104');
    const call = await phony.over(sid, 40000);
    assert.equal(call.endReason, 'the caller said goodbye');
    const [heard, hangup] = [call.conversationHistory.at(-1), (await events(sid)).find((e) => e.type === 'hangup')];
    const waited = new Date(hangup.timestamp) - new Date(heard.timestamp);
    assert.ok(waited >= 4900 && waited < 8000, `${waited} ms`);
  });

  test("the agent's answer to the caller's goodbye is heard whole", async () => {
    const sid = await place('agent-answers', '+12025550109');
    carrier.events.wait((e) => e.event === 'stream-open' && e.callSid === sid, 'the stream');
    const end = await closed(sid);
    const call = await phony.over(sid);
    assert.equal(call.endReason, 'the caller said goodbye');
    assert.equal(end.playedBytes, end.bytesReceived);
    assert.equal(call.conversationHistory.at(-1).role, 'assistant');
  });

  test('"I will take care of it for you" is no goodbye', async () => {
    const sid = await place('agent-care');
    const call = await phony.over(sid);
    assert.equal(call.conversationHistory.length, 3);
  });

  test('context reaches the agent in the middle of the call', async () => {
    const sid = await place('agent-context');
    await until(async () => (await phony.api('GET', `/api/calls/${sid}/transcript`)).body.messageCount > 0, 'the first words');
    const answer = await phony.api('POST', `/api/calls/${sid}/inject-context`, { context: 'Please ask for a window seat.' });
    assert.equal(answer.status, 200, answer.text);
    await closed(sid);
    const sent = agent.events.find((e) => e.event === 'context');
    assert.equal(sent.text, 'OPERATOR INSTRUCTION:\nPlease ask for a window seat.');
  });

  test('keys, pressed by the operator and by the person', async () => {
    const sid = await place('agent-patient');
    await until(async () => (await events(sid))?.some((e) => e.type === 'agent-connected'), 'the agent');
    assert.equal((await phony.api('POST', `/api/calls/${sid}/dtmf`, { digits: '12x' })).status, 400);
    assert.equal((await phony.api('POST', `/api/calls/${sid}/dtmf`, { digits: '1590*#' })).status, 200);
    await carrier.events.wait((e) => e.event === 'digits' && e.callSid === sid && e.digits === '1590*#', 'the digits');
    const hangup = await phony.api('POST', `/api/calls/${sid}/hangup`);
    assert.equal(hangup.status, 200, hangup.text);
    const call = await phony.over(sid);
    assert.equal(call.endReason, 'hung up on request');
    assert.equal((await phony.api('POST', `/api/calls/${sid}/hangup`)).status, 409);
    assert.equal((await phony.api('POST', `/api/calls/${sid}/dtmf`, { digits: '1' })).status, 409);
    const pressed = await place('agent-patient', '+12025550107');
    assert.equal((await phony.over(pressed)).status, 'completed');
    assert.ok((await events(pressed)).some((e) => e.type === 'dtmf-received' && e.data.digit === '5'));
  });

  test('busy and no-answer are told, callbacks twice do no harm', async () => {
    const [busy, silent] = [await place('agent-test', '+12025550105'), await place('agent-test', '+12025550106')];
    assert.equal((await phony.over(busy)).status, 'busy');
    assert.equal((await phony.over(silent)).status, 'no-answer');
  });

  test('a lost final callback is made up for by asking', async () => {
    const sid = await place('agent-test', '+12025550108');
    await until(async () => (await events(sid))?.some((e) => e.type === 'agent-connected'), 'the agent');
    carrier.command({ hangup: sid });
    assert.equal((await phony.over(sid, 30000)).status, 'completed');
  });

  for (const kind of ['fragments', 'huge', 'odd'])
    test(`an agent whose audio comes ${kind}`, async () => {
      const sid = await place(`agent-${kind}`);
      const end = await closed(sid);
      assert.equal((await phony.over(sid)).status, 'completed');
      assert.ok(end.bytesReceived > 8000 && end.playedBytes === end.bytesReceived);
    });

  test('an agent that closes when it is done: its last words are heard', async () => {
    const sid = await place('agent-closes');
    const end = await closed(sid);
    assert.equal((await phony.over(sid)).endReason, 'the agent ended the conversation');
    assert.equal(end.playedBytes, end.bytesReceived);
  });

  for (const name of ['agent-lost', 'agent-lost-mute'])
    test(`the agent's connection breaks in the middle of a sentence: another goes on (${name})`, async () => {
      const sid = await place(name, name === 'agent-lost' ? '+12025550110' : '+12025550111');
      await closed(sid);
      const call = await phony.over(sid);
      assert.equal(call.status, 'completed', call.errorMessage);
      assert.equal(call.endReason, 'the agent said goodbye');
      const again = agent.events.filter((e) => e.event === 'initiated' && e.conversation.startsWith(`conv_${name}_`));
      assert.equal(again.length, name === 'agent-lost' ? 2 : 3);
      assert.match(again[1].prompt, /THE CALL SO FAR.*\nYou: I would like to tell you a long story\./);
      assert.match(again[1].firstMessage, /the line was gone/);
    });

  test("the call's own agent, voice and instructions reach ElevenLabs", async () => {
    const sid = await place('agent-tools', number(), { elevenLabsVoiceId: 'voice-7', systemInstructions: 'Be "brief" & <kind>.', callInstructions: 'Grüße 😀' });
    await phony.over(sid);
    const initiated = agent.events.find((e) => e.event === 'initiated' && e.voice === 'voice-7');
    assert.match(initiated.prompt, /^Be "brief" & <kind>\.\n/);
    assert.match(initiated.prompt, /=== SPECIFIC INSTRUCTIONS FOR THIS CALL ===\nGrüße 😀\n/);
    const { body } = await phony.api('GET', `/api/calls/${sid}/instructions`);
    assert.equal(body.callInstructions, 'Grüße 😀');
  });

  test('a transcript is there while the call is live, and the list finds the call', async () => {
    const to = number();
    const sid = await place('agent-test', to);
    const live = await until(async () => {
      const { body } = await phony.api('GET', `/api/calls/${sid}/transcript`);
      return body.messageCount > 0 ? body : null;
    }, 'the first turn');
    assert.equal(live.isLive, true);
    const list = await phony.api('GET', `/api/calls?toNumber=${encodeURIComponent(to)}&limit=1`);
    assert.deepEqual(list.body.calls.map((c) => c.callSid), [sid]);
    await phony.over(sid);
  });
});

// Both sides' messages of the calls above, each of its kind once, must have the types of the vendor's package.
test('every message is one that @elevenlabs/types knows', () => {
  const incoming = ['AgentResponseClientEvent', 'AgentResponseCorrectionClientEvent', 'AudioClientEvent', 'ClientToolCallClientEvent', 'InterruptionEvent', 'PingEvent', 'UserTranscriptionClientEvent'].map((name) => `Incoming.${name}`);
  const outgoing = ['ClientToolResultClientToOrchestratorEvent', 'ContextualUpdateClientToOrchestratorEvent', 'ConversationInitiationClientToOrchestratorEvent', 'PongClientToOrchestratorEvent', 'UserAudio', 'UserMessageClientToOrchestratorEvent'].map((name) => `Outgoing.${name}`);
  const check = checkTypes(agent.events.items, `import type { Incoming, Outgoing, ConversationMetadata, Interruption, Ping } from '@elevenlabs/types';
    type Got = ${outgoing.join(' | ')}; type Sent = ConversationMetadata | Interruption | Ping | ${incoming.filter((name) => !/Interruption|Ping/.test(name)).join(' | ')};`);
  assert.equal(check.stdout, '');
  assert.equal(check.status, 0);
  assert.deepEqual(check.got.toSorted(), ['client_tool_result', 'contextual_update', 'conversation_initiation_client_data', 'pong', 'user_audio_chunk']);
  assert.ok(check.sent.length >= 7, check.sent.join());
});
