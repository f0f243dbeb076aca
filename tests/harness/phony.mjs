// Starts the real programs on free ports in a temporary folder, waits on
// conditions, and ends everything that was started.
import assert from 'node:assert/strict';
import { spawn, execFileSync } from 'node:child_process';
import crypto from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import readline from 'node:readline';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
export const root = path.resolve(here, '../..');
export const build = path.resolve(root, process.env.BUILD ?? 'build');
export const bin = (name) => path.join(build, 'bin', name);

export const account = {
  sid: 'AC00000000000000000000000000000001',
  token: '0123456789abcdef0123456789abcdef',
  number: '+12025550143',
};

const started = new Set();
// Those that are there still: the end of one may be another's.
export const killAll = (pids) => { for (const pid of pids) try { process.kill(pid, 'SIGKILL'); } catch {} };
// Everything this file has started, the programs' own children too.
export function endAll() {
  killAll([...started].map((child) => child.pid));
  killAll(processes().map((p) => p.pid));
}
// Nothing outlives its test file, neither after a failure nor when the file is cut off.
process.on('exit', endAll);
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => process.exit(1));

// A port that is still free when its program comes to it: outside the range from which the kernel gives ports to those
// who connect, and not of another lane (tests/run.sh).
const PORTS = { first: 10000, each: 3000 };
const lane = Number(process.env.LANE ?? 3);
let asked = crypto.randomInt(PORTS.each);
export async function freePort() {
  for (;;) {
    const port = PORTS.first + lane * PORTS.each + asked++ % PORTS.each;
    const server = net.createServer();
    const free = await new Promise((done) => server.once('error', () => done(false)).listen(port, '127.0.0.1', () => done(true)));
    if (!free) continue;
    await new Promise((done) => server.close(done));
    return port;
  }
}

export function temporaryFolder() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'phony-test-'));
  fs.chmodSync(folder, 0o711); // started as root, the daemons are somebody else
  return folder;
}

// A list that grows, and promises for what is to come.
export class Log {
  items = [];
  waiters = new Set();
  push(item) {
    this.items.push(item);
    for (const waiter of this.waiters) waiter(item);
  }
  find(matches) { return this.items.find(matches); }
  filter(matches) { return this.items.filter(matches); }
  // The first item, of the past or the future, that matches.
  wait(matches, what = String(matches), ms = 20000) {
    const found = this.items.find(matches);
    if (found !== undefined) return Promise.resolve(found);
    return new Promise((done, fail) => {
      const waiter = (item) => {
        if (!matches(item)) return;
        clearTimeout(timer);
        this.waiters.delete(waiter);
        done(item);
      };
      const timer = setTimeout(() => {
        this.waiters.delete(waiter);
        const last = this.items.slice(-12).map((i) => (typeof i === 'string' ? i : JSON.stringify(i)).slice(0, 300));
        fail(new Error(`waited ${ms} ms in vain for ${what}; the last of ${this.items.length}:\n${last.join('\n')}`));
      }, ms);
      this.waiters.add(waiter);
    });
  }
}

export async function until(check, what, ms = 15000, every = 20) {
  const end = Date.now() + ms;
  for (;;) {
    const value = await check();
    if (value) return value;
    if (Date.now() > end) throw new Error(`waited ${ms} ms in vain for ${what}`);
    await new Promise((done) => setTimeout(done, every));
  }
}

export function start(program, args, options = {}) {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], ...options });
  started.add(child);
  child.ended = new Promise((done) => child.on('exit', (code, signal) => {
    started.delete(child);
    done({ code, signal });
  }));
  child.on('error', (error) => { throw error; });
  return child;
}

function lines(stream, log, parse) {
  readline.createInterface({ input: stream }).on('line', (line) => log.push(parse ? JSON.parse(line) : line));
}

// A simulator: its events as they are reported, its port, commands, and its end.
export async function startSim(name, scenario, args = []) {
  const folder = temporaryFolder();
  const file = path.join(folder, 'scenario.json');
  fs.writeFileSync(file, JSON.stringify(scenario));
  const child = start(bin(name), ['--scenario', file, ...args]);
  const events = new Log();
  const errors = new Log();
  lines(child.stdout, events, true);
  lines(child.stderr, errors, false);
  const listening = await Promise.race([
    events.wait((e) => e.event === 'listening', `${name} listening`),
    child.ended.then(() => { throw new Error(`${name} ended: ${errors.items.join('\n')}`); }),
  ]);
  let stopping = false;
  child.ended.then((end) => { if (!stopping) console.error(`${name} ended before its time: ${JSON.stringify(end)}\n${errors.items.join('\n')}`); });
  return {
    port: listening.port,
    events,
    url: `http://127.0.0.1:${listening.port}`,
    command: (c) => child.stdin.write(`${JSON.stringify(c)}\n`),
    // The exit code: 1 after a violation, whose words are in `events`.
    async stop() {
      stopping = true;
      child.stdin.end();
      const { code, signal } = await child.ended;
      fs.rmSync(folder, { recursive: true, force: true });
      if (!child.stdout.closed) await once(child.stdout, 'close'); // its last events
      const violations = events.filter((e) => e.event === 'violation').map((e) => JSON.stringify(e));
      if (code !== 0) console.error(`${name} ended with ${signal ?? code}:\n${(violations.length ? violations : errors.items).join('\n')}`);
      return signal ?? code;
    },
  };
}

export const startCarrier = (scenario, args = []) => startSim('sim-carrier', {
  accountSid: account.sid, authToken: account.token, numbers: [account.number], ...scenario,
}, ['--spec', path.join(root, 'tests/sim/data/twilio_api_v2010_subset.json'), ...args]);

export const startAgent = (scenario, args = []) => startSim('sim-agent', scenario, args);

// A MongoDB server of one's own, to be killed and started again.
export async function startMongo() {
  const folder = temporaryFolder();
  const port = await freePort();
  let child;
  const mongo = {
    url: `mongodb://127.0.0.1:${port}/phony`,
    folder,
    async start() {
      const log = fs.openSync(path.join(folder, 'server.log'), 'a', 0o600);
      child = start(path.join(root, 'tests/mongo/serve.sh'), [String(port), folder], { stdio: ['ignore', log, log] });
      fs.closeSync(log);
      await until(() => new Promise((done) => {
        const socket = net.connect(port, '127.0.0.1', () => { socket.destroy(); done(true); });
        socket.on('error', () => done(false));
      }), 'the MongoDB server');
    },
    async kill() {
      child.kill('SIGKILL');
      await child.ended;
    },
    pause: () => child.kill('SIGSTOP'),
    resume: () => child.kill('SIGCONT'),
    async stop({ keep = false } = {}) {
      await mongo.kill();
      if (!keep) fs.rmSync(folder, { recursive: true, force: true });
    },
  };
  await mongo.start();
  return mongo;
}

export function settings({ carrier, agent, port, folder, apiKey = 'xi-test-key-0001', ...more }) {
  const scheme = agent?.tls ? 's' : '';
  return {
    PUBLIC_URL: `http://127.0.0.1:${port}`,
    PORT: String(port),
    TWILIO_ACCOUNT_SID: account.sid,
    TWILIO_AUTH_TOKEN: account.token,
    TWILIO_NUMBER: account.number,
    TWILIO_API_URL: carrier ? carrier.url : 'http://127.0.0.1:9',
    ELEVENLABS_API_KEY: apiKey,
    ELEVENLABS_AGENT_ID: 'agent-test',
    ELEVENLABS_API_URL: `http${scheme}://127.0.0.1:${agent?.port ?? 9}`,
    ELEVENLABS_WEBSOCKET_URL: `ws${scheme}://127.0.0.1:${agent?.port ?? 9}/v1/convai/conversation`,
    OPENAI_API_KEY: 'sk-test-key-0001',
    OPENAI_WEBSOCKET_URL: `ws${scheme}://127.0.0.1:${agent?.port ?? 9}/v1/realtime`,
    VOICE_PROVIDER: 'elevenlabs',
    STATE_DIR: path.join(folder, 'state'),
    RUN_DIR: path.join(folder, 'run'),
    QUIET_HOURS: 'off',
    MAX_CALLS_PER_HOUR: '10000',
    MAX_CALLS_PER_DAY: '10000',
    MAX_CONCURRENT_CALLS: '100',
    MAX_CONCURRENT_OUTGOING_CALLS: '100',
    ...more,
  };
}

export const poorEnvironment = () => ({
  PATH: process.env.PATH,
  HOME: process.env.HOME ?? '/tmp',
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => /^(ASAN|UBSAN|LSAN)_OPTIONS$/.test(name))),
});

// The whole tree, by `phony run`.
export async function startPhony(options = {}) {
  const folder = options.folder ?? temporaryFolder();
  const port = options.port ?? await freePort();
  const env = { ...poorEnvironment(), ...settings({ ...options.sims, port, folder, ...options.settings }) };
  for (const name of options.without ?? []) delete env[name]; // a file has it
  const command = [...(options.wrapper ?? []), options.program ?? bin('phony'), 'run', ...(options.args ?? [])];
  const child = start(command[0], command.slice(1), { env, cwd: folder, detached: options.detached ?? false });
  const log = new Log();
  lines(child.stderr, log, false);
  child.stdout.resume();
  if (process.env.SHOW_LOG) child.stderr.pipe(process.stderr);
  const ended = child.ended.then((end) => { log.push(`ENDED ${JSON.stringify(end)}`); return end; });
  if (options.wait !== false)
    await log.wait((line) => line.includes('phony is ready') || line.startsWith('ENDED'), 'phony to be ready', 30000);
  const phony = {
    child, log, folder, port, env, ended,
    get token() { return env.API_TOKEN ?? fs.readFileSync(path.join(folder, 'state/api-token'), 'utf8'); },
    async api(method, target, body, headers = {}) {
      const answer = await fetch(`http://127.0.0.1:${port}${target}`, {
        method,
        headers: { authorization: `Bearer ${phony.token}`, 'content-type': 'application/json', ...headers },
        body: body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body),
      });
      const text = await answer.text();
      let json;
      try { json = JSON.parse(text); } catch {}
      return { status: answer.status, body: json, text, headers: answer.headers };
    },
    call: (toNumber, more = {}) => phony.api('POST', '/api/calls', {
      toNumber, systemInstructions: 'You are a polite assistant.', callInstructions: 'Say hello.', ...more,
    }),
    // The call once it is over: nothing more will happen to it.
    over: (sid, ms = 30000) => until(async () => {
      const { body } = await phony.api('GET', `/api/calls/${sid}`);
      return body && body.isLive === false ? body : null;
    }, `call ${sid} to be over`, ms),
    async stop(signal = 'SIGTERM') {
      keepsSecrets(phony);
      child.kill(signal);
      const timer = setTimeout(() => child.kill('SIGKILL'), 60000);
      const end = await child.ended;
      clearTimeout(timer);
      if (!options.keep) fs.rmSync(folder, { recursive: true, force: true });
      return end;
    },
  };
  return phony;
}

// What was configured as secret is nowhere else: no log line, argument, worker's environment, file, or field of the
// database. Asked at each end of a tree, so of everything that all tests do.
function keepsSecrets({ env, log, folder }) {
  const token = path.join(folder, 'state/api-token');
  const secrets = [env.TWILIO_AUTH_TOKEN, env.ELEVENLABS_API_KEY, env.OPENAI_API_KEY, env.API_TOKEN ?? (fs.existsSync(token) ? fs.readFileSync(token, 'utf8') : undefined), 'cvtkn_']
    .filter((s) => s?.length > 5);
  const look = (where, text) => {
    for (const secret of secrets) assert.ok(!text.includes(secret), `a secret (${secret.slice(0, 4)}…) stands in ${where}: ${text.slice(Math.max(0, text.indexOf(secret) - 100), text.indexOf(secret))}…`);
  };
  for (const line of log.items) look('the log', line);
  for (const { pid, name, title } of processes()) {
    look(`the arguments of ${name}`, title);
    try { if (name === 'callworker') look("a callworker's environment", fs.readFileSync(`/proc/${pid}/environ`, 'utf8')); } catch {}
  }
  const state = path.join(folder, 'state');
  for (const entry of fs.existsSync(state) ? fs.readdirSync(state, { recursive: true, withFileTypes: true }) : []) {
    const file = path.join(entry.parentPath, entry.name);
    const stat = fs.statSync(file, { throwIfNoEntry: false });
    if (!stat) continue;
    assert.equal(stat.mode & 0o077, 0, `${file} is open to others: ${(stat.mode & 0o777).toString(8)}`);
    if (entry.isFile() && entry.name !== 'api-token' && stat.size < 64 << 20) look(file, fs.readFileSync(file, 'latin1'));
  }
}

// Every process of our programs that runs now: [{pid, name, title}].
export function processes() {
  const found = [];
  for (const entry of fs.readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const exe = fs.readlinkSync(`/proc/${entry}/exe`).replace(/ \(deleted\)$/, ''); // one of before an upgrade
      const ours = ['phony', 'voiced', 'smsd', 'mcpd', 'callworker'].find((name) => exe === bin(name));
      if (!ours) continue;
      const title = fs.readFileSync(`/proc/${entry}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      // Whose it is, where its environment says so (a worker has none).
      const environment = fs.readFileSync(`/proc/${entry}/environ`, 'utf8').split('\0');
      const runDir = environment.find((e) => e.startsWith('RUN_DIR='))?.slice(8);
      found.push({ pid: Number(entry), name: ours, title, runDir });
    } catch {}
  }
  return found;
}

export const noProcesses = () => until(() => processes().length === 0, 'every process to have ended', 10000)
  .catch((error) => { throw new Error(`${error.message}: ${JSON.stringify(processes())}`); });

// Ends the tree and its simulators: nothing was violated, nothing is left, no error is in the log.
export async function endWell({ phony, agent, carrier }) {
  const end = await phony.stop();
  const codes = [await agent.stop(), await carrier.stop()];
  assert.deepEqual([...agent.events.items, ...carrier.events.items].filter((e) => e.event === 'violation'), []);
  assert.deepEqual(codes, [0, 0], 'the simulators saw no violation');
  assert.deepEqual(end, { code: 0, signal: null });
  await noProcesses();
  assert.deepEqual(phony.log.filter((line) => / error |Sanitizer|runtime error/.test(line)), []);
}

// Speech, made once: a WAV of this text at the rate, or a path with %d for the rate.
const rates = [8000, 16000, 22050, 24000, 44100, 48000];
export function speech(text, { voice = 'en', speed = 190 } = {}) {
  const folder = path.resolve(root, 'build/sounds');
  const name = crypto.createHash('sha1').update(JSON.stringify([text, voice, speed])).digest('hex').slice(0, 16);
  const pattern = path.join(folder, `${name}-%d.wav`);
  const files = Object.fromEntries(rates.map((rate) => [rate, pattern.replace('%d', rate)]));
  if (!fs.existsSync(files[8000])) {
    fs.mkdirSync(folder, { recursive: true });
    const raw = path.join(folder, `${name}-raw-${process.pid}.wav`);
    execFileSync('espeak-ng', ['-v', voice, '-s', String(speed), '-w', raw, text]);
    for (const rate of rates.toReversed()) {
      const made = `${files[rate]}.${process.pid}.wav`;
      execFileSync('sox', ['-D', raw, '-r', String(rate), '-c', '1', '-b', '16', made, 'gain', '-n', '-6', 'pad', '0', '0.1']);
      fs.renameSync(made, files[rate]);
    }
    fs.rmSync(raw);
  }
  return { pattern, at: (rate) => files[rate] };
}
