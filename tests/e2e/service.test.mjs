// Life as a service: installed, started by its script, told to a service manager, documented as it is.
import assert from 'node:assert/strict';
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, test } from 'node:test';
import { promisify } from 'node:util';
import Ajv from 'ajv';
import { bin, endAll, freePort, noProcesses, poorEnvironment, root, settings, startAgent, startCarrier, startPhony, temporaryFolder, until } from '../harness/phony.mjs';
import { sources } from '../bench/screens.mjs';

afterEach((t) => { if (t.error) endAll(); });

const run = promisify(execFile);
const manual = (name) => fs.readFileSync(path.join(root, 'etc/man', name), 'utf8');

test('make install puts everything in its place, make uninstall leaves nothing', () => {
  const folder = temporaryFolder(), from = path.relative(root, path.dirname(bin('x'))).replace(/\/bin$/, '');
  const make = (target) => execFileSync('make', ['-s', '-o', 'all', target, `DESTDIR=${folder}`, 'PREFIX=/usr', `BUILD=${from}`], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
  make('install');
  const there = () => fs.readdirSync(folder, { recursive: true, withFileTypes: true }).filter((e) => e.isFile()).map((e) => path.join(e.parentPath, e.name).slice(folder.length));
  for (const file of ['/usr/bin/phony', '/usr/bin/callworker', '/usr/share/man/man1/phony.1', '/usr/share/man/man5/phony.env.5', '/etc/init.d/phony', '/lib/systemd/system/phony.service', '/lib/systemd/system/phony.socket',
    '/etc/logrotate.d/phony', '/usr/lib/sysusers.d/phony.conf', '/usr/share/bash-completion/completions/phony', '/usr/share/doc/phony/phony.env.example']) assert.ok(there().includes(file), file);
  assert.match(execFileSync(path.join(folder, 'usr/bin/phony'), ['--help'], { encoding: 'utf8' }), /usage: phony run/);
  const unit = path.join(folder, 'phony.service');
  fs.writeFileSync(unit, fs.readFileSync(path.join(folder, 'lib/systemd/system/phony.service'), 'utf8').replace('=/usr/bin/', `=${folder}/usr/bin/`));
  const verified = spawnSync('systemd-analyze', ['verify', '--man=no', unit, path.join(folder, 'lib/systemd/system/phony.socket')], { encoding: 'utf8' });
  assert.deepEqual([verified.status, verified.stderr], [0, '']);
  // Calls outlive the supervisor, and one that the kernel kills for its memory is one call; nothing gives what is in the folders away.
  const service = fs.readFileSync(unit, 'utf8');
  for (const line of ['KillMode=process', 'OOMPolicy=continue', 'Restart=always']) assert.match(service, new RegExp(`^${line}$`, 'm'));
  assert.doesNotMatch(service, /^(State|Runtime)Directory=/m);
  fs.unlinkSync(unit);
  make('uninstall');
  assert.deepEqual(there(), []);
  fs.rmSync(folder, { recursive: true });
});

test('the init script: start, status, reload, restart, stop; wrong words', async () => {
  const folder = temporaryFolder(), port = await freePort(), script = path.join(root, 'etc/init.d/phony');
  const env = { ...poorEnvironment(), ...settings({ port, folder }), DAEMON: bin('phony'), LOG: path.join(folder, 'phony.log') };
  const call = (word) => run(script, [word], { env, timeout: 90000 }).then(({ stdout }) => ({ code: 0, stdout }), (error) => ({ code: error.code, stdout: error.stdout }));
  const pid = () => /^phony .*pid (\d+)/m.exec(spawnSync(bin('phony'), ['status'], { env, encoding: 'utf8' }).stdout)?.[1];
  assert.equal((await call('status')).code, 3);
  assert.equal((await call('start')).code, 0);
  const first = pid();
  assert.ok(first);
  assert.equal((await call('start')).code, 0, 'it runs already');
  assert.equal(pid(), first);
  assert.equal((await call('status')).code, 0);
  assert.equal((await call('reload')).code, 0);
  assert.equal(pid(), first, 'the same process goes on');
  assert.equal((await call('restart')).code, 0);
  assert.notEqual(pid(), first);
  assert.equal((await call('dance')).code, 2);
  assert.equal((await call('stop')).code, 0);
  assert.equal((await call('stop')).code, 0, 'it has ended already');
  await noProcesses();
  assert.match(fs.readFileSync(env.LOG, 'utf8'), /phony is ready/);
  fs.rmSync(folder, { recursive: true });
});

test('a service manager is told: ready, alive, reloading, ready, stopping', { skip: spawnSync('python3', ['--version']).status !== 0 && 'Python is not here to listen to datagrams' }, async () => {
  const folder = temporaryFolder(), name = path.join(folder, 'notify'), told = path.join(folder, 'told');
  const listener = execFile('python3', ['-c', 'import socket,sys\ns=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM)\ns.bind(sys.argv[1])\nf=open(sys.argv[2],"w")\nwhile True:\n print(s.recv(4096).decode().replace("\\n"," "),file=f,flush=True)', name, told]);
  await until(() => fs.existsSync(name), 'the listener');
  const heard = () => fs.readFileSync(told, 'utf8').split('\n');
  const carrier = await startCarrier({ default: { script: [] } });
  const phony = await startPhony({ sims: { carrier }, settings: { NOTIFY_SOCKET: name, WATCHDOG_USEC: '300000' } });
  await until(() => heard().includes('READY=1') && heard().filter((l) => l === 'WATCHDOG=1').length > 3, 'ready and alive');
  await run(bin('phony'), ['upgrade'], { env: phony.env, cwd: phony.folder });
  await until(() => heard().filter((l) => l === 'READY=1').length === 2, 'ready again');
  assert.ok(heard().some((l) => /^RELOADING=1 MONOTONIC_USEC=\d+$/.test(l)));
  await phony.stop();
  // And how long it may take, whatever the manager's own limit.
  assert.ok(heard().includes('STOPPING=1 EXTEND_TIMEOUT_USEC=90000000'));
  listener.kill();
  assert.equal(await carrier.stop(), 0);
  await noProcesses();
});

test('socket activation: the first connection starts phony, and is answered', async () => {
  const port = await freePort(), carrier = await startCarrier({ default: { script: [] } });
  const phony = await startPhony({ sims: { carrier }, port, wrapper: ['systemd-socket-activate', '-l', `127.0.0.1:${port}`, '--fdname=http', ...['STATE_DIR', 'RUN_DIR', 'PORT', 'PUBLIC_URL', 'TWILIO_ACCOUNT_SID', 'TWILIO_AUTH_TOKEN', 'TWILIO_NUMBER', 'TWILIO_API_URL', 'ELEVENLABS_AGENT_ID'].flatMap((name) => ['-E', name])], wait: false });
  await phony.log.wait((l) => /Listening on/.test(l), 'the port');
  assert.equal((await fetch(`http://127.0.0.1:${port}/health`)).status, 200);
  assert.ok(!phony.log.find((l) => /already in use/.test(l)));
  // A new program keeps the port, too.
  await run(bin('phony'), ['upgrade'], { env: phony.env, cwd: phony.folder });
  assert.equal((await fetch(`http://127.0.0.1:${port}/health`)).status, 200);
  assert.equal((await phony.stop()).code, 0);
  assert.equal(await carrier.stop(), 0);
  await noProcesses();
});

test('what is documented is there, and what is there is documented', () => {
  const help = execFileSync(bin('phony'), ['--help'], { encoding: 'utf8' });
  const usage = help.slice(0, help.indexOf('\nSettings'));
  const table = [...fs.readFileSync(path.join(root, 'lib/config/settings.h'), 'utf8').matchAll(/SETTING\([^"]*"([A-Z_]+)"/g)].map((m) => m[1]).toSorted();
  assert.deepEqual([...help.matchAll(/^ {2}([A-Z][A-Z_]+) /gm)].map((m) => m[1]).toSorted(), table, '--help');
  assert.deepEqual([...manual('phony.env.5').matchAll(/^\.It Ev ([A-Z_]+)$/gm)].map((m) => m[1]).toSorted(), table, 'phony.env(5)');
  const example = fs.readFileSync(path.join(root, 'etc/phony.env.example'), 'utf8');
  for (const [, name] of example.matchAll(/^#?([A-Z_]+)=/gm)) assert.ok(table.includes(name), `phony.env.example: ${name}`);
  const commands = [...usage.matchAll(/phony ([a-z-]+)/g)].map((m) => m[1]).filter((c) => !c.startsWith('-')).toSorted();
  const page = manual('phony.1');
  for (const command of commands) {
    assert.match(page, new RegExp(`^\\.(It|Cm) .*\\b${command}\\b|^\\.It Cm ${command}`, 'm'), `phony(1): ${command}`);
    assert.match(fs.readFileSync(path.join(root, 'etc/completion/phony'), 'utf8'), new RegExp(`[' ]${command} `), `completion: ${command}`);
  }
  for (const name of ['voiced', 'smsd', 'mcpd']) {
    const options = [...execFileSync(bin(name), ['--help'], { encoding: 'utf8' }).split('\nSettings')[0].matchAll(/^ {2}--([a-z]+)/gm)].map((m) => m[1]);
    for (const option of options) assert.match(manual(`${name}.8`), new RegExp(`-${option}\\b`), `${name}(8): --${option}`);
  }
  const readme = fs.readFileSync(path.join(root, 'README.md'), 'utf8');
  const tools = JSON.parse(fs.readFileSync(path.join(root, 'mcpd/features/tools.json'), 'utf8'));
  for (const tool of tools.tools ?? tools) assert.ok(readme.includes(tool.name), `README: ${tool.name}`);
  assert.equal(fs.readFileSync(path.join(root, 'docs/screens/made-from'), 'utf8').trim(), sources(), 'docs/screens show older pages: run `make screens`');
  const lint = spawnSync('mandoc', ['-Tlint', '-Wwarning', ...fs.readdirSync(path.join(root, 'etc/man')).map((n) => path.join(root, 'etc/man', n))], { encoding: 'utf8' });
  assert.deepEqual(lint.stdout.split('\n').filter((l) => /WARNING|ERROR/.test(l)), []);
});

test('phony debug attaches to the process of one call, which goes on', { skip: process.getuid() !== 0 && 'attaching needs root' }, async () => {
  const agent = await startAgent({ apiKey: 'xi-test-key-0001', agents: { 'agent-test': { script: [{ pause_ms: 60000 }] } } });
  const carrier = await startCarrier({ default: { script: [] } });
  const phony = await startPhony({ sims: { carrier, agent } });
  const { callSid } = (await phony.call('+12025550131')).body;
  await carrier.events.wait((e) => e.event === 'stream-open', 'the stream');
  const command = (...args) => spawnSync(bin('phony'), ['debug', ...args], { env: phony.env, encoding: 'utf8', timeout: 2500, killSignal: 'SIGINT' });
  assert.match(command(callSid).stderr, /recvfrom|read\(|poll/);
  assert.equal((await phony.api('GET', `/api/calls/${callSid}`)).body.isLive, true);
  assert.deepEqual([command(`CA${'0'.repeat(32)}`).status, command().status, command(callSid, 'emacs').status], [1, 2, 2]);
  await phony.api('POST', `/api/calls/${callSid}/hangup`);
  await phony.over(callSid);
  await phony.stop();
  assert.deepEqual([await agent.stop(), await carrier.stop()], [0, 0]);
  await noProcesses();
});

// What the registry of MCP servers accepts (the schema that $schema names, 2025-12-11), of the parts that phony writes.
const text = (maxLength) => ({ type: 'string', minLength: 1, maxLength });
const exactly = (properties) => ({ type: 'object', required: Object.keys(properties), additionalProperties: false, properties });
const SERVER_JSON = exactly({
  $schema: { const: 'https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json' },
  name: { type: 'string', minLength: 3, maxLength: 200, pattern: '^[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+$' },
  title: text(100),
  description: text(100),
  version: text(255),
  remotes: {
    type: 'array',
    items: exactly({
      type: { const: 'streamable-http' },
      url: { type: 'string', pattern: '^https?://[^\\s]+$' },
      headers: { type: 'array', items: exactly({ name: text(100), description: text(200), isRequired: { type: 'boolean' }, isSecret: { type: 'boolean' } }) },
    }),
  },
});

test('phony mcp-config prints what each client reads', () => {
  for (const [client, servers] of [['claude-desktop', 'mcpServers'], ['claude-code', 'mcpServers'], ['cursor', 'mcpServers'], ['vscode', 'servers']]) {
    const entry = JSON.parse(execFileSync(bin('phony'), ['mcp-config', client], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));
    assert.deepEqual(entry[servers].phony.args, ['mcp']);
    assert.ok(fs.existsSync(entry[servers].phony.command));
  }
  const registry = (PUBLIC_URL) => spawnSync(bin('phony'), ['mcp-config', 'registry'], { encoding: 'utf8', cwd: '/', env: { PUBLIC_URL } });
  const entry = JSON.parse(registry('https://phone.example.com:8443').stdout);
  assert.deepEqual([entry.name, entry.remotes[0].type, entry.remotes[0].url, entry.remotes[0].headers[0].name], ['com.example.phone/phony', 'streamable-http', 'https://phone.example.com:8443/mcp', 'Authorization']);
  const valid = new Ajv().compile(SERVER_JSON);
  assert.ok(valid(entry), JSON.stringify(valid.errors));
  assert.match(entry.version, /^\d+\.\d+\.\d+$/);
  assert.match(fs.readFileSync(path.join(root, 'etc/debian/changelog'), 'utf8'), new RegExp(`^phony \\(${entry.version}\\)`));
  assert.deepEqual([registry('http://127.0.0.1:3004').status, registry('').status], [78, 78]);
  assert.equal(spawnSync(bin('phony'), ['mcp-config', 'elsewhere']).status, 2);
  assert.equal(spawnSync(bin('phony'), ['mcp-config', 'cursor', '--config', '/nowhere']).status, 1);
});
