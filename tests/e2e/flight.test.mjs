// The flight recorder: what a call's process got and sent, run again without a network, sends the same again.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { bin, noProcesses, processes, speech, startAgent, startCarrier, startPhony, until } from '../harness/phony.mjs';

const hello = speech('Hello, this is Anna. May I ask you something?');
const moment = speech('One moment please.');
const thanks = speech('Thank you. Goodbye!');
const yes = speech('Yes, please.', { voice: 'en-us' });
const whole = [{ say: 'Hello, this is Anna.', wav: hello.pattern }, { hear: 'Yes, please.' }, { tool: 'send_dtmf', parameters: { digits: '1#' } }, { say: 'Thank you. Goodbye!', wav: thanks.pattern }];
const agents = {
  'agent-test': { script: whole }, openai: { script: whole },
  'agent-patient': { script: [{ say: 'One moment please.', wav: moment.pattern }, { pause_ms: 60000 }] },
};
let agent, carrier, phony, flights;

before(async () => {
  agent = await startAgent({ apiKey: 'xi-test-key-0001', openaiKey: 'sk-test-key-0001', agents });
  carrier = await startCarrier({ default: { script: [{ hear: true }, { say: yes.at(8000) }, { pause_ms: 60000 }] } });
  phony = await startPhony({ sims: { carrier, agent } });
  flights = path.join(phony.folder, 'state/flights');
});
after(async () => {
  await phony.stop();
  assert.deepEqual([...agent.events.items, ...carrier.events.items].filter((e) => e.event === 'violation'), []);
  assert.deepEqual([await agent.stop(), await carrier.stop()], [0, 0]);
  await noProcesses();
});

const file = (sid, attempt = 0) => path.join(flights, `${sid}.${attempt}.jsonl`);
const replay = (name) => spawnSync(bin('callworker'), ['--replay', name], { encoding: 'utf8', env: { ASAN_OPTIONS: process.env.ASAN_OPTIONS ?? '', LSAN_OPTIONS: process.env.LSAN_OPTIONS ?? '' } });
function same(name) {
  const { status, stdout, stderr } = replay(name);
  assert.equal(status, 0, `${stdout}${stderr.slice(-2000)}`);
  assert.match(stdout, /the same was sent, line for line/);
}
const events = async (sid) => (await phony.api('GET', `/api/calls/${sid}/events`)).body.events;

for (const provider of ['elevenlabs', 'openai']) test(`a whole call with ${provider} runs again, the same each time; a changed record does not`, async () => {
  const { callSid } = (await phony.call(provider === 'openai' ? '+12025550171' : '+12025550172', { provider, flightRecorder: true, record: true })).body;
  assert.equal((await phony.over(callSid)).status, 'completed');
  await until(() => processes().every((p) => !p.title.includes(callSid)), 'the end of its process');
  const text = fs.readFileSync(file(callSid), 'utf8');
  assert.equal(fs.statSync(file(callSid)).mode & 0o777, 0o600);
  assert.doesNotMatch(text, /xi-test-key|sk-test-key|token=/);
  assert.match(text, /"Hello, this is Anna\./);
  same(file(callSid));
  same(file(callSid));
  // Something else was heard: the first thing that is sent differently is told.
  const changed = `${file(callSid)}.changed`;
  const lines = text.split('\n'), at = lines.findIndex((l) => l.includes('"in":"socket"') && l.includes('Yes, please.'));
  fs.writeFileSync(changed, [...lines.slice(0, at), lines[at].replace('Yes, please.', 'Maybe not.'), ...lines.slice(at + 1)].join('\n'));
  const different = replay(changed);
  assert.equal(different.status, 1, different.stdout);
  assert.match(different.stdout, /then it differs: line \d+\n\twas .*Yes, please\..*\n\tis  .*Maybe not\./);
  // A part of a record is not taken for the whole; what recorded it is told.
  const part = `${file(callSid)}.part`;
  fs.writeFileSync(part, `${lines.slice(0, lines.length >> 1).join('\n')}\n`, { mode: 0o600 });
  const half = replay(part);
  assert.equal(half.status, 1, half.stdout);
  assert.match(half.stdout, /the record has no end \(\d+ lines\)/);
  assert.doesNotMatch(half.stdout, /the same was sent/);
  assert.match(lines[0], /"version": "\d+\.\d+/);
  fs.writeFileSync(part, text.replace(/"version": "[^"]*"/, '"version": "0.0.1"'));
  assert.match(replay(part).stdout, /the same was sent, line for line.*\nrecorded by phony 0\.0\.1, replayed by \d/);
  // Deleted with its call.
  assert.equal((await phony.api('DELETE', `/api/calls/${callSid}`)).status, 200);
  assert.deepEqual(fs.readdirSync(flights).filter((name) => name.includes(callSid)), []);
});

test('steered, its voiced killed, itself killed: what there is of the record runs again, too', async () => {
  const { callSid } = (await phony.call('+12025550173', { elevenLabsAgentId: 'agent-patient', flightRecorder: true })).body;
  await until(async () => (await events(callSid)).some((e) => e.type === 'agent-connected'), 'the agent');
  assert.equal((await phony.api('POST', `/api/calls/${callSid}/inject-context`, { context: 'The bicycle is blue.' })).status, 200);
  assert.equal((await phony.api('POST', `/api/calls/${callSid}/dtmf`, { digits: '12' })).status, 200);
  assert.equal((await phony.api('POST', `/api/calls/${callSid}/hold`)).status, 200);
  assert.equal((await phony.api('POST', `/api/calls/${callSid}/hold`)).status, 409);
  process.kill(processes().find((p) => p.name === 'voiced').pid, 'SIGKILL');
  await phony.log.wait((l) => l.includes(`${callSid}: callworker`) && l.includes('is back'), 'the worker to be taken back');
  await until(async () => (await phony.api('POST', `/api/calls/${callSid}/resume`).catch(() => ({}))).status === 200, 'the call to go on');
  process.kill(processes().find((p) => p.name === 'callworker' && p.title.includes(callSid)).pid, 'SIGKILL');
  await until(async () => (await events(callSid)).some((e) => e.type === 'agent-connected' && e.attempt === 1), 'the agent again');
  await phony.api('POST', `/api/calls/${callSid}/hangup`);
  await phony.over(callSid);
  await until(() => processes().every((p) => !p.title.includes(callSid)), 'the end of its process');
  assert.match(fs.readFileSync(file(callSid), 'utf8'), /"gone":.*\n(?:.*\n)*.*"back":true/);
  same(file(callSid, 0));
  same(file(callSid, 1));
});

test('a record at the limit of a file ends; the call goes on', async () => {
  const limited = await startPhony({ sims: { carrier, agent }, settings: { CALLWORKER_WRAPPER: 'prlimit --fsize=60000 --' } });
  const { callSid } = (await limited.call('+12025550175', { flightRecorder: true })).body;
  await limited.log.wait((l) => l.includes('the flight recorder ends'), 'the end of the record');
  await limited.api('POST', `/api/calls/${callSid}/hangup`);
  assert.equal((await limited.over(callSid, 30000)).status, 'completed');
  assert.equal(carrier.events.filter((e) => e.event === 'stream-open' && e.callSid === callSid).length, 1);
  const cut = replay(path.join(limited.folder, 'state/flights', `${callSid}.0.jsonl`));
  assert.match(cut.stdout, /the record has no end/);
  await limited.stop();
});

test('without the wish there is no record; what is none is said to be none', async () => {
  const { callSid } = (await phony.call('+12025550174', { elevenLabsAgentId: 'agent-patient' })).body;
  await until(async () => (await events(callSid)).some((e) => e.type === 'agent-connected'), 'the agent');
  assert.equal(fs.existsSync(file(callSid)), false);
  await phony.api('POST', `/api/calls/${callSid}/hangup`);
  await phony.over(callSid);
  for (const [name, text, expected] of [['none', '', /is no record of a flight/], ['other', '{"flight": 2}\n', /is no record of a flight/],
    ['torn', '{"flight": 1, "at": 5, "wall": 5}\n{"at": 6, "in"\n', /line 2 is no JSON object/], ['strange', '{"flight": 1, "at": 5, "wall": 5}\n{"at": 6, "in": "moon"}\n', /line 2: moon came then/]]) {
    const made = path.join(phony.folder, name);
    fs.writeFileSync(made, text);
    const { status, stdout, stderr } = replay(made);
    assert.equal(status, 1);
    assert.match(stdout + stderr, expected);
  }
  assert.match(replay('/nowhere').stderr, /nowhere: No such file/);
});
