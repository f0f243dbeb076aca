// New programs, new settings, a new supervisor: calls that are live go on, and never is one served by two.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { afterEach, test } from 'node:test';
import { promisify } from 'node:util';
import { bin, endAll, endWell, freePort, noProcesses, processes, speech, startAgent, startCarrier, startPhony, temporaryFolder, until } from '../harness/phony.mjs';

afterEach((t) => { if (t.error) endAll(); });

const run = promisify(execFile);
const hello = speech('Hello, this is Anna. May I ask you something?');
const thanks = speech('Thank you. Goodbye!');
const yes = speech('Yes, please.', { voice: 'en-us' });
const agents = { 'agent-test': { script: [{ say: 'Hello, this is Anna.', wav: hello.pattern }, { pause_ms: 2500 }, { say: 'Are you there?', wav: hello.pattern }, { hear: 'Yes, please.' }, { say: 'Thank you. Goodbye!', wav: thanks.pattern }] },
  'agent-echo': { mode: 'echo' }, 'agent-patient': { script: [{ pause_ms: 60000 }] } };
const callees = { '+12025550136': { mode: 'stamp', seconds: 8 }, '+12025550137': { script: [] } };
const fallback = { script: [{ pause_ms: 4500 }, { hear: true }, { say: yes.at(8000) }] };
const said = ['Hello, this is Anna.', 'Are you there?', 'Yes, please.', 'Thank you. Goodbye!'];
const one = (name) => processes().find((p) => p.name === name);
const workerOf = (sid) => processes().find((p) => p.name === 'callworker' && p.title.includes(sid));

async function calls({ carrier, phony }) {
  const echo = (await phony.call('+12025550136', { elevenLabsAgentId: 'agent-echo' })).body.callSid;
  const talk = (await phony.call('+12025550135')).body.callSid;
  await carrier.events.wait((e) => e.event === 'stream-first-audio' && e.callSid === talk, 'the first words');
  return { echo, talk };
}

async function wentOn({ carrier, phony }, { echo, talk }, workers) {
  const call = await phony.over(talk, 40000);
  assert.deepEqual([call.status, call.errorMessage], ['completed', undefined]);
  assert.deepEqual(call.conversationHistory.map((t) => t.content), said);
  const end = await carrier.events.wait((e) => e.event === 'stream-closed' && e.callSid === echo, 'the other end', 30000);
  assert.deepEqual([end.framesSent, end.stamps, end.lost, end.reordered], [400, 400, 0, 0]);
  assert.equal((await phony.over(echo)).status, 'completed');
  assert.equal(carrier.events.filter((e) => e.event === 'stream-open').length, workers);
}

// The same program again, as a package would put it there: another file of this name.
function replace(name) {
  fs.copyFileSync(bin(name), `${bin(name)}.new`);
  fs.renameSync(`${bin(name)}.new`, bin(name));
}
const isOld = ({ pid }) => fs.readlinkSync(`/proc/${pid}/exe`).endsWith(' (deleted)');

// A tree that reads `more` from a file, which is changed by writing it again.
async function startWithFile(options) {
  const folder = temporaryFolder(), file = path.join(folder, 'more.env');
  const write = (text) => fs.writeFileSync(file, text);
  write(options.first ?? '');
  return Object.assign(await startPhony({ ...options, folder, args: ['--config', file] }), { write, file });
}

test('phony upgrade: new programs and settings, the same call', async () => {
  const agent = await startAgent({ apiKey: 'xi-test-key-0001', agents });
  const carrier = await startCarrier({ callees, default: fallback });
  const phony = await startWithFile({ sims: { carrier, agent } });
  const live = await calls({ carrier, phony });
  const before = Object.fromEntries(['voiced', 'smsd', 'mcpd'].map((name) => [name, one(name).pid]));
  const worker = workerOf(live.talk).pid;
  for (const name of ['phony', 'voiced', 'callworker', 'smsd', 'mcpd']) replace(name);
  phony.write('LOG_LEVEL=debug\n');
  const asked = phony.api('GET', `/api/calls/${live.talk}/wait?timeoutSeconds=1`); // in work meanwhile
  asked.catch(() => {}); // judged below
  const { stdout } = await run(bin('phony'), ['upgrade'], { env: phony.env, cwd: phony.folder });
  assert.match(stdout, /in force.*go on/);
  assert.ok([200, 503].includes((await asked).status));
  for (const name of ['voiced', 'smsd', 'mcpd']) {
    assert.notEqual(one(name).pid, before[name]);
    assert.equal(isOld(one(name)), false);
  }
  assert.equal(one('phony').pid, phony.child.pid, 'a service manager still knows it');
  assert.equal(isOld(one('phony')), false);
  assert.equal(workerOf(live.talk).pid, worker, 'the call was not touched');
  assert.equal(isOld(workerOf(live.talk)), true);
  await phony.log.wait((l) => l.includes(' debug '), 'the new log level');
  await wentOn({ carrier, phony }, live, 2);
  await endWell({ phony, agent, carrier });
});

test('upgrades: whoever asks meanwhile, of every daemon, is answered', async () => {
  const carrier = await startCarrier({ default: { script: [] } });
  const agent = await startAgent({ agents });
  const phony = await startPhony({ sims: { carrier, agent } });
  let over = false, asked = 0;
  const lost = [];
  const askers = [['/api/calls', 200], ['/api/sms/messages', 200], ['/mcp', 400], ['/api/calls', 200]].map(async ([target, status]) => {
    for (; !over; asked++) {
      const answer = await phony.api('GET', target).catch((error) => ({ text: error.cause?.message ?? error.message }));
      if (answer.status !== status) lost.push(`${target}: ${answer.status} ${answer.text}`);
    }
  });
  try {
    for (let i = 0; i < 15; i++) await run(bin('phony'), ['upgrade'], { env: phony.env, cwd: phony.folder });
  } finally {
    over = true;
    await Promise.all(askers);
  }
  assert.deepEqual(lost, []);
  assert.ok(asked > 100, `only ${asked} requests`);
  await endWell({ phony, agent, carrier });
});

test('an upgrade to wrong settings is refused in words, and changes nothing; SIGHUP asks for one, too', async () => {
  const carrier = await startCarrier({ default: { script: [] } });
  const agent = await startAgent({ agents });
  const phony = await startWithFile({ sims: { carrier, agent } });
  const voiced = one('voiced').pid;
  phony.write('LOG_LEVEL=loud\n');
  await assert.rejects(run(bin('phony'), ['upgrade'], { env: phony.env, cwd: phony.folder }), (error) => error.code === 1 && /Nothing was changed/.test(error.stderr));
  await until(() => phony.log.find((l) => l.includes('LOG_LEVEL')), 'the log to name the setting');
  assert.equal(one('voiced').pid, voiced);
  phony.write('LOG_LEVEL=info\n');
  phony.child.kill('SIGHUP');
  await until(() => { const pid = one('voiced')?.pid; return pid && pid !== voiced; }, 'another voiced');
  await until(async () => (await phony.api('GET', '/ready').catch(() => ({}))).status === 200, 'it to be ready');
  assert.equal(one('phony').pid, phony.child.pid);
  await phony.stop();
  assert.deepEqual([await agent.stop(), await carrier.stop()], [0, 0]);
  await noProcesses();
});

test('the settings file breaks in the middle of an upgrade: it goes on with those that were checked, and the call with it', async () => {
  const carrier = await startCarrier({ default: { script: [] } });
  const agent = await startAgent({ apiKey: 'xi-test-key-0001', agents });
  const phony = await startWithFile({ sims: { carrier, agent } });
  const { callSid } = (await phony.call('+12025550137', { elevenLabsAgentId: 'agent-patient' })).body;
  await carrier.events.wait((e) => e.event === 'stream-open' && e.callSid === callSid, 'the stream');
  phony.write('MAX_CONCURRENT_INCOMING_CALLS=7\n');
  phony.child.kill('SIGHUP');
  await phony.log.wait((l) => l.includes('the daemons give way'), 'the settings to be checked');
  phony.write('LOG_LEVEL=loud\n');
  await phony.log.wait((l) => l.includes('settings were changed during the upgrade'), 'it to go on');
  await until(async () => (await phony.api('GET', '/ready').catch(() => ({}))).status === 200, 'it to be ready');
  assert.equal((await phony.api('GET', `/api/calls/${callSid}`)).body.isLive, true);
  // The next one is told what is wrong, and another is right.
  await assert.rejects(run(bin('phony'), ['upgrade'], { env: phony.env, cwd: phony.folder }), /Nothing was changed/);
  phony.write('');
  await run(bin('phony'), ['upgrade'], { env: phony.env, cwd: phony.folder });
  await until(async () => (await phony.api('POST', `/api/calls/${callSid}/hangup`).catch(() => ({}))).status === 200, 'the call to be ended');
  await phony.over(callSid);
  assert.equal((await phony.stop()).code, 0);
  assert.deepEqual([await agent.stop(), await carrier.stop()], [0, 0]);
  await noProcesses();
});

test('an upgrade to an occupied port, or to what cannot change, is refused in words; to a free port it goes', async () => {
  const carrier = await startCarrier({ default: { script: [] } });
  const agent = await startAgent({ agents });
  const port = await freePort(), phony = await startWithFile({ sims: { carrier, agent }, port, without: ['PORT'], first: `PORT=${port}\n` });
  const squatter = net.createServer(), taken = await freePort();
  await new Promise((done) => squatter.listen(taken, '127.0.0.1', done));
  const upgrade = () => run(bin('phony'), ['upgrade', '--config', phony.file], { env: phony.env, cwd: phony.folder, timeout: 20000 });
  const refused = async (text, words) => {
    const voiced = one('voiced').pid;
    phony.write(text);
    await assert.rejects(upgrade(), (error) => error.code === 1 && words.test(error.stderr) && /Nothing was changed/.test(error.stderr));
    assert.equal(one('voiced').pid, voiced);
    assert.equal((await phony.api('GET', '/ready')).status, 200);
  };
  await refused(`PORT=${squatter.address().port}\n`, /PORT: 127\.0\.0\.1:\d+ cannot be bound: Address already in use/);
  await refused(`PORT=${port}\nBIND_ADDRESS=203.0.113.7\n`, /cannot be bound/);
  await refused(`PORT=${port}\nBIND_ADDRESS=somewhere\n`, /BIND_ADDRESS/);
  await refused(`PORT=${port}\nRUN_AS=daemon\n`, /RUN_AS cannot be changed/);
  await refused(`PORT=${port}\nMONGODB_URL=mongodb://127.0.0.1:9/x\n`, /MONGODB_URL cannot be changed/);
  await refused(`PORT=0\n`, /PORT: must be a whole number/);
  // The same port at every address, then another port; who waited at the old door was served.
  const next = await freePort();
  for (const [text, at] of [[`PORT=${port}\nBIND_ADDRESS=0.0.0.0\n`, port], [`PORT=${next}\n`, next]]) {
    phony.write(text);
    await upgrade();
    assert.equal((await fetch(`http://127.0.0.1:${at}/ready`)).status, 200);
  }
  await assert.rejects(fetch(`http://127.0.0.1:${port}/ready`));
  squatter.close();
  await phony.stop();
  assert.deepEqual([await agent.stop(), await carrier.stop()], [0, 0]);
  await noProcesses();
});

// Whatever arrives while one program becomes the next, the next one has it.
test('signals during upgrades: none ends phony, SIGTERM drains', async () => {
  const agent = await startAgent({ apiKey: 'xi-test-key-0001', agents });
  const carrier = await startCarrier({ default: { script: [] } });
  const phony = await startPhony({ sims: { carrier, agent }, settings: { DRAIN_SECONDS: '30' } });
  const { callSid } = (await phony.call('+12025550137', { elevenLabsAgentId: 'agent-patient' })).body;
  await carrier.events.wait((e) => e.event === 'stream-open' && e.callSid === callSid, 'the stream');
  const upgrades = () => phony.log.filter((l) => l.includes('the upgrade goes on with')).length;
  const storm = setInterval(() => phony.child.kill('SIGHUP'), 1);
  await until(() => upgrades() >= 5, 'five upgrades under SIGHUP');
  clearInterval(storm);
  const seen = upgrades();
  phony.child.kill('SIGHUP');
  await until(() => upgrades() > seen, 'one more');
  phony.child.kill('SIGTERM');
  await phony.log.wait((l) => l.includes('draining: 1 live'), 'draining');
  assert.equal((await until(async () => (await phony.api('GET', `/api/calls/${callSid}`).catch(() => ({}))).body, 'the call')).isLive, true);
  assert.ok(!carrier.events.find((e) => e.event === 'stream-closed'));
  carrier.command({ hangup: callSid });
  assert.deepEqual(await phony.ended, { code: 0, signal: null });
  fs.rmSync(phony.folder, { recursive: true });
  // While the daemons step down.
  const again = await startPhony({ sims: { carrier, agent }, settings: { DRAIN_SECONDS: '30' } });
  const other = (await again.call('+12025550137', { elevenLabsAgentId: 'agent-patient' })).body.callSid;
  await carrier.events.wait((e) => e.event === 'stream-open' && e.callSid === other, 'the stream');
  again.child.kill('SIGHUP');
  await again.log.wait((l) => l.includes('the daemons give way'), 'it');
  again.child.kill('SIGTERM');
  await again.log.wait((l) => l.includes('draining: 1 live'), 'draining');
  assert.ok(!carrier.events.find((e) => e.event === 'stream-closed' && e.callSid === other));
  carrier.command({ hangup: other });
  assert.deepEqual(await again.ended, { code: 0, signal: null });
  fs.rmSync(again.folder, { recursive: true });
  assert.deepEqual([await agent.stop(), await carrier.stop()], [0, 0]);
  await noProcesses();
});

test('SIGKILL of the supervisor: the next one takes the calls over while they are live', async () => {
  const agent = await startAgent({ apiKey: 'xi-test-key-0001', agents });
  const carrier = await startCarrier({ callees, default: fallback });
  const folder = temporaryFolder();
  const first = await startPhony({ sims: { carrier, agent }, folder, keep: true });
  const live = await calls({ carrier, phony: first });
  const waits = (await first.call('+12025550137', { elevenLabsAgentId: 'agent-patient' })).body.callSid;
  const worker = await until(() => workerOf(waits), 'the third worker');
  const voiced = one('voiced').pid;
  first.child.kill('SIGKILL');
  await first.ended;
  const phony = await startPhony({ sims: { carrier, agent }, folder, port: first.port });
  // The earlier one has given up its place, and is at most on its way out.
  await until(() => { const all = processes().filter((p) => p.name === 'voiced'); return all.length === 1 && all[0].pid !== voiced; }, 'one voiced, the new one');
  assert.equal((await phony.api('GET', `/api/calls/${live.talk}`)).body.isLive, true, 'taken over in the middle of the call');
  assert.equal(workerOf(waits).pid, worker.pid);
  // Whose child the worker is now does not matter: its end is noticed, and its call goes on.
  await phony.log.wait((l) => l.includes(`${waits}: callworker ${worker.pid} is back`), 'the worker to be taken back');
  process.kill(worker.pid, 'SIGKILL');
  const broken = await carrier.events.wait((e) => e.event === 'stream-closed' && e.callSid === waits, 'the close frame');
  assert.equal(broken.code, 1011);
  await until(() => workerOf(waits) && workerOf(waits).pid !== worker.pid, 'another worker');
  await phony.api('POST', `/api/calls/${waits}/hangup`);
  await wentOn({ carrier, phony }, live, 4);
  await phony.over(waits);
  await phony.stop();
  assert.deepEqual([await agent.stop(), await carrier.stop()], [0, 0]);
  await noProcesses();
});
