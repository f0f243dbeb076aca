// `make bench`: phony and a plain Node.js bridge under the same load, one after
// the other in the same run. Prints figures and ratios; asserts nothing.
//   CALLS=50 SECONDS=10 make bench
import fs from 'node:fs';
import path from 'node:path';
import { bin, freePort, Log, poorEnvironment, processes, root, settings, start, startAgent, startCarrier, startPhony, temporaryFolder, until } from '../harness/phony.mjs';

const CALLS = Number(process.env.CALLS ?? 50);
const SECONDS = Number(process.env.SECONDS ?? 10);
const number = (i) => `+1404555${String(i).padStart(4, '0')}`;
const percentile = (values, share) => (values.length ? values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] : NaN);
const cpuMs = (pid) => { try { return Number(fs.readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6; } catch { return 0; } };
function memory(pid) {
  const text = fs.readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const of = (name) => Number(text.match(new RegExp(`^${name}:\\s+(\\d+)`, 'm'))[1]);
  return { private: of('Private_Clean') + of('Private_Dirty'), proportional: of('Pss') };
}

async function load(name, format, open) {
  const agent = await startAgent({ ...(name === 'phony' ? { apiKey: 'xi-test-key-0001' } : {}), agents: { 'agent-test': { mode: 'echo', takes: format, gives: format } } });
  const carrier = await startCarrier({ default: { mode: 'stamp', seconds: SECONDS } });
  const target = await open({ agent, carrier });
  for (let i = 0; i < CALLS; i++) {
    await target.call(number(i));
    await new Promise((done) => setTimeout(done, 20));
  }
  await until(() => carrier.events.filter((e) => e.event === 'stream-open').length === CALLS, 'all streams', 60000);
  const cpuNow = () => target.pids().reduce((sum, pid) => sum + cpuMs(pid), 0);
  const [before, since] = [cpuNow(), performance.now()];
  await new Promise((done) => setTimeout(done, SECONDS * 500));
  const cpu = (cpuNow() - before) / ((performance.now() - since) / 1000);
  const sizes = target.workers().map(memory);
  const idle = target.base().map(memory).reduce((sum, m) => sum + m.private, 0);
  await until(() => carrier.events.filter((e) => e.event === 'stream-closed').length === CALLS, 'all ends', 60000);
  await until(() => agent.events.filter((e) => e.event === 'ended').length === CALLS, 'all conversations to end', 60000);
  const ends = carrier.events.filter((e) => e.event === 'stream-closed');
  const talks = agent.events.filter((e) => e.event === 'ended');
  await target.stop();
  await agent.stop();
  await carrier.stop();
  const sum = (list, field) => list.reduce((total, e) => total + e[field], 0);
  return {
    cpu: cpu / CALLS,
    private: sizes.reduce((s, m) => s + m.private, 0) / (target.shared ? 1 : sizes.length),
    proportional: sizes.reduce((s, m) => s + m.proportional, 0) / (target.shared ? 1 : sizes.length),
    shared: target.shared, idle,
    accept: carrier.events.filter((e) => e.event === 'stream-open').map((e) => e.acceptUs),
    toAgent: talks.flatMap((e) => e.delaysUs), toCaller: ends.flatMap((e) => e.delaysUs),
    lost: sum(ends, 'lost') + sum(talks, 'lost'), reordered: sum(ends, 'reordered') + sum(talks, 'reordered'),
  };
}

async function phony(sims) {
  const tree = await startPhony({ sims, settings: { MAX_CONCURRENT_CALLS: '1000', MAX_CONCURRENT_OUTGOING_CALLS: '1000', LOG_LEVEL: 'warn' }, wait: false });
  await until(async () => { try { return (await tree.api('GET', '/ready')).status === 200; } catch { return false; } }, 'phony');
  const all = () => processes().filter((p) => p.name === 'callworker' || p.name === 'voiced');
  return {
    shared: false,
    pids: () => all().map((p) => p.pid),
    workers: () => all().filter((p) => /live/.test(p.title)).map((p) => p.pid),
    base: () => all().filter((p) => p.name === 'voiced').map((p) => p.pid),
    call: (to) => tree.call(to), stop: () => tree.stop(),
  };
}

async function bridge(sims) {
  const port = await freePort();
  const folder = temporaryFolder();
  const child = start(process.execPath, [path.join(root, 'tests/bench/bridge.mjs')], { env: { ...poorEnvironment(), ...settings({ ...sims, port, folder }) } });
  const log = new Log();
  child.stderr.on('data', (d) => log.push(String(d)));
  await log.wait((l) => l.includes('ready'), 'the bridge');
  return {
    shared: true, pids: () => [child.pid], workers: () => [child.pid], base: () => [],
    call: (to) => fetch(`http://127.0.0.1:${port}/api/calls`, { method: 'POST', body: JSON.stringify({ toNumber: to }) }),
    stop: async () => { child.kill(); await child.ended; fs.rmSync(folder, { recursive: true }); },
  };
}

const ms = (us) => (us / 1000).toFixed(2);
console.log(`${CALLS} calls at once, begun 20 ms apart, ${SECONDS} s each, 50 frames a second each way; the simulators run on the same cores`);
const results = {};
for (const format of ['ulaw_8000', 'pcm_16000'])
  for (const [name, open] of [['phony', phony], ['node', bridge]]) results[`${name} ${format}`] = await load(name, format, open);

const row = (title, cells) => console.log(`${title.padEnd(38)}${cells.map((c) => String(c).padStart(16)).join('')}`);
for (const format of ['ulaw_8000', 'pcm_16000']) {
  const [p, n] = [results[`phony ${format}`], results[`node ${format}`]];
  console.log(`\nagent speaks ${format}${format === 'pcm_16000' ? ' (converted both ways; measuring frames do not survive that)' : ' (passed through)'}`);
  row('', ['phony', 'node bridge', 'phony / node']);
  row('CPU per second of call, ms', [p.cpu.toFixed(2), n.cpu.toFixed(2), (p.cpu / n.cpu).toFixed(2)]);
  row('private memory per call, kB', [p.private.toFixed(0), (n.private / CALLS).toFixed(0), (p.private / (n.private / CALLS)).toFixed(2)]);
  row('proportional memory per call, kB', [p.proportional.toFixed(0), (n.proportional / CALLS).toFixed(0), (p.proportional / (n.proportional / CALLS)).toFixed(2)]);
  row('memory of the process that all share, kB', [p.idle, n.private, (p.idle / n.private).toFixed(2)]);
  for (const share of [0.5, 0.99])
    row(`accept to 101, p${share * 100}, ms`, [ms(percentile(p.accept, share)), ms(percentile(n.accept, share)), (percentile(p.accept, share) / percentile(n.accept, share)).toFixed(2)]);
  if (format !== 'ulaw_8000') continue;
  for (const [title, field] of [['delay added towards the agent', 'toAgent'], ['delay added towards the caller', 'toCaller']])
    for (const share of [0.5, 0.99])
      row(`${title}, p${share * 100}, ms`, [ms(percentile(p[field], share)), ms(percentile(n[field], share)), (percentile(p[field], share) / percentile(n[field], share)).toFixed(2)]);
  row('frames lost, reordered', [`${p.lost}, ${p.reordered}`, `${n.lost}, ${n.reordered}`, '']);
}
