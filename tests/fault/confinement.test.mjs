// The worker's cell, seen from outside: what a process has that serves a call, and what it must not have.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { test } from 'node:test';
import { bin, endWell, processes, startAgent, startCarrier, startPhony, until } from '../harness/phony.mjs';

const sanitized = /asan/.test(process.env.BUILD ?? '');
const agents = { 'agent-test': { script: [{ pause_ms: 60000 }] } };
const of = (pid, file) => fs.readFileSync(`/proc/${pid}/${file}`, 'utf8');
const field = (pid, name) => new RegExp(`^${name}:\\s+(.*)$`, 'm').exec(of(pid, 'status'))[1];
const descriptors = (pid) => fs.readdirSync(`/proc/${pid}/fd`).map((fd) => [Number(fd), fs.readlinkSync(`/proc/${pid}/fd/${fd}`)]);

test('a worker has what its call needs, and nothing else', async () => {
  const agent = await startAgent({ apiKey: 'xi-test-key-0001', agents });
  const carrier = await startCarrier({ default: { script: [] } });
  const phony = await startPhony({ sims: { carrier, agent }, settings: { WORKER_MEMORY_MB: '200', WORKER_CPU_SECONDS: '99', WORKER_CORE_MB: '1' } });
  const { callSid } = (await phony.call('+12025550131')).body;
  const worker = await until(() => processes().find((p) => p.name === 'callworker' && p.title.includes(`${callSid} live`)), 'the worker');
  const idle = processes().find((p) => p.name === 'callworker' && /waiting/.test(p.title));
  for (const { pid } of [worker, idle]) {
    assert.deepEqual(of(pid, 'environ').split('\0').filter((e) => e && !e.startsWith('LISTEN_')), [], 'its environment');
    assert.equal(field(pid, 'NoNewPrivs'), '1');
    if (!sanitized) assert.equal(field(pid, 'Seccomp'), '2');
    if (process.getuid() === 0) assert.ok(!field(pid, 'Uid').split(/\s+/).includes('0'), 'it is not root');
    if (process.getuid() === 0) assert.equal(BigInt(`0x${field(pid, 'CapEff')}`), 0n);
    for (const [fd, target] of descriptors(pid)) assert.match(target, fd === 2 ? /./ : /^(\/dev\/(null|urandom)|socket:\[\d+\]|anon_inode:\[event(fd|poll)\]|pipe:\[\d+\])$/, `descriptor ${fd}`);
    assert.ok(descriptors(pid).length < 16, JSON.stringify(descriptors(pid)));
    const limits = of(pid, 'limits');
    if (!sanitized) assert.match(limits, /Max address space +209715200 /);
    assert.match(limits, /Max cpu time +99 /);
    assert.match(limits, /Max core file size +(0|1048576) /);
    assert.match(limits, /Max open files +64 +64 /);
  }
  const listening = fs.readFileSync('/proc/net/tcp', 'utf8').split('\n').filter((l) => / 0A /.test(l)).map((l) => l.trim().split(/\s+/)[9]);
  for (const { pid } of [worker, idle]) for (const [, target] of descriptors(pid)) assert.ok(!listening.some((inode) => target === `socket:[${inode}]`), 'a listening socket');

  // The daemons gave root away; the supervisor alone kept it.
  if (process.getuid() === 0) {
    for (const p of processes().filter((q) => ['voiced', 'smsd', 'mcpd'].includes(q.name))) assert.ok(!field(p.pid, 'Uid').split(/\s+/).includes('0'), p.name);
    assert.equal(field(phony.child.pid, 'Uid').split(/\s+/)[0], '0');
  }
  const shown = execFileSync(bin('phony'), ['status'], { env: phony.env, encoding: 'utf8' });
  assert.match(shown, new RegExp(`callworker pid ${worker.pid} +${callSid} .*no new privileges${sanitized ? '' : ', seccomp.*200 MB'}`));
  for (const name of ['voiced', 'smsd', 'mcpd']) assert.match(shown, new RegExp(`^${name} +up .*user \\S+, no new privileges`, 'm'));
  await phony.api('POST', `/api/calls/${callSid}/hangup`);
  await phony.over(callSid);
  await endWell({ phony, agent, carrier });
});
