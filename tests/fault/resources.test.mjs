// What runs out or stands still beside phony: the log's reader, descriptors, a call's process.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, test } from 'node:test';
import { bin, endAll, freePort, noProcesses, poorEnvironment, processes, settings, speech, start, startAgent, startCarrier, startPhony, temporaryFolder, until } from '../harness/phony.mjs';

afterEach((t) => { if (t.error) endAll(); });

const one = (name) => processes().find((p) => p.name === name);
// As its own user, who may lower what is in force, and raise it again.
function limit(pid, resource, soft) {
  const [uid, gid] = ['Uid', 'Gid'].map((name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]));
  execFileSync('prlimit', ['--pid', String(pid), `--${resource}=${soft}:`], { uid, gid });
}
const softLimit = (pid) => /^Max open files\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/limits`, 'utf8'))[1];

test('the reader of the log stands still: phony starts, serves and ends', async () => {
  const folder = temporaryFolder(), port = await freePort(), fifo = path.join(folder, 'log');
  execFileSync('mkfifo', [fifo]);
  const reader = fs.openSync(fifo, fs.constants.O_RDWR | fs.constants.O_NONBLOCK);
  assert.throws(() => { for (;;) fs.writeSync(reader, 'x'.repeat(4096)); }, { code: 'EAGAIN' });
  const env = { ...poorEnvironment(), ...settings({ port, folder, LOG_LEVEL: 'debug' }) };
  const writer = fs.openSync(fifo, 'w'); // as a shell opens it: writes wait
  const child = start(bin('phony'), ['run'], { env, cwd: folder, stdio: ['ignore', 'ignore', writer] });
  fs.closeSync(writer);
  const status = (target, options = {}) => fetch(`http://127.0.0.1:${port}${target}`, { signal: AbortSignal.timeout(5000), ...options }).then((r) => r.status, () => 0);
  await until(async () => await status('/ready') === 200, 'phony to be ready', 30000);
  const knock = () => Promise.all(Array.from({ length: 50 }, () => status('/call/status', { method: 'POST', headers: { 'x-twilio-signature': 'wrong' }, body: new URLSearchParams({ CallSid: 'x' }) })));
  for (let i = 0; i < 6; i++) assert.deepEqual([...new Set(await knock())], [403]);
  // It is read again: what was left out is told, and what outsiders cause has a limit.
  const heard = [];
  const buffer = Buffer.alloc(65536);
  const read = () => { for (;;) try { heard.push(buffer.toString('utf8', 0, fs.readSync(reader, buffer))); } catch { return heard.join(''); } };
  read();
  heard.length = 0;
  await status('/call/connection-incoming/nobodys', { headers: { connection: 'upgrade' } });
  for (const name of ['smsd', 'mcpd']) process.kill(one(name).pid, 'SIGKILL');
  await until(() => /phony\[\d+\]: \d+ lines could not be written, and were left out/.test(read()), 'the count');
  for (let i = 0; i < 4; i++) await knock();
  assert.ok((read().match(/wrong signature/g) ?? []).length <= 20);
  child.kill('SIGTERM');
  assert.equal((await child.ended).code, 0);
  await noProcesses();
  fs.closeSync(reader);
  fs.rmSync(folder, { recursive: true });
});

test('a daemon is out of descriptors: it waits, says so once, and serves again', async () => {
  const carrier = await startCarrier({ default: { script: [] } });
  const phony = await startPhony({ sims: { carrier } });
  for (const [name, socket, ready] of [['smsd', 'smsd.sock', '/api/sms/messages'], ['voiced', 'voiced.sock', '/ready']]) {
    const { pid } = one(name);
    assert.equal((await phony.api('GET', ready)).status, 200);
    const usual = softLimit(pid);
    limit(pid, 'nofile', 3);
    const before = fs.readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ');
    const peers = Array.from({ length: 3 }, () => net.connect(path.join(phony.folder, 'run', socket)).on('error', () => {}));
    await phony.log.wait((l) => l.includes(`${name}[${pid}]`) && /accepting peers failed/.test(l), `${name} to say so`);
    await new Promise((done) => setTimeout(done, 500)); // what it does meanwhile is to be counted
    const after = fs.readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ');
    const ticks = Number(after[13]) + Number(after[14]) - Number(before[13]) - Number(before[14]);
    assert.equal(phony.log.filter((l) => l.includes(`${name}[${pid}]`) && /accepting/.test(l)).length, 1);
    assert.ok(ticks < 25, `${ticks} ticks of CPU in half a second of waiting`);
    limit(pid, 'nofile', usual);
    await until(async () => (await phony.api('GET', ready).catch(() => ({}))).status === 200, `${name} to serve again`);
    assert.equal(one(name).pid, pid);
    for (const peer of peers) peer.destroy();
  }
  assert.equal((await phony.stop()).code, 0);
  assert.equal(await carrier.stop(), 0);
  await noProcesses();
});

test('more waits for a daemon that hangs than it is let wait: each question is answered, and who asks lives on', async () => {
  const carrier = await startCarrier({ default: { script: [] } });
  const phony = await startPhony({ sims: { carrier } });
  const voiced = processes().find((p) => p.name === 'voiced').pid;
  process.kill(voiced, 'SIGSTOP');
  const client = start(bin('phony'), ['mcp'], { env: phony.env });
  const answers = [];
  createInterface({ input: client.stdout }).on('line', (line) => answers.push(JSON.parse(line)));
  const ask = (id, method, params) => client.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`);
  ask(0, 'initialize', { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'test', version: '1' } });
  for (let id = 1; id <= 300; id++) ask(id, 'tools/call', { name: 'phony_inject_context', arguments: { callSid: `CA${'0'.repeat(32)}`, context: 'x'.repeat(32000) } });
  await new Promise((done) => client.stdin.write('\n', done)); // over 9 MiB are read by now
  process.kill(voiced, 'SIGCONT');
  client.stdin.end();
  assert.deepEqual(await client.ended, { code: 0, signal: null });
  await until(() => answers.length === 301, 'every answer');
  assert.equal((await phony.stop()).code, 0);
  assert.equal(await carrier.stop(), 0);
  await noProcesses();
});

test('a call whose process hangs gets another, and goes on', async () => {
  const hello = speech('Hello, this is Anna. May I ask you something?');
  const agent = await startAgent({ apiKey: 'xi-test-key-0001', agents: { 'agent-test': { script: [{ say: 'Hello, this is Anna.', wav: hello.pattern }, { pause_ms: 60000 }] } } });
  const carrier = await startCarrier({ default: { script: [] } });
  const phony = await startPhony({ sims: { carrier, agent }, settings: { HEARTBEAT_SECONDS: '2' } });
  const { callSid } = (await phony.call('+12025550161')).body;
  await carrier.events.wait((e) => e.event === 'stream-first-audio' && e.callSid === callSid, 'the first words');
  const worker = () => processes().find((p) => p.name === 'callworker' && p.title.includes(callSid));
  const { pid } = worker();
  process.kill(pid, 'SIGSTOP');
  await phony.log.wait((l) => l.includes(`callworker ${pid} has not answered for 2 s: it is killed`), 'it to be missed');
  await until(() => (worker()?.pid ?? pid) !== pid, 'another worker');
  assert.equal((await phony.api('GET', `/api/calls/${callSid}`)).body.isLive, true);
  await phony.api('POST', `/api/calls/${callSid}/hangup`);
  await phony.over(callSid);
  assert.equal((await phony.stop()).code, 0);
  assert.deepEqual([await agent.stop(), await carrier.stop()], [0, 0]);
  await noProcesses();
});

test("a call's recordings may not grow any more: they end with a line, the call goes on", async () => {
  const hello = speech('Hello, this is Anna. May I ask you something?');
  const agent = await startAgent({ apiKey: 'xi-test-key-0001', agents: { 'agent-test': { script: [{ say: 'Hello, this is Anna.', wav: hello.pattern }, { pause_ms: 60000 }] } } });
  const carrier = await startCarrier({ default: { script: [] } });
  const phony = await startPhony({ sims: { carrier, agent } });
  const { callSid } = (await phony.call('+12025550162', { record: true, flightRecorder: true })).body;
  await carrier.events.wait((e) => e.event === 'stream-first-audio' && e.callSid === callSid, 'the first words');
  const { pid } = processes().find((p) => p.name === 'callworker' && p.title.includes(callSid));
  limit(pid, 'fsize', 4096);
  await phony.log.wait((l) => l.includes(callSid) && /the flight recorder ends/.test(l), 'the flight recorder to end');
  await phony.log.wait((l) => l.includes(callSid) && /the recording cannot be written/.test(l), 'the recording to be missed');
  assert.equal((await phony.api('GET', `/api/calls/${callSid}`)).body.isLive, true);
  assert.ok(processes().some((p) => p.pid === pid), 'the same process');
  await phony.api('POST', `/api/calls/${callSid}/hangup`);
  await phony.over(callSid);
  assert.equal(carrier.events.filter((e) => e.event === 'stream-open').length, 1);
  assert.equal((await phony.stop()).code, 0);
  assert.deepEqual([await agent.stop(), await carrier.stop()], [0, 0]);
  await noProcesses();
});
