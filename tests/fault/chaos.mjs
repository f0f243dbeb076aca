// Calls and messages go on for a while, and meanwhile, by a seed, everything is killed, stopped, delayed and cut that
// there is. Afterwards: no call lost, no turn lost or doubled, every message exactly once, nothing left behind.
//
//	node tests/fault/chaos.mjs [--seed N] [--seconds N] [--calls N] [--mongodb] [--inject]
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { account, bin, freePort, noProcesses, processes, settings, speech, startAgent, startCarrier, startMongo, startPhony, temporaryFolder, until } from '../harness/phony.mjs';
import { Proxy } from '../harness/proxy.mjs';
import { incoming, sid } from '../harness/webhooks.mjs';

const TURNS = 4;
const MOST_BREAKS = 2; // of a call: a third redirect is its last
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

// mulberry32: the same seed, the same run, as far as processes keep in step.
function generator(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const percentile = (sorted, p) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))];

// The dialogue must be whole: Turn 1, Reply 1, …; what was cut short by an interruption may have lost its end.
function checkTranscript(call) {
  const lines = call.conversationHistory.filter((t) => t.role !== 'system' && !/^Sorry/.test(t.content));
  let turn = 0, reply = 0;
  const show = () => `${call.callSid}: ${JSON.stringify(call.conversationHistory.map((t) => `${t.role[0]} ${t.content}${t.truncated ? ' …' : ''}`))}`;
  for (const line of lines) {
    const number = Number(/(?:Turn|Reply) (\d+)\./.exec(line.content)?.[1]);
    if (line.role === 'user') assert.equal(number, ++reply, `a reply is lost or doubled: ${show()}`);
    else if (Number.isNaN(number)) assert.ok(line.truncated, `an unknown line: ${show()}`);
    else assert.equal(number, ++turn, `a turn is lost or doubled: ${show()}`);
    if (line.role === 'assistant' && Number.isNaN(number) && !lines.some((l) => l.content === `Turn ${turn + 1}.`)) turn++;
    assert.ok(reply <= turn && turn <= reply + 1, `out of order: ${show()}`);
  }
  assert.deepEqual([turn, reply], [TURNS, TURNS], `not the whole dialogue: ${show()}`);
}

// A disk of its own for STATE_DIR, small enough to be filled; null where none can be mounted.
const mounted = new Set();
process.on('exit', () => { for (const where of mounted) spawnSync('umount', ['-l', where]); });
function smallDisk(where) {
  fs.mkdirSync(where, { mode: 0o700 });
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=48m,mode=0700', 'tmpfs', where]).status !== 0) return null;
  mounted.add(where);
  return {
    async fill(ms) {
      const file = path.join(where, 'filler'), fd = fs.openSync(file, 'w', 0o600), block = Buffer.alloc(1 << 20);
      try { for (let mb = 0; mb < 64; mb++) fs.writeSync(fd, block); } catch {} // never more: it might be another disk after all
      for (let size = 1 << 19; size >= 1; size >>= 1) try { fs.writeSync(fd, block, 0, size); } catch {}
      await sleep(ms);
      fs.closeSync(fd);
      fs.rmSync(file);
    },
    free() { mounted.delete(where); return spawnSync('umount', ['-l', where]); },
  };
}

export async function chaos({ seed, seconds, concurrent = 6, mongodb = false, inject = false, log = console.log }) {
  const random = generator(seed);
  const pick = (list) => list[Math.floor(random() * list.length)];
  const words = speech('And the next question, please?');
  const answer = speech('Yes, please.', { voice: 'en-us' });
  const dialogue = { dialogue: { turns: TURNS, wav: words.pattern } };
  const folder = temporaryFolder(), port = await freePort();
  const front = await new Proxy(port).listen();
  const agent = await startAgent({ apiKey: 'xi-test-key-0001', openaiKey: 'sk-test-key-0001', agents: { 'agent-test': dialogue, openai: dialogue } });
  const carrier = await startCarrier({ default: { script: Array.from({ length: 80 }, () => [{ hear: true }, { say: answer.at(8000) }]).flat() }, hook_retry_ms: 700 });
  const voice = await new Proxy(agent.port).listen(), rest = await new Proxy(carrier.port).listen();
  const mongo = mongodb ? await startMongo() : null;
  const sims = { carrier: { url: `http://127.0.0.1:${rest.port}` }, agent: { port: voice.port } };
  const options = { sims, folder, port, keep: true, settings: { PUBLIC_URL: `http://127.0.0.1:${front.port}`, SILENCE_SECONDS: '6', API_TOKEN: 'a-token-of-the-chaos-0001',
    ...(mongo ? { MONGODB_URL: mongo.url } : {}), ...(inject ? { LD_PRELOAD: path.resolve(inject), INJECT_SEED: String(seed) } : {}) } };
  const small = smallDisk(path.join(folder, 'state'));
  const shared = fs.readdirSync('/dev/shm').length;
  let phony = await startPhony(options);
  const logs = [phony.log]; // of every supervisor
  const problems = [], calls = new Map(), counts = {}, born = new Map();
  const speaks = new Map(); // callSid -> {since, again}: its worker was killed; again: on its next stream
  const heardAgain = [];
  carrier.events.push = ((push) => (event) => {
    push.call(carrier.events, event);
    const broken = speaks.get(event.callSid);
    if (broken && event.event === 'stream-open') broken.again = true;
    if (broken?.again && event.event === 'audio-begins') {
      speaks.delete(event.callSid);
      heardAgain.push(Date.now() - broken.since);
    }
  })(carrier.events.push);
  const end = Date.now() + seconds * 1000;
  let stopping = false, number = 0;

  // Whatever does not answer for a moment is asked again.
  async function api(method, target, body, patienceMs = 40000) {
    for (const until = Date.now() + patienceMs; ;) {
      const answered = await phony.api(method, target, body).catch(() => null);
      if (answered && answered.status < 500) return answered;
      if (Date.now() > until) throw new Error(`${method} ${target}: ${answered?.text ?? 'no answer'}`);
      await sleep(100);
    }
  }
  const overOf = async (callSid) => {
    for (const patience = Date.now() + 120000; ;) {
      const { body: news } = await api('GET', `/api/calls/${callSid}/wait?after=100&timeoutSeconds=1`);
      const { body } = news.data?.isLive ? {} : await api('GET', `/api/calls/${callSid}`);
      if (body?.isLive === false) return body;
      if (Date.now() > patience) throw new Error(`call ${callSid} does not end: ${JSON.stringify(body ?? news).slice(0, 800)}\n    ${logs.flatMap((l) => l.filter((line) => line.includes(callSid))).join('\n    ')}`);
      await sleep(200);
    }
  };

  // One after the other, on so many lines at once. A request that was not answered may have placed its call.
  async function line() {
    while (Date.now() < end && !stopping) {
      const to = `+1303${String(5550000 + number)}`, body = { toNumber: to, systemInstructions: 'You are polite.', callInstructions: 'Talk.', provider: number++ % 2 ? 'openai' : 'elevenlabs' };
      let callSid = (await phony.call(to, body).catch(() => null))?.body?.callSid;
      for (let tries = 0; !callSid && tries < 40; tries++) {
        await sleep(250);
        const { body: list } = await api('GET', `/api/calls?toNumber=${encodeURIComponent(to)}`);
        callSid = list.calls.find((c) => c.callSid)?.callSid;
      }
      if (!callSid) { counts.unplaced = (counts.unplaced ?? 0) + 1; continue; }
      calls.set(callSid, { breaks: 0, to });
      born.set(callSid, Date.now());
      let call = await overOf(callSid);
      calls.get(callSid).over = true;
      // While the database is away an answer says that it is incomplete.
      for (const patience = Date.now() + 60000; call.incomplete && Date.now() < patience; await sleep(300)) call = (await api('GET', `/api/calls/${callSid}`)).body;
      try {
        assert.equal(call.status, 'completed', `${callSid} ended as ${call.status}: ${call.errorMessage}`);
        checkTranscript(call);
      } catch (error) {
        const { body } = await api('GET', `/api/calls/${callSid}/events`);
        const story = body.events.map((e) => `${e.time?.slice(14, 23)} ${e.attempt}/${e.seq ?? '-'} ${e.type} ${JSON.stringify(e.data).slice(0, 90)}`);
        const seen = carrier.events.filter((e) => e.callSid === callSid && !['mark', 'audio-begins'].includes(e.event)).map((e) => JSON.stringify(e).slice(0, 160));
        const logged = logs.flatMap((l) => l.filter((line) => line.includes(callSid)));
        problems.push(`${error.message}\n    ${call.provider}, ${call.errorMessage ?? ''}\n    ${[...story, ...seen, ...logged].join('\n    ')}`);
      }
    }
  }

  // FerretDB, which may stand in for MongoDB, reads a whole collection for each question: there it is to stay small.
  const received = new Set(), wanted = new Set(), unsure = new Set();
  async function inbound() {
    for (let n = 1; Date.now() < end; n++) {
      for (;;) {
        const answered = await incoming(phony, { MessageSid: sid(n), From: `+1202555${String(n % 20).padStart(4, '0')}`, To: account.number, Body: `message ${n}`, NumMedia: '0' }).catch(() => null);
        if (answered?.status === 200) break;
        await sleep(100);
      }
      received.add(sid(n));
      await sleep(mongo ? 600 : 150);
    }
  }
  async function outbound() {
    for (let n = 0; Date.now() < end; n++) {
      const to = `+1404555${String(n).padStart(4, '0')}`;
      const answered = await phony.api('POST', '/api/sms/send', { toNumber: to, body: `out ${n}` }).catch(() => null);
      (answered && answered.status < 300 ? wanted : unsure).add(to);
      await sleep(mongo ? 900 : 250);
    }
  }

  const one = (name) => pick(processes().filter((p) => p.name === name));
  const count = (what) => { counts[what] = (counts[what] ?? 0) + 1; };
  // A worker whose call can bear it: it has been talking for a moment, and did not break too often.
  function breakable() {
    const list = processes().filter((p) => p.name === 'callworker' && / live /.test(p.title)).map((p) => ({ ...p, callSid: /CA[0-9a-f]{32}/.exec(p.title)[0] }));
    return pick(list.filter((p) => calls.has(p.callSid) && calls.get(p.callSid).breaks < MOST_BREAKS && !speaks.has(p.callSid)));
  }
  const kill = (p) => { try { process.kill(p.pid, 'SIGKILL'); return true; } catch { return false; } };
  const faults = {
    worker: [8, async () => {
      const p = breakable();
      if (!p) return false;
      calls.get(p.callSid).breaks++;
      speaks.set(p.callSid, { since: Date.now() });
      return kill(p);
    }],
    voiced: [4, () => { const p = one('voiced'); return p && kill(p); }],
    smsd: [3, () => { const p = one('smsd'); return p && kill(p); }],
    mcpd: [1, () => { const p = one('mcpd'); return p && kill(p); }],
    supervisor: [1, async () => {
      phony.child.kill('SIGKILL');
      await phony.ended;
      phony = await startPhony(options);
      logs.push(phony.log);
      return true;
    }],
    upgrade: [1, () => { phony.child.kill('SIGHUP'); return true; }],
    pause: [3, async () => {
      const p = pick(processes().filter((q) => q.name !== 'phony'));
      if (!p) return false;
      process.kill(p.pid, 'SIGSTOP');
      await sleep(50 + random() * 900);
      try { process.kill(p.pid, 'SIGCONT'); } catch {}
      return true;
    }],
    stream: [2, () => {
      const p = breakable();
      if (!p) return false;
      calls.get(p.callSid).breaks++;
      carrier.command({ cut: p.callSid });
      return true;
    }],
    stall: [2, () => { pick([front, voice, rest]).stall(100 + random() * 900); return true; }],
    delay: [1, async () => { const p = pick([front, voice, rest]); p.delayMs = random() * 60; await sleep(500); p.delayMs = 0; return true; }],
    chop: [2, async () => { const p = pick([front, voice, rest]); p.chop = true; await sleep(700); p.chop = false; return true; }],
    rest: [1, () => { rest.cut(); return true; }],
    ...(small ? { disk: [1, async () => { await small.fill(200 + random() * 800); return true; }] } : {}),
    ...(mongo ? { mongodb: [1, async () => { await mongo.kill(); await sleep(random() * 1500); await mongo.start(); return true; }] } : {}),
  };
  const bag = Object.entries(faults).flatMap(([name, [weight, fault]]) => Array.from({ length: weight }, () => [name, fault]));
  async function trouble() {
    await sleep(1500);
    while (Date.now() < end - 2000) {
      const [name, fault] = pick(bag);
      if (await fault()) count(name);
      await sleep(60 + random() * 300);
    }
  }

  const lines = Array.from({ length: concurrent }, line);
  try {
    await Promise.all([trouble(), inbound(), outbound(), ...lines]);
  } catch (error) {
    stopping = true;
    problems.push(error.stack);
    await Promise.allSettled(lines);
  }

  // What there must be now.
  await until(async () => (await phony.api('GET', '/ready').catch(() => ({}))).body?.status === 'ready', 'phony to be ready', 60000).catch((e) => problems.push(e.message));
  const everything = async (query, name, part = (b) => b) => {
    const all = [], patience = Date.now() + 60000;
    for (let cursor = ''; ;) {
      const { body, text } = await api('GET', `${query}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
      assert.ok(body && part(body)?.[name], `${query}: ${text}`);
      if (body.incomplete ?? body.data?.incomplete) { // the database is away for this process, still
        if (Date.now() > patience) throw new Error(`${query}: incomplete for too long`);
        await sleep(200);
        continue;
      }
      all.push(...part(body)[name]);
      if (!(cursor = body.nextCursor ?? '')) return all;
    }
  };
  try {
    await until(async () => (await everything('/api/sms/messages?limit=200&direction=outbound', 'messages', (b) => b.data)).every((m) => ['delivered', 'failed', 'undelivered', 'canceled'].includes(m.status)), 'every message to have ended', 90000, 500);
    const stored = await everything('/api/sms/messages?limit=200', 'messages', (b) => b.data);
    const inboundSids = stored.filter((m) => m.direction === 'inbound').map((m) => m.messageSid);
    assert.deepEqual(inboundSids.toSorted(), [...received].toSorted(), 'messages received');
    const sent = carrier.events.filter((e) => e.event === 'message-created').map((e) => e.to ?? e.params?.To);
    for (const to of wanted) assert.equal(sent.filter((t) => t === to).length, 1, `the message to ${to} was sent ${sent.filter((t) => t === to).length} times`);
    for (const to of unsure) assert.ok(sent.filter((t) => t === to).length <= 1, `the message to ${to} was sent twice`);
    const all = await everything('/api/calls?limit=200', 'calls');
    assert.equal(new Set(all.map((c) => c.toNumber)).size, all.length, 'two calls to one number');
    assert.ok(all.every((c) => !c.isLive && c.endedAt), 'a call without an end');
    for (const [callSid] of calls) {
      const { body, text } = await api('GET', `/api/calls/${callSid}/events`);
      assert.ok(body.events, `the events of ${callSid}: ${text}`);
      const seen = new Set();
      for (const e of body.events) if (e.seq) {
        const key = `${e.attempt}/${e.seq}`;
        assert.ok(!seen.has(key), `${callSid}: event ${key} is there twice`);
        seen.add(key);
      }
    }
  } catch (error) {
    problems.push(error.message);
  }
  const last = await phony.stop();
  if (last.code !== 0) problems.push(`phony ended with ${JSON.stringify(last)}`);
  await noProcesses().catch((error) => problems.push([error.message, ...logs.flatMap((l) => l.filter((line) => processes().some((p) => line.includes(/CA[0-9a-f]{32}/.exec(p.title)?.[0] ?? `[${p.pid}]`))))].join('\n    ')));
  const left = fs.readdirSync(path.join(folder, 'run')).filter((name) => name.endsWith('.sock'));
  if (left.length) problems.push(`sockets are left: ${left}`);
  if (fs.readdirSync('/dev/shm').length > shared) problems.push('shared memory is left');
  const aside = logs.flatMap((l) => l.items).filter((l) => /laid aside|cannot be read:|not stored yet/.test(l));
  if (problems.length) problems.push(...aside.slice(0, 20));
  const panicked = (l) => /panic:|Sanitizer|runtime error/.test(l) && !(inject && /out of memory/.test(l));
  for (const { items } of logs) {
    const at = items.findIndex(panicked);
    if (at >= 0) problems.push(items.slice(at, at + 40).join('\n    '));
  }
  await Promise.all([front.close(), voice.close(), rest.close()]);
  const codes = [await agent.stop(), await carrier.stop()];
  if (mongo) await mongo.stop({ keep: process.env.KEEP_CHAOS && problems.length });
  problems.push(...[...agent.events.items, ...carrier.events.items].filter((e) => e.event === 'violation').map((e) => JSON.stringify(e)));
  if (problems.length === 0) assert.deepEqual(codes, [0, 0]);
  heardAgain.sort((a, b) => a - b);
  const kills = ['worker', 'voiced', 'smsd', 'mcpd', 'supervisor', 'mongodb'].reduce((sum, name) => sum + (counts[name] ?? 0), 0);
  log(`seed ${seed}: ${seconds} s, ${calls.size} calls, ${received.size} messages in, ${wanted.size} out; ${kills} kills, ${JSON.stringify(counts)}`);
  if (heardAgain.length) log(`from a worker's death to the agent being heard again: p50 ${percentile(heardAgain, 0.5)} ms, p99 ${percentile(heardAgain, 0.99)} ms, ${heardAgain.length} times`);
  small?.free();
  if (process.env.KEEP_CHAOS && problems.length) {
    fs.writeFileSync(path.join(folder, 'log'), logs.flatMap((l) => l.items).join('\n'));
    log(`kept: ${folder}${mongo ? ` ${mongo.folder}` : ''}`);
  } else fs.rmSync(folder, { recursive: true, force: true });
  return { problems, calls: calls.size, kills, counts, log: phony.log.items };
}

if (import.meta.url === `file://${process.argv[1]}`) {
  const { values } = parseArgs({ options: { seed: { type: 'string' }, seconds: { type: 'string', default: '60' }, calls: { type: 'string', default: '6' }, mongodb: { type: 'boolean' }, inject: { type: 'string' } } });
  const { problems } = await chaos({ seed: Number(values.seed ?? Date.now() % 1e9), seconds: Number(values.seconds), concurrent: Number(values.calls), mongodb: values.mongodb, inject: values.inject });
  for (const problem of problems) console.error(`not ok: ${problem}`);
  process.exit(problems.length ? 1 : 0);
}
