// A worker that was taken over: confined as every worker, it tries to reach everything, and reaches its own call only.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { bin, build, freePort, start, startAgent, startCarrier, startPhony, temporaryFolder, until } from '../harness/phony.mjs';

const sanitized = /asan/.test(process.env.BUILD ?? '');
const names = ['phony.sock', 'voiced.sock', 'smsd.sock', 'mcpd.sock'];
let programs, folder, agent, carrier, phony, victim, listener, local, abstract, as = {};

before(async () => {
  // The programs as they are, but for callworker.
  programs = temporaryFolder();
  for (const name of ['phony', 'voiced', 'smsd', 'mcpd']) fs.copyFileSync(bin(name), path.join(programs, name));
  fs.copyFileSync(path.join(build, 'hostile/callworker'), path.join(programs, 'callworker'));
  fs.chmodSync(programs, 0o755);
  agent = await startAgent({ apiKey: 'xi-test-key-0001', agents: { 'agent-test': { script: [{ pause_ms: 60000 }] } } });
  carrier = await startCarrier({ default: { script: [] } });
  folder = temporaryFolder();
  phony = await startPhony({ sims: { carrier, agent }, folder, program: path.join(programs, 'phony'), settings: { WARM_WORKERS: '0', DRAIN_SECONDS: '0', HEARTBEAT_SECONDS: '2' } });
  const voiced = Number(/voiced +up +pid (\d+)/.exec(status())[1]);
  const id = (kind) => Number(new RegExp(`^${kind}:\\s+(\\d+)`, 'm').exec(fs.readFileSync(`/proc/${voiced}/status`, 'utf8'))[1]);
  if (process.getuid() === 0) as = { uid: id('Uid'), gid: id('Gid') };
  // A process of the workers' own user: but for the cell, they could signal it.
  victim = start('sleep', ['1000'], as);
  abstract = `phony-test-${process.pid}`;
  listener = net.createServer((socket) => socket.destroy());
  local = net.createServer((socket) => socket.destroy());
  await new Promise((done) => listener.listen(0, '127.0.0.1', done));
  await new Promise((done) => local.listen(`\0${abstract}`, done));
  fs.writeFileSync(path.join(programs, 'targets'), JSON.stringify({
    sockets: names.map((name) => path.join(folder, 'run', name)),
    files: [path.join(folder, 'state/api-token'), path.join(folder, 'state/phony.db'), path.join(folder, 'run/workers'), '/etc/passwd', `/proc/${voiced}/status`],
    ports: [phony.port, listener.address().port], abstract, victim: victim.pid,
  }));
});
after(async () => {
  listener.close();
  local.close();
  await phony.stop();
  assert.deepEqual([await agent.stop(), await carrier.stop()], [0, 0]);
  victim.kill('SIGKILL');
  fs.rmSync(programs, { recursive: true, force: true });
});

const status = () => execFileSync(path.join(programs, 'phony'), ['status'], { env: phony.env, encoding: 'utf8' });
const tries = (lines) => lines.map((l) => /hostile: (.*) (reached|refused.*)$/.exec(l)).filter(Boolean).map(([, name, result]) => ({ name, result }));

test('what is tried would succeed without the cell, and yet no socket takes a worker for another', () => {
  const { stderr, status: code } = spawnSync(path.join(programs, 'callworker'), ['--free'], { encoding: 'utf8', ...as });
  assert.equal(code, 0, stderr);
  const all = tries(stderr.split('\n'));
  const reached = all.filter((t) => t.result === 'reached').map((t) => t.name);
  for (const name of [...names.map((n) => `connect ${path.join(folder, 'run', n)}`), `open ${path.join(folder, 'state/api-token')}`,
    'connect TCP', 'connect an abstract socket', 'make a socket pair', 'bind', 'kill', 'tgkill', 'pidfd_open', 'F_SETOWN', 'F_SETSIG', 'O_ASYNC', 'memfd_create', 'prctl'])
    assert.ok(reached.includes(name), `${name} cannot be tried: ${stderr}`);
  const hellos = all.filter((t) => t.name.startsWith('a hello as'));
  assert.equal(hellos.length, 20);
  // The kernel says that it is a callworker, whatever it says itself. Our own hello may have been read by then.
  for (const { name, result } of hellos) assert.match(result, /^refused/, name);
});

test('in the cell nothing is reached', { skip: sanitized && 'no seccomp filter under the sanitizers' }, async () => {
  const { callSid } = (await phony.call('+12025550130')).body;
  await phony.log.wait((l) => l.includes('hostile: all was tried'), 'the end of all tries');
  const all = tries(phony.log.items);
  assert.ok(all.length > 40, `${all.length} tries`);
  assert.ok(all.some((t) => t.name.startsWith('a descriptor that voiced')));
  assert.deepEqual(all.filter((t) => t.result === 'reached').map((t) => t.name), []);
  assert.equal(victim.exitCode ?? victim.signalCode, null);
  await phony.api('POST', `/api/calls/${callSid}/hangup`);
});

test('what it tells voiced of other calls ends it, and nothing else', async () => {
  const live = (await phony.call('+12025550134')).body.callSid;
  for (const [number, ends] of [['+12025550131', /ended by SIGKILL/], ['+12025550132', /hung up/], ['+12025550133', /hung up/]]) {
    const { callSid } = (await phony.call(number)).body;
    if (/131$/.test(number)) await phony.log.wait((l) => l.includes('announced another call than its own'), 'the false announcement');
    await phony.log.wait((l) => ends.test(l) && (l.includes(callSid) || l.includes('hostile')), String(ends));
    const call = await phony.over(callSid);
    assert.equal(call.status, 'failed', 'each worker of this call did the same');
  }
  assert.equal(phony.log.filter((l) => l.includes('hostile: the answer is given')).length, 0);
  // Its own call, but a number that is its own idea: it would cost money.
  const dear = (await phony.call('+12025550135', { transferNumber: '+12025550198' })).body.callSid;
  await phony.log.wait((l) => l.includes(dear) && l.includes('nobody asked for a transfer'), 'the refusal');
  assert.equal((await phony.api('GET', `/api/calls/${dear}`)).body.transferTo ?? '', '');
  await phony.api('POST', `/api/calls/${dear}/hangup`);
  assert.equal((await phony.api('GET', `/api/calls/${live}`)).body.isLive, true, 'no emergency shutdown, and this call goes on');
  await phony.api('POST', `/api/calls/${live}/hangup`);
  await phony.over(live);
});

test('one that hangs up on voiced, and lives on with its call, is ended', async () => {
  const { callSid } = (await phony.call('+12025550136')).body;
  await phony.log.wait((l) => l.includes('hostile: attack 6'), 'it to hang up');
  const [, pid] = /callworker (\d+) has not answered for 2 s: it is killed/.exec((await phony.log.wait((l) => l.includes(callSid) && l.includes('it is killed'), 'it to be missed')));
  await phony.log.wait((l) => l.includes(callSid) && l.includes('ended by SIGKILL'), 'its end');
  assert.equal(fs.existsSync(`/proc/${pid}`), false);
  await phony.api('POST', `/api/calls/${callSid}/hangup`);
  await phony.over(callSid);
});

test('a supervisor is who runs as the supervisor does', { skip: process.getuid() !== 0 && 'needs root' }, async () => {
  const hello = (role) => {
    const body = Buffer.from(JSON.stringify({ version: 6, role, pid: 1 })), head = Buffer.alloc(16);
    head.writeUInt32LE(body.length, 0);
    head.writeUInt16LE(1, 4);
    return Buffer.concat([head, body]).toString('base64');
  };
  // Of a process of this user: what comes back first, and then STATUS (11), STEP_DOWN (14) or UPGRADE (15).
  const ask = (socket, role, type, id) => {
    const script = `const s = require('net').connect(${JSON.stringify(path.join(folder, 'run', socket))}); let all = Buffer.alloc(0);
      s.on('error', () => {}); s.on('data', (d) => { all = Buffer.concat([all, d]); if (all.toString().includes('refused')) s.destroy(); }); s.on('close', () => process.stdout.write('closed ' + all.toString(), () => process.exit()));
      s.write(Buffer.from('${hello(role)}', 'base64')); const f = Buffer.alloc(18); f.writeUInt32LE(2, 0); f.writeUInt16LE(${type}, 4); f.writeUInt32LE(${id}, 8); f.write('{}', 16); s.write(f);
      setTimeout(() => process.stdout.write('open ' + all.toString(), () => process.exit()), 5000);`;
    return spawnSync(process.execPath, ['-e', script], { ...as, encoding: 'utf8' }).stdout;
  };
  for (const socket of ['voiced.sock', 'smsd.sock', 'mcpd.sock']) assert.match(ask(socket, 'supervisor', 14, 0), /^closed/, socket);
  assert.match(ask('voiced.sock', 'callworker', 36, 0), /^closed/);
  assert.match(ask('phony.sock', 'tool', 15, 1), /^closed.*refused.*another user/s);
  await until(async () => (await phony.api('GET', '/ready')).status === 200, 'phony to be as it was');
});
