// What is still done for a call that is over: its cost, and the end of its recording at Twilio.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { afterEach, test } from 'node:test';
import { account, bin, endAll, noProcesses, processes, startAgent, startCarrier, startPhony, until } from '../harness/phony.mjs';
import { agents, request } from '../harness/mcp.mjs';
import { hook } from '../harness/webhooks.mjs';

afterEach((t) => { if (t.error) endAll(); });

test('what the provider charged is asked for until it is known, also by another voiced', async () => {
  const agent = await startAgent({ apiKey: 'xi-test-key-0001', agents });
  const carrier = await startCarrier({ default: { script: [] }, numbers: [account.number] });
  const phony = await startPhony({ sims: { carrier, agent } });
  const { callSid } = (await phony.api('POST', '/api/calls', { toNumber: '+12025550111', ...request })).body;
  assert.equal((await phony.over(callSid)).cost, undefined);
  await until(() => agent.events.find((e) => e.event === 'cost-asked'), 'the first question', 30000);
  process.kill(processes().find((p) => p.name === 'voiced').pid, 'SIGKILL');
  const call = await until(async () => {
    const answer = await phony.api('GET', `/api/calls/${callSid}`).catch(() => ({}));
    return answer.body?.cost && answer.body;
  }, 'the cost', 60000);
  assert.deepEqual(call.cost, { provider: 'elevenlabs', unit: 'credits', amount: 296 });
  assert.equal(call.costAt, undefined);
  await phony.stop();
  assert.deepEqual([await agent.stop(), await carrier.stop()], [0, 0]);
  await noProcesses();
});

test("Twilio's recordings are removed after RETENTION_DAYS, and no others", async () => {
  const [spoken, lately, before] = [4, 5, 6].map((n) => `RE${String(n).padStart(32, '0')}`);
  const [old, fresh, gone] = [1, 2, 3].map((n) => ({ call: `CA${String(n).padStart(32, '0')}`, recording: `RE${String(n).padStart(32, '0')}`, id: `${n}`.repeat(16) }));
  const carrier = await startCarrier({ default: { script: [] }, numbers: [account.number], recordings: { [old.recording]: true, [fresh.recording]: true, [spoken]: true, [lately]: true, [before]: true } });
  const first = await startPhony({ sims: { carrier }, keep: true });
  await first.stop();
  const document = ({ call, recording, id }, until) => ({ callId: id, callSid: call, callType: 'outbound', voiceProvider: 'elevenlabs', status: 'completed', fromNumber: account.number, toNumber: '+12025550111',
    startedAt: '2026-01-01T00:00:00.000Z', endedAt: '2026-01-01T00:01:00.000Z', recordingSid: recording, recordingUntilAt: until });
  // A voicemail, and a call, of when nothing said how long it is kept.
  const voicemail = (recordingSid, createdAt) => ({ recordingSid, callSid: recordingSid.replace('RE', 'CA'), fromNumber: '+12025550111', toNumber: account.number, duration: 5, transcription: 'Hi.', status: 'completed', isRead: false, tags: [], createdAt });
  const lines = [document(old, '2026-02-01T00:00:00.000Z'), document(gone, '2026-02-01T00:00:00.000Z'), document(fresh, '2099-01-01T00:00:00.000Z'), document({ call: before.replace('RE', 'CA'), recording: before, id: '6'.repeat(16) })]
    .map((one) => `${JSON.stringify({ collection: 'calls', document: one })}\n`)
    .concat([voicemail(spoken, '2026-01-01T00:00:00.000Z'), voicemail(lately, new Date().toISOString())].map((one) => `${JSON.stringify({ collection: 'voicemails', document: one })}\n`)).join('');
  execFileSync(bin('phony'), ['import'], { env: first.env, input: lines, stdio: ['pipe', 'ignore', 'inherit'] });
  const phony = await startPhony({ sims: { carrier }, folder: first.folder, port: first.port, settings: { RETENTION_DAYS: '1' } });
  for (const { call } of [old, gone]) await until(async () => (await phony.api('GET', `/api/calls/${call}`)).body.recordingRemovedAt, 'the removal', 30000);
  for (const one of [spoken, before]) await carrier.events.wait((e) => e.event === 'recording-deleted' && e.recordingSid === one, 'the removal');
  assert.deepEqual(carrier.events.filter((e) => e.event === 'recording-deleted').map((e) => e.recordingSid).toSorted(), [old.recording, spoken, before].toSorted());
  assert.equal((await phony.api('GET', `/api/calls/${fresh.call}`)).body.recordingRemovedAt, undefined);
  await phony.stop();
  assert.equal(await carrier.stop(), 0);
  await noProcesses();
});

test('a transcription whose callback never came is asked for, and given up after a day', async () => {
  const sid = (n) => `RE${String(n).padStart(32, '0')}`;
  const [late, never, fresh] = [sid(1), sid(2), sid(3)];
  const carrier = await startCarrier({ default: { script: [] }, transcripts: { [late]: 'Please call me back.', [fresh]: 'Too early to be asked for.' } });
  const first = await startPhony({ sims: { carrier }, keep: true });
  await first.stop();
  const document = (recordingSid, minutes) => ({ callSid: recordingSid.replace('RE', 'CA'), recordingSid, fromNumber: '+12025550111', toNumber: account.number, duration: 5, recordingUrl: '',
    transcription: '', status: 'transcribing', isRead: false, tags: [], createdAt: new Date(Date.now() - minutes * 60000).toISOString(), updatedAt: new Date().toISOString() });
  const lines = [document(late, 10), document(never, 2 * 24 * 60), document(fresh, 1)].map((one) => `${JSON.stringify({ collection: 'voicemails', document: one })}\n`).join('');
  execFileSync(bin('phony'), ['import'], { env: first.env, input: lines, stdio: ['pipe', 'ignore', 'inherit'] });
  const phony = await startPhony({ sims: { carrier }, folder: first.folder, port: first.port });
  const get = async (one) => (await phony.api('GET', `/api/voicemails/${one}`)).body.data;
  const found = await until(async () => { const v = await get(late); return v.status === 'completed' && v; }, 'the transcription', 30000);
  assert.equal(found.transcription, 'Please call me back.');
  const lost = await until(async () => { const v = await get(never); return v.status === 'failed' && v; }, 'the end of waiting', 30000);
  assert.match(lost.errorMessage, /never told a transcription/);
  assert.equal((await get(fresh)).status, 'transcribing');
  await phony.stop();
  assert.equal(await carrier.stop(), 0);
  await noProcesses();
});

test("Twilio's recordings go with the call and the voicemail that are deleted, though Twilio refuses at first", async () => {
  const sid = (n, kind) => kind + String(n).padStart(32, '0');
  const agent = await startAgent({ apiKey: 'xi-test-key-0001', agents });
  const [recorded, late] = ['+12025550121', '+12025550122'];
  const carrier = await startCarrier({ default: { script: [] }, numbers: [account.number], recordings: { [sid(1, 'RE')]: true, [sid(2, 'RE')]: true }, recordings_stay: true });
  const phony = await startPhony({ sims: { carrier, agent }, settings: { RECORD_CALLS: 'true' } });
  const place = async (toNumber) => (await phony.api('POST', '/api/calls', { toNumber, ...request })).body.callSid;
  const recordingOf = async (callSid) => (await carrier.events.wait((e) => e.event === 'recording-started' && e.callSid === callSid, 'the recording')).recordingSid;
  const voicemail = (n) => hook(phony, '/voicemail/recording', { CallSid: sid(n, 'CA'), RecordingSid: sid(n, 'RE'), RecordingUrl: `https://api.twilio.com/${n}`, RecordingDuration: '5', From: '+12025550123', To: account.number, AccountSid: account.sid });
  const calls = [await place(recorded), await place(late)];
  for (const callSid of calls) await phony.over(callSid);
  const token = new URL((await carrier.events.wait((e) => e.event === 'twiml' && e.callSid === calls[1], 'TwiML')).document.match(/(?<=<Redirect[^>]*>)[^<]*call=[^<]*/)[0].replaceAll('&amp;', '&')).searchParams.get('call');
  const gone = await Promise.all(calls.map(recordingOf));
  for (const callSid of calls) {
    const remove = () => phony.api('DELETE', `/api/calls/${callSid}`);
    await until(async () => (await remove()).status === 200, 'the call to be deleted');
    assert.equal((await remove()).status, 404);
  }
  for (const n of [1, 2]) assert.equal((await voicemail(n)).status, 200);
  assert.equal((await phony.api('DELETE', `/api/voicemails/${sid(1, 'RE')}`)).body.data.deletedCount, 1);
  assert.equal((await phony.api('DELETE', '/api/voicemails', { fromNumber: '+12025550123' })).body.data.deletedCount, 1);
  assert.equal((await phony.api('DELETE', `/api/voicemails/${sid(1, 'RE')}`)).status, 404);
  // Its audio is not served while Twilio still has it; nor is a call's recording as a voicemail's.
  for (const recordingSid of [sid(1, 'RE'), sid(2, 'RE'), gone[0]]) assert.equal((await phony.api('GET', `/api/voicemails/${recordingSid}/recording`)).status, 404);
  assert.equal((await voicemail(1)).status, 200); // told again: it does not come back
  assert.equal((await phony.api('GET', '/api/voicemails')).body.data.count, 0);
  // One that Twilio tells of when its call is deleted already.
  const told = await hook(phony, `/call/recording?call=${encodeURIComponent(token)}`, { CallSid: calls[1], RecordingSid: sid(3, 'RE'), RecordingUrl: 'https://api.twilio.com/3', RecordingStatus: 'completed', RecordingDuration: '9', AccountSid: account.sid });
  assert.equal(told.status, 204);
  gone.push(sid(1, 'RE'), sid(2, 'RE'), sid(3, 'RE'));
  for (const recordingSid of gone) await carrier.events.wait((e) => e.event === 'recording-stays' && e.recordingSid === recordingSid, `Twilio's refusal of ${recordingSid}`);
  // A crash forgets none.
  process.kill(processes().find((p) => p.name === 'voiced').pid, 'SIGKILL');
  carrier.command({ set: { recordings_stay: false, recordings: Object.fromEntries(gone.map((one) => [one, true])) } });
  for (const recordingSid of gone) await carrier.events.wait((e) => e.event === 'recording-deleted' && e.recordingSid === recordingSid, `${recordingSid} to be removed`, 60000);
  await phony.stop();
  assert.deepEqual([await agent.stop(), await carrier.stop()], [0, 0]);
  await noProcesses();
});
