// The rest of the voice system: calls that come in, voicemail, hold, questions, transfer, silence, machines,
// retries, recording, outcomes, guard rails.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { account, endWell, speech, startAgent, startCarrier, startPhony, temporaryFolder, until } from '../harness/phony.mjs';
import { hook } from '../harness/webhooks.mjs';

const hello = speech('Hello, this is Anna. May I ask you something?');
const thanks = speech('Thank you. Goodbye!');
const yes = speech('Yes, please.', { voice: 'en-us' });
const moment = speech('One moment please.');
const say = (text, sound, more = {}) => ({ say: text, wav: sound.pattern, ...more });
const goodbye = say('Thank you. Goodbye!', thanks);

const agents = {
  'agent-test': { script: [say('Hello, this is Anna.', hello), { hear: 'Yes, please.' }, goodbye] },
  'agent-patient': { script: [{ pause_ms: 60000 }] },
  'agent-held': { script: [say('Hello, this is Anna.', hello), { context: 'putting them on hold' }, say('One moment please.', moment),
    { context: 'You are back with the person' }, goodbye] },
  'agent-asks': { script: [say('One moment please.', moment), { tool: 'ask_operator', parameters: { question: 'Window or garden?' } }, goodbye] },
  'agent-asked': { script: [{ context: 'you need a moment' }, say('One moment please.', moment), { context: 'The answer to "Which day?" is: Friday' }, goodbye] },
  'agent-unanswered': { script: [{ tool: 'ask_operator', parameters: { question: 'Anybody there?' }, error: true }, goodbye] },
  'agent-transfers': { script: [say('One moment please.', moment), { hear: 'Yes, please.' }, { tool: 'transfer_call', parameters: { reason: 'wants a human' } }, { pause_ms: 60000 }],
    again: [say('One moment please.', moment), { hear: 'Yes, please.' }, goodbye] },
  'agent-alone': { script: [say('Hello, this is Anna.', hello), { hear: 'Yes, please.' }, { tool: 'transfer_call', parameters: {}, error: true }, goodbye] },
  'agent-silent': { script: [say('Hello, this is Anna.', hello), { context: 'Ask kindly' }, say('One moment please.', moment),
    { context: 'Say goodbye in one short sentence' }, say('Nobody seems to be there.', moment), { pause_ms: 60000 }] },
  'agent-leaves': { script: [say('Hello, this is Anna.', hello), { context: 'Leave your message now' }, say('This is Anna, please call back.', hello),
    { tool: 'end_call', parameters: { reason: 'message left' } }] },
  'agent-outcome': { script: [say('Hello, this is Anna.', hello), { tool: 'end_call', parameters: {} }, { context: 'report_outcome' },
    { tool: 'report_outcome', parameters: { booked: 'yes' }, error: true }, { tool: 'report_outcome', parameters: { booked: true, people: 4 } }] },
  'agent-forgets': { script: [say('Hello, this is Anna.', hello), { tool: 'end_call', parameters: {} }, { pause_ms: 60000 }] },
  'agent-inbound': { script: [say('Hello, this is Anna.', hello), { hear: 'Yes, please.' }, goodbye] },
};
const answer = { script: [{ hear: true }, { say: yes.at(8000) }] };
const quiet = { script: [] };
// One who speaks first: before that no goodbye of the agent's ends the call.
const greets = { script: [{ say: yes.at(8000) }] };
const callees = {
  '+13025550001': greets, '+13025550002': greets, '+13025550003': greets,
  '+13025550010': { outcome: 'busy' }, '+13025550011': { outcome: 'completed' },
  '+13025550020': { ...quiet, answered_by: 'machine_end_beep', amd_ms: 300 }, '+13025550021': { ...answer, answered_by: 'human', amd_ms: 300 },
  '+13025550022': { ...quiet, answered_by: 'machine_end_other', amd_ms: 300 },
  '+13025550030': { ...answer, outcomes: ['busy', 'no-answer'] }, '+13025550031': { ring_ms: 60000 },
  '+14045550001': answer, '+14045550002': { ...quiet, message: true, transcript: 'Please call me back about the blue bicycle.' },
  '+14045550003': { ...quiet, message: true, lose_transcription: true }, '+14045550004': quiet, '+14045550005': quiet,
};
const ours = { agent: account.number, message: '+12025550144', voicemail: '+12025550145', disabled: '+12025550146', nobody: '+12025550147', late: '+12025550148' };

let carrier, agent, phony;
before(async () => {
  agent = await startAgent({ apiKey: 'xi-test-key-0001', agents });
  carrier = await startCarrier({ callees, default: answer, numbers: Object.values(ours), transcripts: { '*': 'It came late.' } });
  phony = await startPhony({ sims: { carrier, agent }, settings: { OPERATOR_SECONDS: '5' } });
});
after(() => endWell({ phony, agent, carrier }));

let numbers = 200;
const number = () => `+1303555${String(++numbers).padStart(4, '0')}`;
async function place(agentId, toNumber = number(), more = {}) {
  const { status, body } = await phony.call(toNumber, { elevenLabsAgentId: agentId, ...more });
  assert.equal(status, 201, JSON.stringify(body));
  return body.callSid;
}
const api = async (method, target, body) => {
  const a = await phony.api(method, target, body);
  assert.ok(a.status < 300, `${method} ${target}: ${a.text}`);
  return a.body;
};
const closed = (sid) => carrier.events.wait((e) => e.event === 'stream-closed' && e.callSid === sid, `the stream of ${sid} to close`, 40000);
const events = async (sid) => (await phony.api('GET', `/api/calls/${sid}/events`)).body.events ?? [];
const happened = (sid, type) => until(async () => (await events(sid)).find((e) => e.type === type), type, 20000);
const said = (call) => call.conversationHistory.map((turn) => `${turn.role}: ${turn.content}`);
async function dial(to, from) {
  carrier.command({ dial: to, from, url: `${phony.env.PUBLIC_URL}/call/incoming` });
  return (await carrier.events.wait((e) => e.event === 'call-created' && e.to === to && e.from === from, 'the call')).callSid;
}
const heardWords = (sid) => carrier.events.wait((e) => e.event === 'say' && e.callSid === sid, 'words').then((e) => e.text);

describe('calls that come in', { concurrency: true }, () => {
  test('the agent answers, with instructions of its own', async () => {
    const made = await api('POST', '/api/incoming-configs', { phoneNumber: ours.agent, name: 'Shop', systemInstructions: 'You sell bicycles.', callInstructions: 'Be brief.', elevenLabsAgentId: 'agent-inbound', setWebhook: true, record: true });
    assert.equal(made.data.enabled, true);
    const change = await carrier.events.wait((e) => e.event === 'number-update', 'the webhook');
    assert.match(change.change.voice_url, /\/call\/incoming#rc=2&rp=ct$/);
    const sid = await dial(ours.agent, '+14045550001');
    const end = await closed(sid);
    const call = await phony.over(sid);
    assert.equal(call.callType, 'inbound');
    assert.equal(call.status, 'completed');
    assert.deepEqual(said(call), ['assistant: Hello, this is Anna.', 'user: Yes, please.', 'assistant: Thank you. Goodbye!']);
    assert.equal(end.playedBytes, end.bytesReceived);
    const initiated = agent.events.find((e) => e.event === 'initiated' && e.conversation.includes('agent-inbound'));
    assert.match(initiated.prompt, /^You sell bicycles\.\n[^]*\+14045550001 has called \+12025550143[^]*Be brief\./);
    assert.equal((await phony.api('GET', `/api/calls/${sid}/recording`)).status, 200);
    await until(async () => (await phony.api('GET', `/api/calls/${sid}`)).body.twilioRecording?.status === 'completed', "Twilio's recording");
    const { data } = await api('GET', '/api/numbers?includeCapabilities=true');
    assert.deepEqual(data.numbers.find((n) => n.phoneNumber === ours.agent), { phoneNumber: ours.agent, friendlyName: ours.agent, phoneNumberSid: data.numbers[0].phoneNumberSid, configured: true, webhookSet: true, capabilities: { voice: true, sms: true, mms: true, fax: false } });
    const free = await api('GET', '/api/incoming-configs/available-numbers');
    assert.ok(!free.data.numbers.some((n) => n.phoneNumber === ours.agent) && free.data.numbers.some((n) => n.phoneNumber === ours.nobody));
  });

  test('a message only, a disabled number, a number without a handler, a blocked caller', async () => {
    await api('POST', '/api/incoming-configs', { phoneNumber: ours.message, messageOnly: true, hangupMessage: 'We are on holiday & back on <Monday>.', blockedCallers: ['+14045550005'] });
    await api('POST', '/api/incoming-configs', { phoneNumber: ours.disabled, enabled: false });
    const told = await dial(ours.message, '+14045550004');
    assert.equal(await heardWords(told), 'We are on holiday & back on <Monday>.');
    assert.equal((await phony.over(told)).status, 'completed');
    assert.match(await heardWords(await dial(ours.message, '+14045550005')), /cannot be taken/);
    assert.match(await heardWords(await dial(ours.disabled, '+14045550004')), /does not take calls/);
    assert.match(await heardWords(await dial(ours.nobody, '+14045550004')), /does not take calls/);
  });

  test('voicemail: recorded, transcribed, read, searched, tagged, deleted', async () => {
    await api('POST', '/api/incoming-configs', { phoneNumber: ours.voicemail, voicemailEnabled: true, voicemailGreeting: 'Leave a message.', voicemailMaxLength: 30 });
    const sid = await dial(ours.voicemail, '+14045550002');
    assert.equal(await heardWords(sid), 'Leave a message.');
    const { recordingSid } = await carrier.events.wait((e) => e.event === 'voicemail' && e.callSid === sid, 'the recording');
    const kept = await until(async () => {
      const a = await phony.api('GET', `/api/voicemails/${recordingSid}`);
      return a.body.data?.status === 'completed' && a.body.data;
    }, 'the transcription');
    assert.deepEqual([kept.transcription, kept.isRead, kept.duration, kept.fromNumber], ['Please call me back about the blue bicycle.', false, 9, '+14045550002']);
    const unread = () => api('GET', `/api/voicemails/unread-count?toNumber=${encodeURIComponent(ours.voicemail)}`).then((b) => b.data.unreadCount);
    assert.equal((await phony.over(sid)).status, 'completed');
    assert.equal(await unread(), 1);
    assert.equal((await api('POST', `/api/voicemails/${recordingSid}/read`)).data.isRead, true);
    assert.equal(await unread(), 0);
    assert.equal((await api('GET', '/api/voicemails?isRead=true')).data.count, 1);
    assert.equal((await api('GET', '/api/voicemails/search?query=bicycle')).data.voicemails[0].recordingSid, recordingSid);
    await api('POST', '/api/tags', { recordType: 'voicemail', recordId: recordingSid, tags: ['Bike'] });
    assert.equal((await api('GET', '/api/tags?tags=bike&recordType=voicemail')).data.count, 1);
    // A repeat of the webhook changes nothing.
    const again = await hook(phony, '/voicemail/recording', { CallSid: sid, From: '+14045550002', To: ours.voicemail, RecordingSid: recordingSid, RecordingUrl: 'https://x', RecordingDuration: '1' });
    assert.equal(again.status, 200);
    assert.equal((await api('GET', `/api/voicemails/${recordingSid}`)).data.isRead, true);
    assert.equal((await phony.api('DELETE', '/api/voicemails')).status, 400);
    await api('DELETE', `/api/voicemails/${recordingSid}`);
    assert.equal((await phony.api('GET', `/api/voicemails/${recordingSid}`)).status, 404);
    assert.equal((await phony.api('POST', '/api/voicemails/RE12/read')).status, 400);
  });

  test('nothing is recorded: the caller is told, nothing is kept', async () => {
    await api('POST', '/api/incoming-configs', { phoneNumber: ours.late, voicemailEnabled: true });
    const sid = await dial(ours.late, '+14045550004');
    await carrier.events.wait((e) => e.event === 'say' && e.callSid === sid && /No message was recorded/.test(e.text), 'the words');
  });

  test('a handler is changed and removed; wrong ones are refused', async () => {
    const at = `/api/incoming-configs/${encodeURIComponent('+12025550199')}`;
    await api('POST', '/api/incoming-configs', { phoneNumber: '+12025550199', name: 'a' });
    const again = await phony.api('POST', '/api/incoming-configs', { phoneNumber: '+12025550199' });
    assert.deepEqual([again.status, again.body.message], [409, 'There is one with this phoneNumber already: update that incoming config, or delete it first.']);
    assert.equal((await api('PUT', at, { name: 'b', voicemailMaxLength: 60 })).data.name, 'b');
    assert.equal((await phony.api('PUT', at, { voicemailMaxLength: 0 })).status, 400);
    assert.equal((await phony.api('PUT', at, {})).status, 400);
    assert.equal((await phony.api('PUT', at, { setWebhook: true })).status, 404); // not the account's
    await api('DELETE', at);
    assert.equal((await phony.api('GET', at)).status, 404);
  });
});

describe('calls that are steered', { concurrency: true }, () => {
  test('hold and resume: a courteous line, music, the conversation goes on', async () => {
    const sid = await place('agent-held', '+13025550001');
    await until(async () => (await phony.api('GET', `/api/calls/${sid}/transcript`)).body.messageCount > 0, 'the first words');
    assert.equal((await phony.api('POST', `/api/calls/${sid}/resume`)).status, 409);
    await api('POST', `/api/calls/${sid}/hold`);
    assert.equal((await phony.api('POST', `/api/calls/${sid}/hold`)).status, 409);
    await until(async () => (await phony.api('GET', `/api/calls/${sid}/transcript`)).body.messageCount > 1, 'the courteous line');
    await until(async () => (await phony.api('GET', `/api/calls/${sid}`)).body.onHold === true, 'the hold');
    await new Promise((done) => setTimeout(done, 2500)); // of music
    await api('POST', `/api/calls/${sid}/resume`);
    const end = await closed(sid);
    const call = await phony.over(sid);
    assert.equal(call.status, 'completed', call.errorMessage);
    assert.deepEqual(said(call), ['assistant: Hello, this is Anna.', 'assistant: One moment please.', 'assistant: Thank you. Goodbye!']);
    assert.ok(end.playedBytes > 8 * 4500, `${end.playedBytes} bytes: with music`);
  });

  test("the agent's question reaches a person, the answer the agent", async () => {
    const sid = await place('agent-asks', '+13025550002');
    await happened(sid, 'operator-question');
    const { data } = await api('GET', '/api/operator/questions');
    const open = data.questions.find((q) => q.callSid === sid);
    assert.deepEqual([open.question, open.by], ['Window or garden?', 'agent']);
    assert.equal((await phony.api('POST', `/api/calls/${sid}/answer-operator`, {})).status, 400);
    await api('POST', `/api/calls/${sid}/answer-operator`, { answer: 'Garden, please.' });
    const call = await phony.over(sid);
    assert.equal(call.status, 'completed');
    assert.equal(call.operatorQuestion, undefined);
    assert.equal(agent.events.find((e) => e.event === 'tool-result' && e.tool === 'ask_operator' && e.conversation.includes('agent-asks')).result, 'The answer to "Window or garden?" is: Garden, please.');
  });

  test('a question from outside holds the call until it is answered', async () => {
    const sid = await place('agent-asked', '+13025550003');
    await happened(sid, 'agent-connected');
    assert.equal((await phony.api('POST', `/api/calls/${sid}/answer-operator`, { answer: 'x' })).status, 409);
    await api('POST', `/api/calls/${sid}/ask-operator`, { question: 'Which day?' });
    await until(async () => (await phony.api('GET', `/api/calls/${sid}/transcript`)).body.messageCount > 0, 'the courteous line');
    assert.equal((await phony.api('POST', `/api/calls/${sid}/resume`)).status, 409);
    await api('POST', `/api/calls/${sid}/answer-operator`, { answer: 'Friday' });
    assert.equal((await phony.over(sid)).status, 'completed');
  });

  test('nobody answers in time: the agent goes on without', async () => {
    const sid = await place('agent-unanswered');
    const call = await phony.over(sid);
    assert.equal(call.status, 'completed');
    assert.ok((await events(sid)).some((e) => e.type === 'operator-timeout'));
  });

  test('the agent hands over to a human; the transcript says so', async () => {
    const sid = await place('agent-transfers', '+13025550004', { transferNumber: '+13025550011' });
    const call = await phony.over(sid);
    assert.equal(call.status, 'completed', call.errorMessage);
    assert.equal(carrier.events.find((e) => e.event === 'dialled' && e.callSid === sid).to, '+13025550011');
    assert.deepEqual(said(call), ['assistant: One moment please.', 'user: Yes, please.', 'system: The call is transferred to +13025550011.', 'system: The transferred call ended: completed']);
  });

  test('the human is busy: the agent is back', async () => {
    const sid = await place('agent-transfers', number(), { transferNumber: '+13025550010' });
    const call = await phony.over(sid);
    assert.equal(call.status, 'completed', call.errorMessage);
    assert.ok(said(call).includes('system: The transfer was not answered: busy'));
    assert.equal(said(call).at(-1), 'assistant: Thank you. Goodbye!');
    const again = agent.events.filter((e) => e.event === 'initiated' && e.conversation.includes('agent-transfers')).find((e) => e.firstMessage);
    assert.match(again.firstMessage, /nobody could take the call/);
  });

  test('a transfer from outside; numbers that must not be called are refused; no transfer without a number', async () => {
    const sid = await place('agent-patient');
    await happened(sid, 'agent-connected');
    assert.equal((await phony.api('POST', `/api/calls/${sid}/transfer`, { toNumber: '+19005550000' })).status, 403);
    await api('POST', `/api/calls/${sid}/transfer`, { toNumber: '+13025550011', reason: 'asked for it' });
    assert.equal((await phony.over(sid)).status, 'completed');
    const alone = await place('agent-alone');
    assert.equal((await phony.over(alone)).status, 'completed');
  });

  test('a caller who says nothing is asked, then the call ends politely', async () => {
    const sid = await place('agent-silent', '+13025550022', { silenceSeconds: 2, machineDetection: 'off' });
    const call = await phony.over(sid, 40000);
    assert.equal(call.endReason, 'the caller said nothing');
    assert.equal((await events(sid)).filter((e) => e.type === 'silence').length, 2);
  });

  test('waiting for the next thing to happen', async () => {
    const sid = await place('agent-test');
    let after = 0, live = true;
    const seen = [];
    while (live) {
      const { data } = await api('GET', `/api/calls/${sid}/wait?after=${after}&timeoutSeconds=20`);
      seen.push(...data.newTurns.map((t) => t.content));
      after = data.after;
      live = data.isLive;
    }
    assert.deepEqual(seen, ['Hello, this is Anna.', 'Yes, please.', 'Thank you. Goodbye!']);
    const patient = await place('agent-patient');
    await happened(patient, 'agent-connected');
    const begun = Date.now();
    const { data } = await api('GET', `/api/calls/${patient}/wait?status=in-progress&timeoutSeconds=1`);
    assert.deepEqual([data.changed, data.isLive], [false, true]);
    assert.ok(Date.now() - begun >= 950);
    await api('POST', `/api/calls/${patient}/hangup`);
    assert.equal((await phony.api('GET', `/api/calls/${sid}/wait?timeoutSeconds=51`)).status, 400);
  });
});

describe('machines, retries, times', { concurrency: true }, () => {
  test('an answering machine: hung up, or left a message after its tone, or talked to', async () => {
    const hung = await place('agent-patient', '+13025550020', { machineDetection: 'hangup' });
    assert.equal((await phony.over(hung)).endReason, 'an answering machine answered');
    const left = await place('agent-leaves', '+13025550022', { voicemailMessage: 'Please call back.' });
    const call = await phony.over(left);
    assert.equal(call.answeredBy, 'machine_end_other'); // a machine that never beeps
    assert.ok(said(call).includes('assistant: This is Anna, please call back.'));
    assert.equal(call.endReason, 'the agent ended the call');
    const human = await place('agent-test', '+13025550021', { machineDetection: 'hangup' });
    const talked = await phony.over(human);
    assert.deepEqual([talked.answeredBy, talked.conversationHistory.length], ['human', 3]);
  });

  test('busy, then nobody, then answered: tried again as often as asked', async () => {
    const first = await place('agent-test', '+13025550030', { retries: 3, retryDelay: 10 });
    assert.equal((await phony.over(first)).status, 'busy');
    const list = () => api('GET', `/api/calls?toNumber=${encodeURIComponent('+13025550030')}`).then((b) => b.calls);
    const third = await until(async () => {
      const calls = await list();
      return calls.length === 3 && calls.find((c) => c.status === 'completed');
    }, 'the third call', 40000);
    assert.equal((await list()).length, 3);
    assert.ok(third.retryOf);
    assert.equal((await phony.api('GET', `/api/calls/${third.callSid}`)).body.conversationHistory.length, 3);
  });

  test('a call for later is placed once; another is canceled before', async () => {
    const to = number();
    const later = (await phony.call(to, { elevenLabsAgentId: 'agent-test', callAt: new Date(Date.now() + 2500).toISOString() })).body;
    assert.equal(later.status, 'scheduled');
    assert.equal((await phony.api('GET', `/api/calls/${later.callSid}`)).body.status, 'scheduled');
    const canceled = (await phony.call(number(), { elevenLabsAgentId: 'agent-test', callAt: new Date(Date.now() + 86400000).toISOString() })).body;
    await api('POST', `/api/calls/${canceled.callSid}/cancel`);
    assert.equal((await phony.api('POST', `/api/calls/${canceled.callSid}/cancel`)).status, 409);
    assert.equal((await phony.api('GET', `/api/calls/${canceled.callSid}`)).body.status, 'canceled');
    const call = await until(async () => {
      const { body } = await phony.api('GET', `/api/calls/${later.callSid}`);
      return body.status === 'completed' && body;
    }, 'the call', 30000);
    assert.match(call.callSid, /^CA/);
    assert.equal(carrier.events.filter((e) => e.event === 'call-created' && e.to === to).length, 1);
  });

  test('it rings as long as asked; it lasts no longer than asked', async () => {
    const ringing = await place('agent-test', '+13025550031', { ringTimeout: 5 });
    const lasting = await place('agent-patient', number(), { maxDuration: 10 });
    assert.equal((await phony.over(ringing)).status, 'no-answer');
    const call = await phony.over(lasting, 40000);
    assert.equal(call.status, 'completed');
    assert.ok(call.duration >= 9 && call.duration <= 16, `${call.duration} s`);
  });
});

describe('what is kept of a call', { concurrency: true }, () => {
  test('a recording: the caller left, the agent right, in time; and as Twilio has it', async () => {
    const sid = await place('agent-test', number(), { record: true });
    const end = await closed(sid);
    const call = await phony.over(sid);
    const { data } = await api('GET', `/api/calls/${sid}/wait`).catch(() => ({}));
    assert.equal(data.isLive, false);
    const answer = await fetch(`http://127.0.0.1:${phony.port}/api/calls/${sid}/recording`, { headers: { authorization: `Bearer ${phony.token}` } });
    const wav = Buffer.from(await answer.arrayBuffer());
    assert.ok(Math.abs(wav.length - 44 - end.framesSent * 640) < 3200, `${wav.length} bytes for ${end.framesSent} frames`);
    const file = fs.readdirSync(path.join(phony.folder, 'state/recordings')).map((f) => path.join(phony.folder, 'state/recordings', f)).find((f) => fs.statSync(f).size === wav.length);
    assert.equal(fs.statSync(file).mode & 0o777, 0o600);
    assert.deepEqual([wav.readUInt16LE(22), wav.readUInt32LE(24), wav.readUInt32LE(40)], [2, 8000, wav.length - 44]);
    const energy = [0, 0], first = [-1, -1];
    for (let at = 44; at + 4 <= wav.length; at += 4)
      for (const side of [0, 1]) {
        const sample = wav.readInt16LE(at + 2 * side);
        energy[side] += sample * sample;
        if (first[side] < 0 && Math.abs(sample) > 1000) first[side] = (at - 44) / 32000;
      }
    assert.ok(energy[0] > 1e9 && energy[1] > 1e9, `${energy}`);
    assert.ok(first[1] < 1 && first[0] > 2, `agent from ${first[1]} s, caller from ${first[0]} s`);
    assert.equal((await fetch(`http://127.0.0.1:${phony.port}/api/calls/${sid}/recording`)).status, 401);
    await until(async () => (await phony.api('GET', `/api/calls/${sid}`)).body.twilioRecording?.status === 'completed', "Twilio's recording");
    assert.equal(call.figures.responsesMs.length, 1);
    assert.ok(call.figures.responsesMs[0] > 0 && call.figures.responsesMs[0] < 2500, `${call.figures.responsesMs}`);
    assert.equal(call.figures.framesFromCaller, end.framesSent);
    const unrecorded = await place('agent-test');
    await phony.over(unrecorded);
    assert.equal((await phony.api('GET', `/api/calls/${unrecorded}/recording`)).status, 404);
  });

  test('an outcome is asked for before the end, checked, kept; a missing one is noted', async () => {
    const outcomeSchema = { type: 'object', properties: { booked: { type: 'boolean' }, people: { type: 'integer' } }, required: ['booked'] };
    const sid = await place('agent-outcome', number(), { outcomeSchema });
    const call = await phony.over(sid);
    assert.deepEqual(call.outcome, { booked: true, people: 4 });
    assert.ok(agent.events.find((e) => e.event === 'initiated' && e.prompt.includes('"booked"')));
    const none = await place('agent-forgets', number(), { outcomeSchema });
    assert.equal((await phony.over(none)).outcome, undefined);
    assert.ok((await events(none)).some((e) => e.type === 'outcome-missing'));
  });

  test('calls are found by what was said, and deleted', async () => {
    const to = number();
    const sid = await place('agent-test', to, { callInstructions: 'Ask about the xylophone.' });
    await phony.over(sid);
    await until(async () => (await api('GET', '/api/search/calls?query=xylophone')).data.count === 1, 'the call to be found');
    assert.ok((await api('GET', '/api/search/calls?query=anna')).data.count > 0);
    assert.equal((await phony.api('DELETE', '/api/calls')).status, 400);
    await api('DELETE', `/api/calls/${sid}`);
    assert.equal((await phony.api('GET', `/api/calls/${sid}`)).status, 404);
    assert.equal((await api('GET', '/api/search/calls?query=xylophone')).data.count, 0);
    assert.equal((await phony.api('DELETE', `/api/calls/${sid}`)).status, 404);
  });

  test('contexts: kept under a name, used in place of instructions', async () => {
    const made = await api('POST', '/api/contexts', { name: 'polite', systemInstructions: 'You are most polite.', contextType: 'outgoing', description: 'd' });
    const { contextId } = made.data;
    await api('POST', '/api/contexts', { name: 'door', systemInstructions: 'You open the door.', contextType: 'incoming' });
    assert.deepEqual((await api('GET', '/api/contexts?type=outgoing')).data.contexts.map((c) => c.name), ['polite']);
    await api('PUT', `/api/contexts/${contextId}`, { systemInstructions: 'You are very, very polite.' });
    const { status, body } = await phony.api('POST', '/api/calls', { toNumber: number(), context: 'polite', callInstructions: 'x', elevenLabsAgentId: 'agent-test' });
    assert.equal(status, 201, JSON.stringify(body));
    await phony.over(body.callSid);
    assert.ok(agent.events.find((e) => e.event === 'initiated' && e.prompt.startsWith('You are very, very polite.')));
    assert.equal((await phony.api('POST', '/api/calls', { toNumber: number(), context: 'nobody', callInstructions: 'x' })).status, 404);
    await api('DELETE', `/api/contexts/${contextId}`);
    assert.equal((await phony.api('GET', `/api/contexts/${contextId}`)).status, 404);
    assert.equal((await phony.api('POST', '/api/contexts', { name: 'x', systemInstructions: 'y', contextType: 'sideways' })).status, 400);
  });

  test('numbers of all calls, for Prometheus and summed', async () => {
    await phony.over(await place('agent-test'));
    const metrics = await phony.api('GET', '/metrics');
    assert.match(metrics.text, /^phony_calls_total\{direction="outbound",status="completed"\} [1-9]/m);
    assert.match(metrics.text, /^phony_response_seconds_count [1-9]/m);
    for (const name of new Set([...metrics.text.matchAll(/^(phony_\w+?)(_bucket|_sum|_count)?[{ ]/gm)].map((m) => m[1])))
      assert.match(metrics.text, new RegExp(`^# HELP ${name} .+\n# TYPE ${name} (counter|gauge|histogram)$`, 'm'));
    const { data } = await api('GET', '/api/stats');
    assert.ok(data.calls > 0 && data.answered <= data.calls && data.byStatus.completed > 0);
    assert.ok(data.responses > 0 && data.responseAverageMs > 0 && data.responseAverageMs < 5000, JSON.stringify(data));
  });
});

test('guard rails: each refusal says which rule and how to change it', async () => {
  const folder = temporaryFolder();
  const hour = new Date();
  const clock = (minutes) => `${String(Math.floor(((minutes % 1440) + 1440) % 1440 / 60)).padStart(2, '0')}:${String(((minutes % 60) + 60) % 60).padStart(2, '0')}`;
  const tokyo = hour.getUTCHours() * 60 + hour.getUTCMinutes() + 540;
  const guarded = await startPhony({ folder, sims: { carrier, agent }, settings: { DENIED_PREFIXES: '+1305,+1306', MAX_CALLS_PER_HOUR: '2', QUIET_HOURS: `${clock(tokyo - 60)}-${clock(tokyo + 60)}` } });
  const refused = async (to, status, words, more = {}) => {
    const a = await guarded.call(to, { elevenLabsAgentId: 'agent-test', ...more });
    assert.equal(a.status, status, a.text);
    if (words) assert.match(a.body.message, words);
    return a.body;
  };
  await refused('+13055550100', 403, /DENIED_PREFIXES/);
  await refused('+19005550100', 403, /premium.*ALLOWED_PREFIXES/);
  await refused('+1911', 403, /emergency.*ALLOWED_PREFIXES/);
  await refused('+81312345678', 403, /QUIET_HOURS.*ignoreQuietHours/);
  await guarded.api('POST', '/api/do-not-call', { phoneNumber: '+13035559999', reason: 'asked not to be called' });
  await refused('+13035559999', 403, /do-not-call list.*phony_remove_do_not_call/);
  assert.equal((await guarded.api('GET', '/api/do-not-call')).body.data.count, 1);
  await guarded.api('DELETE', `/api/do-not-call/${encodeURIComponent('+13035559999')}`);
  const one = await refused('+13035559999', 201);
  const two = await refused('+81312345678', 201, null, { ignoreQuietHours: true });
  await refused(number(), 429, /MAX_CALLS_PER_HOUR/);
  for (const call of [one, two]) await guarded.over(call.callSid);
  assert.equal((await guarded.stop()).code, 0);
});
