// The tree itself: starting, staying, draining, ending.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { once } from 'node:events';
import net from 'node:net';
import path from 'node:path';
import { afterEach, test } from 'node:test';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { bin, endAll, freePort, noProcesses, poorEnvironment, processes, settings, start, startAgent, startCarrier, startPhony, temporaryFolder, until } from '../harness/phony.mjs';

const scenario = { apiKey: 'xi-test-key-0001', agents: { 'agent-test': { script: [{ pause_ms: 60000 }] } } };
const run = (args, env, cwd = '/') => promisify(execFile)(bin('phony'), args, { env, cwd, timeout: 20000 })
  .then(({ stdout, stderr }) => ({ code: 0, stdout, stderr }), (e) => ({ code: e.code, stdout: e.stdout, stderr: e.stderr }));
// What a failed test left running would be counted by the next.
afterEach((t) => { if (t.error) endAll(); });
const pidOf = (name) => processes().find((p) => p.name === name)?.pid;

test('every fault of the configuration is named at once, exit 78', async () => {
  const { code, stderr } = await run(['run'], { ...poorEnvironment(), PORT: '99999', PUBLIC_URL: 'http://example.com', LOG_LEVEL: 'loud', MAX_CONCURRENT_CALLS: 'many' });
  assert.equal(code, 78);
  for (const name of ['PORT', 'PUBLIC_URL', 'LOG_LEVEL', 'MAX_CONCURRENT_CALLS', 'TWILIO_ACCOUNT_SID', 'TWILIO_AUTH_TOKEN', 'TWILIO_NUMBER'])
    assert.match(stderr, new RegExp(`^${name}: `, 'm'));
});

test('what is misspelt or has no voice is told; phony runs', async () => {
  const folder = temporaryFolder(), file = path.join(folder, 'phony.env');
  fs.writeFileSync(file, 'TWILLIO_NUMBER=+12025550199\n');
  const phony = await startPhony({ folder, args: ['--config', file], settings: { ELEVENLABS_AGENT_ID: '' } });
  assert.ok(phony.log.find((l) => l.includes(`${file} has lines that are no settings of phony; they are ignored: TWILLIO_NUMBER (line 1)`)));
  assert.ok(phony.log.find((l) => /ELEVENLABS_AGENT_ID is not set: no call has a voice/.test(l)));
  assert.equal((await phony.stop()).code, 0);
});

test('started by root, phony asks for a user of its own', { skip: process.getuid() !== 0 && 'only root can try this' }, async () => {
  const folder = temporaryFolder(), env = { ...poorEnvironment(), ...settings({ port: await freePort(), folder }) };
  const { code, stderr } = await run(['run'], { ...env, RUN_AS: 'no-such-user' });
  assert.deepEqual([code, /^RUN_AS: there is no user no-such-user; make one \(adduser/m.test(stderr)], [78, true], stderr);
  assert.deepEqual(fs.readdirSync(folder), []);
  // What it makes belongs to that user, and what root has put there stays root's.
  const state = path.join(folder, 'state');
  const phony = await startPhony({ folder, keep: true });
  const owner = fs.statSync(state).uid;
  assert.notEqual(owner, 0);
  assert.notEqual(owner, 65534, 'nobody is for others, too');
  for (const name of fs.readdirSync(path.join(folder, 'run'))) assert.equal(fs.lstatSync(path.join(folder, 'run', name)).uid, owner, name);
  await phony.stop();
  // The lock file of a version that root made it in: in use it is respected, left behind it is replaced.
  const lock = path.join(folder, 'run', 'phony.lock');
  fs.rmSync(lock, { force: true });
  fs.writeFileSync(lock, '', { mode: 0o600 });
  const holder = start('flock', [lock, '-c', 'echo held; exec cat']);
  await once(holder.stdout, 'data');
  assert.match((await run(['run'], env)).stderr, /phony is already running/);
  holder.stdin.end();
  await holder.ended;
  await (await startPhony({ folder, keep: true })).stop();
  assert.equal(fs.statSync(lock).uid, owner);
  fs.writeFileSync(path.join(folder, 'roots'), 'x', { mode: 0o600 });
  fs.writeFileSync(path.join(state, 'roots'), 'x', { mode: 0o600 });
  fs.symlinkSync(path.join(folder, 'roots'), path.join(state, 'link'));
  await (await startPhony({ folder, keep: true })).stop();
  for (const file of [path.join(state, 'roots'), path.join(folder, 'roots')]) assert.equal(fs.statSync(file).uid, 0, file);
  // A folder of root's with something in it is not taken.
  fs.chownSync(state, 0, 0);
  const refused = await run(['run'], env);
  assert.deepEqual([refused.code, /STATE_DIR .* is root's and not empty: give it to the daemons' user/.test(refused.stderr)], [1, true], refused.stderr);
  assert.equal(fs.statSync(state).uid, 0);
  fs.rmSync(folder, { recursive: true });
});

test('wrong usage is 2, help is 0, for every program', async () => {
  for (const args of [[], ['fly'], ['run', 'now'], ['--nonsense'], ['status', '--foo'], ['status', '--check'], ['mcp', '--json'], ['upgrade', '--fix'], ['status', 'all'], ['debug', 'CA1', 'gdb', 'more']])
    assert.equal((await run(args, poorEnvironment())).code, 2, args.join(' '));
  assert.match((await run(['--help'], poorEnvironment())).stdout, /phony run[^]*TWILIO_NUMBER/);
  for (const name of ['voiced', 'smsd', 'mcpd', 'callworker']) {
    const { stdout } = await promisify(execFile)(bin(name), ['--help'], { env: poorEnvironment() });
    assert.match(stdout, new RegExp(`usage: ${name}`));
  }
  for (const name of ['phony', 'voiced', 'smsd', 'mcpd', 'callworker'])
    assert.match((await promisify(execFile)(bin(name), ['--version'], { env: poorEnvironment() })).stdout, new RegExp(`^${name} \\d+\\.\\d+\\.\\d+\n$`));
});

test('settings come from a file, too; the environment wins', async () => {
  const folder = temporaryFolder();
  const port = await freePort();
  const file = path.join(folder, 'phony.env');
  fs.writeFileSync(file, Object.entries(settings({ port, folder, LOG_FORMAT: 'json', LOG_LEVEL: 'debug' })).map(([k, v]) => `${k}="${v}"`).join('\n'));
  const child = start(bin('phony'), ['run', '--config', file], { env: { ...poorEnvironment(), LOG_LEVEL: 'info' }, cwd: '/' });
  let text = '';
  child.stderr.on('data', (d) => { text += d; });
  await until(() => text.includes('phony is ready'), 'ready');
  for (const line of text.trim().split('\n')) {
    const { time, level, process: name, message } = JSON.parse(line);
    assert.ok(time && name && message && level !== 'debug');
  }
  child.kill('SIGTERM');
  assert.equal((await child.ended).code, 0);
  fs.rmSync(folder, { recursive: true });
});

// MCP clients start phony in the folder that they were opened in, which may be anybody's.
test('no command reads a file of the current folder, unless it is named', async () => {
  const folder = temporaryFolder(), witness = path.join(folder, 'witness'), port = await freePort();
  for (const name of ['.env', 'phony.env', '.phony.env']) fs.writeFileSync(path.join(folder, name), `LOG_LEVEL=loud\nCALLWORKER_WRAPPER=touch ${witness};\nRUN_AS=root\n`);
  const own = temporaryFolder(), env = { ...poorEnvironment(), ...settings({ port, folder: own }) };
  assert.equal((await run(['run', '--check'], env, folder)).code, 0);
  assert.equal((await run(['run', '--check', '--config', '.env'], env, folder)).code, 78, 'named, it is read');
  for (const args of [['status'], ['stats'], ['upgrade'], ['doctor'], ['export']]) assert.doesNotMatch((({ stdout, stderr }) => stdout + stderr)(await run(args, env, folder)), /LOG_LEVEL/, args[0]);
  // The whole way: a client that asks brings an instance up.
  const client = start(bin('phony'), ['mcp'], { env: { ...env, IDLE_EXIT_SECONDS: '1' }, cwd: folder });
  let told = '';
  client.stdout.on('data', (d) => { told += d; });
  const say = (message) => client.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
  say({ id: 1, method: 'initialize', params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'test', version: '1' } } });
  say({ method: 'notifications/initialized' });
  say({ id: 2, method: 'tools/call', params: { name: 'phony_get_system_status', arguments: {} } });
  await until(() => /"id":2/.test(told), 'the answer');
  assert.doesNotMatch(told, /not configured|isError":true/);
  const config = await until(() => processes().find((p) => p.name === 'voiced'), 'voiced');
  assert.ok(config);
  client.stdin.end();
  await client.ended;
  await noProcesses();
  assert.equal(fs.existsSync(witness), false);
  for (const f of [folder, own]) fs.rmSync(f, { recursive: true });
});

test('the port is taken: a clear message, then another try', async () => {
  const port = await freePort();
  const squatter = net.createServer();
  await new Promise((done) => squatter.listen(port, '127.0.0.1', done));
  const phony = await startPhony({ port, wait: false });
  await phony.log.wait((l) => l.includes(`Port ${port} is already in use. Server may already be running.`), 'the message');
  assert.equal(pidOf('voiced'), undefined);
  squatter.close();
  await phony.log.wait((l) => l.includes('phony is ready'), 'the second try', 20000);
  assert.equal((await phony.stop()).code, 0);
  await noProcesses();
});

test('one instance for each RUN_DIR; status shows it', async () => {
  const phony = await startPhony();
  const second = await run(['run'], { ...phony.env, PORT: String(await freePort()) });
  assert.equal(second.code, 1);
  assert.match(second.stderr, /already running/);
  const { code, stdout } = await run(['status'], phony.env);
  assert.equal(code, 0);
  for (const name of ['phony', 'voiced', 'smsd', 'mcpd']) assert.match(stdout, new RegExp(`^${name} `, 'm'));
  const json = JSON.parse((await run(['status', '--json'], phony.env)).stdout);
  assert.deepEqual(json.processes.map((p) => [p.name, p.state]), [['voiced', 'up'], ['smsd', 'up'], ['mcpd', 'up']]);
  const stats = await run(['stats'], phony.env);
  assert.equal(stats.code, 0, stats.stderr);
  assert.match(stats.stdout, /^calls +0 \(0 placed, 0 came in\)\nanswered +0\ntalked +0:00:00\n$/);
  assert.equal(JSON.parse((await run(['stats', '--json'], phony.env)).stdout).data.calls, 0);
  await phony.stop();
  const after = await run(['status'], phony.env);
  assert.equal(after.code, 1);
  assert.match(after.stdout, /not running/);
  await noProcesses();
});

test('a killed daemon is started again; who connects meanwhile waits and is served', async () => {
  const phony = await startPhony();
  for (const name of ['smsd', 'mcpd', 'voiced', 'voiced']) {
    const pid = pidOf(name);
    process.kill(pid, 'SIGKILL');
    // At once, while it is down: the kernel holds the connection.
    const answer = await phony.api('GET', name === 'voiced' ? '/health' : name === 'smsd' ? '/api/sms/messages' : '/mcp');
    assert.ok([name === 'mcpd' ? 400 : 200, 503].includes(answer.status), answer.text); // at /mcp a session is asked for
    await until(() => pidOf(name) && pidOf(name) !== pid, `a new ${name}`);
    await phony.log.wait((l) => l.includes(`${name} was ended by SIGKILL`), 'the obituary');
  }
  // The same doors, the same number of processes: one of each.
  await until(() => ['phony', 'voiced', 'smsd', 'mcpd'].every((n) => processes().filter((p) => p.name === n).length === 1), 'one of each');
  assert.equal((await phony.stop()).code, 0);
  await noProcesses();
});

test('SIGTERM drains: no new calls, live ones go on, then the end', async () => {
  const agent = await startAgent(scenario);
  const carrier = await startCarrier({ default: { script: [] } });
  const phony = await startPhony({ sims: { carrier, agent }, settings: { DRAIN_SECONDS: '20' } });
  const { body } = await phony.call('+12025550121');
  await carrier.events.wait((e) => e.event === 'stream-open', 'the stream');
  phony.child.kill('SIGTERM');
  await phony.log.wait((l) => l.includes('draining: 1 live'), 'draining');
  assert.equal((await phony.call('+12025550122')).status, 503);
  assert.equal((await phony.api('GET', '/ready')).status, 503);
  assert.equal((await phony.api('GET', `/api/calls/${body.callSid}`)).body.isLive, true);
  carrier.command({ hangup: body.callSid });
  assert.deepEqual(await phony.ended, { code: 0, signal: null });
  assert.deepEqual([await agent.stop(), await carrier.stop()], [0, 0]);
  await noProcesses();
});

test('when the time to drain is over, live calls are hung up', async () => {
  const agent = await startAgent(scenario);
  const carrier = await startCarrier({ default: { script: [] } });
  const phony = await startPhony({ sims: { carrier, agent }, settings: { DRAIN_SECONDS: '1' } });
  const { body } = await phony.call('+12025550123');
  await carrier.events.wait((e) => e.event === 'stream-open', 'the stream');
  assert.deepEqual(await phony.stop(), { code: 0, signal: null });
  assert.equal(carrier.events.find((e) => e.event === 'call-ended' && e.callSid === body.callSid).status, 'completed');
  assert.deepEqual([await agent.stop(), await carrier.stop()], [0, 0]);
  await noProcesses();
});

test('a second SIGTERM ends at once, and leaves nothing behind', async () => {
  const agent = await startAgent(scenario);
  const carrier = await startCarrier({ default: { script: [] } });
  const phony = await startPhony({ sims: { carrier, agent }, settings: { DRAIN_SECONDS: '600' } });
  await phony.call('+12025550124');
  await carrier.events.wait((e) => e.event === 'stream-open', 'the stream');
  phony.child.kill('SIGTERM');
  await phony.log.wait((l) => l.includes('draining: 1 live'), 'draining');
  phony.child.kill('SIGTERM');
  const begun = Date.now();
  await phony.ended;
  assert.ok(Date.now() - begun < 3000);
  await noProcesses();
  assert.deepEqual([await agent.stop(), await carrier.stop()], [0, 0]);
});

test('the settings file breaks while phony runs: a daemon that is started again keeps the settings that were right', async () => {
  const folder = temporaryFolder(), port = await freePort(), file = path.join(folder, 'phony.env');
  const write = (more) => fs.writeFileSync(file, Object.entries(settings({ port, folder, ...more })).map(([k, v]) => `${k}=${v}`).join('\n'));
  write({});
  const child = start(bin('phony'), ['run', '--config', file], { env: poorEnvironment(), cwd: '/' });
  let text = '';
  child.stderr.on('data', (d) => { text += d; });
  await until(() => text.includes('phony is ready'), 'ready');
  for (const broken of [() => write({ TWILIO_NUMBER: 'none', PORT: '0', LOG_LEVEL: 'loud' }), () => fs.unlinkSync(file)]) {
    broken();
    for (const name of ['voiced', 'smsd', 'mcpd']) {
      const pid = pidOf(name), before = text.split(`${name} is ready`).length;
      process.kill(pid, 'SIGKILL');
      await until(() => text.split(`${name} is ready`).length > before, `${name} again`);
    }
    assert.equal((await fetch(`http://127.0.0.1:${port}/ready`)).status, 200);
  }
  assert.doesNotMatch(text, /TWILIO_NUMBER|refuses its configuration/);
  child.kill('SIGTERM');
  assert.equal((await child.ended).code, 0);
  await noProcesses();
  fs.rmSync(folder, { recursive: true });
});

test('what a daemon needs beside its settings goes away: it is tried again, the others go on, and it comes back', async () => {
  const folder = temporaryFolder(), prompt = path.join(folder, 'prompt.txt'), text = '{{systemInstructions}} {{callInstructions}}';
  fs.writeFileSync(prompt, text, { mode: 0o644 });
  const phony = await startPhony({ folder, settings: { PROMPT_FILE: prompt } });
  const others = [pidOf('smsd'), pidOf('mcpd')];
  fs.unlinkSync(prompt);
  process.kill(pidOf('voiced'), 'SIGKILL');
  await phony.log.wait((l) => l.includes('voiced refuses its configuration'), 'the refusal');
  await phony.log.wait((l) => /voiced is started again in [2-9]\d\d ms/.test(l), 'another try, later');
  fs.writeFileSync(prompt, text, { mode: 0o644 });
  await until(async () => (await phony.api('GET', '/ready').catch(() => ({}))).status === 200, 'it to be back');
  assert.deepEqual([pidOf('smsd'), pidOf('mcpd')], others);
  assert.equal((await phony.stop()).code, 0);
  await noProcesses();
});

test('a daemon that hangs is killed and started again; one that a debugger holds is left alone', async () => {
  const phony = await startPhony({ settings: { HEARTBEAT_SECONDS: '2' } });
  const held = pidOf('mcpd');
  const debug = process.getuid() === 0 && start('strace', ['-f', '-qq', '-o', '/dev/null', '-p', String(held)]);
  if (debug) await until(() => /TracerPid:\s*[1-9]/.test(fs.readFileSync(`/proc/${held}/status`, 'utf8')), 'the debugger');
  const stopped = { smsd: pidOf('smsd'), voiced: pidOf('voiced') };
  for (const pid of [...Object.values(stopped), ...(debug ? [held] : [])]) process.kill(pid, 'SIGSTOP');
  for (const [name, pid] of Object.entries(stopped)) {
    await phony.log.wait((l) => l.includes(`${name} has not answered for 2 s: it is killed`), `${name} to be missed`);
    await until(() => pidOf(name) && pidOf(name) !== pid, `a new ${name}`);
  }
  assert.equal((await phony.api('GET', '/api/sms/messages')).status, 200);
  if (debug) {
    await phony.log.wait((l) => l.includes(`process ${held} does not answer, and is held by a debugger`), 'the excuse');
    assert.equal(pidOf('mcpd'), held);
    process.kill(held, 'SIGCONT');
    debug.kill();
    await debug.ended;
  }
  // All of phony was stopped: nobody is to blame.
  const all = processes();
  for (const { pid } of all) process.kill(pid, 'SIGSTOP');
  await new Promise((done) => setTimeout(done, 2500)); // longer than the limit, in real time
  for (const { pid } of all.toReversed()) process.kill(pid, 'SIGCONT');
  assert.equal((await phony.api('GET', '/ready')).status, 200);
  const missed = (l) => /has not answered/.test(l);
  assert.equal(phony.log.filter(missed).length, 2);
  assert.equal((await phony.stop()).code, 0);
  await noProcesses();
});

// What a terminal does: SIGINT for everybody in the foreground, a process group; and, harder, for each process.
test('Ctrl-C in the foreground: phony drains, the calls go on', async () => {
  const agent = await startAgent(scenario);
  const carrier = await startCarrier({ default: { script: [] } });
  for (const everybody of [false, true]) {
    const phony = await startPhony({ sims: { carrier, agent }, settings: { DRAIN_SECONDS: '20' }, detached: true });
    const { body } = await phony.call(everybody ? '+12025550125' : '+12025550126');
    await carrier.events.wait((e) => e.event === 'stream-open' && e.callSid === body.callSid, 'the stream');
    if (everybody) for (const { pid } of processes().toReversed()) process.kill(pid, 'SIGINT');
    else process.kill(-phony.child.pid, 'SIGINT');
    await phony.log.wait((l) => l.includes('draining: 1 live'), 'draining');
    assert.equal((await phony.api('GET', `/api/calls/${body.callSid}`)).body.isLive, true);
    assert.ok(!carrier.events.find((e) => e.event === 'stream-closed' && e.callSid === body.callSid));
    carrier.command({ hangup: body.callSid });
    assert.deepEqual(await phony.ended, { code: 0, signal: null });
    fs.rmSync(phony.folder, { recursive: true });
  }
  assert.equal(carrier.events.filter((e) => e.event === 'stream-open').length, 2);
  assert.deepEqual([await agent.stop(), await carrier.stop()], [0, 0]);
  await noProcesses();
});
