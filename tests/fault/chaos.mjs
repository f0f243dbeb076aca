// Calls and messages go on for a while, and meanwhile, by a seed, everything is killed, stopped, delayed and cut that
// there is; Twilio answers late, wrongly or not at all, has another clock, and repeats its webhooks. Afterwards: no call
// lost, none placed twice, no turn lost or doubled, every message exactly once, no limit exceeded, nothing of what was
// deleted, nothing left behind.
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

// The dialogue must be whole: Turn 1, Reply 1, …; what was cut short by an interruption may have lost its end, or all of it.
function checkTranscript(call, events) {
  const lines = call.conversationHistory.filter((t) => t.role !== 'system' && t.content && !/^(Sorry|Note)/.test(t.content));
  // A turn that was interrupted before any of it was heard is none: taken back, or never told.
  const of = (type) => events.filter((e) => e.type === type);
  let unheard = of('turn-corrected').filter((e) => !e.data.content).length
    + Math.max(0, of('interruption').length - lines.filter((line) => line.truncated).length);
  let turn = 0, reply = 0;
  const show = () => `${call.callSid}: ${JSON.stringify(call.conversationHistory.map((t) => `${t.role[0]} ${t.content}${t.truncated ? ' …' : ''}`))}`;
  for (const line of lines) {
    const number = Number(/(?:Turn|Reply) (\d+)\./.exec(line.content)?.[1]);
    if (line.role === 'user' && turn === reply && number === reply + 1 && unheard-- > 0) turn++;
    if (line.role === 'user') assert.equal(number, ++reply, `a reply is lost or doubled: ${show()}`);
    else if (Number.isNaN(number)) assert.ok(line.truncated, `an unknown line: ${show()}`);
    else assert.equal(number, ++turn, `a turn is lost or doubled: ${show()}`);
    if (line.role === 'assistant' && Number.isNaN(number) && !lines.some((l) => l.content === `Turn ${turn + 1}.`)) turn++;
    assert.ok(reply <= turn && turn <= reply + 1, `out of order: ${show()}`);
  }
  const said = call.conversationHistory.map((t) => t.content);
  if (call.provider === 'openai') for (let i = 2; i <= TURNS; i += 2) assert.ok(said.includes(`Note ${i}.`), `a turn in writing is lost: ${show()}`);
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
  const dialogue = { dialogue: { turns: TURNS, wav: words.pattern, write: true } };
  const folder = temporaryFolder(), port = await freePort();
  const front = await new Proxy(port).listen();
  const agent = await startAgent({ apiKey: 'xi-test-key-0001', openaiKey: 'sk-test-key-0001', agents: { 'agent-test': dialogue, openai: dialogue } });
  // Each third answer interrupts, whatever the agent is saying: after a reconnection, too.
  const bargeIn = { say: answer.at(8000), after_ms: 900 };
  // What Twilio did with a request is not always what it answers.
  const unclear = { seed, drop: 0.03, slow: 0.02, '500-done': 0.03 };
  const carrier = await startCarrier({ default: { script: Array.from({ length: 80 }, (_, i) => i % 3 === 2 ? [bargeIn] : [{ hear: true }, { say: answer.at(8000) }]).flat() }, hook_retry_ms: 700,
    hook_repeat: 15, clock_skew_s: random() < 0.5 ? 3 : -3, create_random: { ...unclear, refuse: 0.05 }, messages: { slow_ms: 12000, random: { ...unclear, lose: 0.02, 429: 0.02 } } });
  const voice = await new Proxy(agent.port).listen(), rest = await new Proxy(carrier.port).listen();
  const mongo = mongodb ? await startMongo() : null;
  const sims = { carrier: { url: `http://127.0.0.1:${rest.port}` }, agent: { port: voice.port } };
  const outgoingMost = concurrent + 1;
  const settingsFile = path.join(folder, 'phony.env');
  const writeSettings = (text) => fs.writeFileSync(settingsFile, text, { mode: 0o644 });
  const goodSettings = `SILENCE_SECONDS=6\nMAX_CONCURRENT_OUTGOING_CALLS=${outgoingMost}\n`;
  writeSettings(goodSettings);
  // A process that is stopped or killed in the middle of its search for leaks ends with an error of the sanitizer's own.
  const unsearched = process.env.ASAN_OPTIONS ? { ASAN_OPTIONS: `${process.env.ASAN_OPTIONS}:detect_leaks=0` } : {};
  const options = { sims, folder, port, keep: true, args: ['--config', settingsFile], settings: { PUBLIC_URL: `http://127.0.0.1:${front.port}`, SILENCE_SECONDS: undefined, MAX_CONCURRENT_OUTGOING_CALLS: undefined, TWILIO_TIMEOUT_SECONDS: '5', HEARTBEAT_SECONDS: '4', API_TOKEN: 'a-token-of-the-chaos-0001',
    ...(mongo ? { MONGODB_URL: mongo.url } : {}), ...unsearched, ...(inject ? { LD_PRELOAD: path.resolve(inject), INJECT_SEED: String(seed) } : {}) } };
  const small = smallDisk(path.join(folder, 'state'));
  const shared = new Set(fs.readdirSync('/dev/shm'));
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
  await until(async () => [201, 409].includes((await phony.api('POST', '/api/incoming-configs', { phoneNumber: account.number, systemInstructions: 'You are polite.', callInstructions: 'Talk.' }).catch(() => ({}))).status), 'our number to be configured');
  const end = Date.now() + seconds * 1000;
  let stopping = false, number = 0;
  const going = (beforeEnd = 0) => !stopping && Date.now() < end - beforeEnd;

  // Whatever does not answer for a moment is asked again.
  async function api(method, target, body, patienceMs = 40000) {
    for (const until = Date.now() + patienceMs; ;) {
      const answered = await phony.api(method, target, body).catch(() => null);
      if (answered && answered.status < 500) return answered;
      if (Date.now() > until) throw new Error(`${method} ${target}: ${answered?.text ?? 'no answer'}`);
      await sleep(100);
    }
  }
  const overOf = async (callSid, look = () => {}) => {
    for (const patience = Date.now() + 120000; ;) {
      look();
      const { body: news } = await api('GET', `/api/calls/${callSid}/wait?after=100&timeoutSeconds=1`);
      const { body } = news.data?.isLive ? {} : await api('GET', `/api/calls/${callSid}`);
      if (body?.isLive === false && body.status !== 'scheduled') return body;
      if (Date.now() > patience) throw new Error(`call ${callSid} does not end: ${JSON.stringify(body ?? news).slice(0, 800)}\n    ${logs.flatMap((l) => l.filter((line) => line.includes(callSid))).join('\n    ')}`);
      await sleep(200);
    }
  };

  // One after the other, on so many lines at once. A request that was not answered may have placed its call.
  async function line() {
    while (going()) {
      const to = `+1303${String(5550000 + number)}`, body = { toNumber: to, systemInstructions: 'You are polite.', callInstructions: 'Talk.', provider: number++ % 2 ? 'openai' : 'elevenlabs' };
      if (random() < 0.2) body.callAt = new Date(Date.now() + 1000).toISOString();
      const placed = await phony.call(to, body).catch(() => null);
      const refused = (text) => /Twilio error 21216/.test(text) && (assert.match(text, /L’appel vers « Café Żółw » est refusé — 電話/), true);
      if (placed?.status === 502 && refused(placed.body.message)) { count('refused'); continue; }
      if (placed?.status === 429) { count('over the limit'); await sleep(300); continue; }
      let callSid = placed?.body?.callSid;
      for (let tries = 0; !callSid && tries < 80; tries++) {
        await sleep(250);
        const { body: list } = await api('GET', `/api/calls?toNumber=${encodeURIComponent(to)}`);
        callSid = list.calls.find((c) => c.callSid)?.callSid;
      }
      if (!callSid) { counts.unplaced = (counts.unplaced ?? 0) + 1; continue; }
      await follow(callSid, to, body.callAt && refused);
    }
  }

  // A call until it is over: all of it was said and is there. Its first id stays good.
  async function follow(id, to, mayBeRefused) {
    const known = { breaks: 0, to };
    calls.set(id, known);
    let call = await overOf(id, () => { const created = carrier.events.find((e) => e.event === 'call-created' && e.to === to); if (created) calls.set(created.callSid, known); });
    const callSid = call.callSid;
    known.over = true;
    if (mayBeRefused && call.status === 'failed' && mayBeRefused(call.errorMessage ?? '')) { count('refused'); return; }
    if (mayBeRefused && call.status === 'failed' && /at once|limit/.test(call.errorMessage ?? '')) { count('over the limit'); return; }
    // While the database is away an answer says that it is incomplete.
    for (const patience = Date.now() + 60000; call.incomplete && Date.now() < patience; await sleep(300)) call = (await api('GET', `/api/calls/${callSid}`)).body;
    let { body } = await api('GET', `/api/calls/${callSid}/events`);
    for (const patience = Date.now() + 60000; body.incomplete && Date.now() < patience; await sleep(300)) ({ body } = await api('GET', `/api/calls/${callSid}/events`));
    for (const e of body.events ?? []) if (e.type === 'interruption') count(e.attempt > 0 ? 'interrupted after a reconnection' : 'interrupted');
    try {
      assert.equal(call.status, 'completed', `${callSid} ended as ${call.status}: ${call.errorMessage}`);
      checkTranscript(call, body.events ?? []);
    } catch (error) {
      const story = (body.events ?? []).map((e) => `${e.time?.slice(14, 23)} ${e.attempt}/${e.seq ?? '-'} ${e.type} ${JSON.stringify(e.data).slice(0, 90)}`);
      const seen = carrier.events.filter((e) => e.callSid === callSid && !['mark', 'audio-begins'].includes(e.event)).map((e) => JSON.stringify(e).slice(0, 160));
      const logged = logs.flatMap((l) => l.filter((line) => line.includes(callSid)));
      problems.push(`${error.message}\n    ${call.provider}, ${call.errorMessage ?? ''}\n    ${[...story, ...seen, ...logged].join('\n    ')}`);
    }
  }

  // People call us. A call whose first webhook nobody answered in time is one that Twilio does not put through.
  async function callers() {
    for (let n = 0; going(); n++) {
      const from = `+1505555${String(n).padStart(4, '0')}`;
      carrier.command({ dial: account.number, from, url: `${options.settings.PUBLIC_URL}/call/incoming` });
      const { callSid } = await carrier.events.wait((e) => e.event === 'call-created' && e.from === from, `the call from ${from}`);
      const first = await carrier.events.wait((e) => e.callSid === callSid && ['twiml', 'twiml-failed', 'call-ended'].includes(e.event), `an answer to the call from ${from}`, 60000);
      if (first.event !== 'twiml') count('caller not put through');
      else if (!first.document.includes('<Connect>')) count('caller asked to call again later');
      else await follow(callSid, from);
      await sleep(1000 + random() * 2000);
    }
  }

  // Many at once, over the limit; what is refused was not placed, what is placed is followed.
  async function flood() {
    const to = Array.from({ length: outgoingMost + 3 }, () => `+1303${String(5550000 + number++)}`);
    const answers = await Promise.all(to.map((one) => phony.call(one, { systemInstructions: 'You are polite.', callInstructions: 'Talk.' }).catch(() => null)));
    answers.forEach((a, i) => { if (a?.body?.callSid) api('POST', `/api/calls/${a.body.callSid}/hangup`).catch(() => {}); else if (a?.status === 429) forbidden.add(to[i]); });
    return true;
  }

  // Jobs of many messages, each to be sent once.
  async function bulks() {
    for (let n = 0; going(5000); n++) {
      const toNumbers = Array.from({ length: 20 }, (_, i) => `+1606${String(5550000 + n * 20 + i)}`);
      const answered = await phony.api('POST', '/api/sms/bulk', { toNumbers, body: `bulk ${n}`, ratePerMinute: 6000 }).catch(() => null);
      for (const to of toNumbers) (answered && answered.status < 300 ? wanted : unsure).add(to);
      await sleep(mongo ? 15000 : 5000);
    }
  }

  // What is deleted is gone: from the answers at once, from the files at the end.
  const deleted = new Map(); // messageSid -> the word that only it had
  async function deletions() {
    for (let n = 1; going(); n++) {
      const word = `secretword${seed}x${n}`;
      const id = sid(900000 + n);
      for (;;) {
        const answered = await incoming(phony, { MessageSid: id, From: '+12025559999', To: account.number, Body: `${word} of mine`, NumMedia: '0' }).catch(() => null);
        if (answered?.status === 200) break;
        await sleep(100);
      }
      const { status } = await api('DELETE', `/api/sms/messages/${id}`);
      if (status < 300 || status === 404) deleted.set(id, word);
      await sleep(2000);
    }
  }

  // FerretDB, which may stand in for MongoDB, reads a whole collection for each question: there it is to stay small.
  const received = new Set(), wanted = new Set(), unsure = new Set(), forbidden = new Set();
  async function inbound() {
    for (let n = 1; going(); n++) {
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
    for (let n = 0; going(); n++) {
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
      try { process.kill(p.pid, 'SIGSTOP'); } catch { return false; } // it has just ended
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
    flood: [1, flood],
    // The provider's line breaks; of a call only so often as it can bear.
    provider: [1, () => {
      const p = breakable();
      if (!p || voice.connections.size === 0 || providerCuts++ > seconds / 15) return false;
      calls.get(p.callSid).breaks++;
      const one = pick([...voice.connections]);
      return voice.cut((c) => c === one) > 0;
    }],
    storm: [1, () => { for (const signal of ['SIGHUP', 'SIGCHLD', 'SIGHUP', 'SIGPIPE', 'SIGWINCH', 'SIGHUP', 'SIGCHLD', 'SIGHUP']) phony.child.kill(signal); return true; }],
    // A daemon that hangs for good is noticed and replaced.
    freeze: [1, async () => {
      const p = one(pick(['voiced', 'smsd', 'mcpd']));
      if (!p || Date.now() < nextFreeze) return false;
      try { process.kill(p.pid, 'SIGSTOP'); } catch { return false; }
      nextFreeze = Date.now() + 60000;
      await until(() => !processes().some((q) => q.pid === p.pid), `the frozen ${p.name} to be replaced`, 60000)
        .catch((error) => { problems.push(error.message); process.kill(p.pid, 'SIGCONT'); });
      return true;
    }],
    // Nobody reads the log.
    log: [1, async () => {
      const { stderr } = phony.child;
      stderr.pause();
      await sleep(1000 + random() * 3000);
      stderr.resume();
      return true;
    }],
    descriptors: [1, async () => {
      const p = one(pick(['voiced', 'smsd']));
      if (!p) return false;
      const soft = (n) => spawnSync('prlimit', ['--pid', String(p.pid), `--nofile=${n}:`]).status === 0;
      const used = () => { try { return fs.readdirSync(`/proc/${p.pid}/fd`).length; } catch { return 0; } };
      const [, before] = /Max open files\s+(\d+)/.exec(fs.readFileSync(`/proc/${p.pid}/limits`, 'utf8')) ?? [];
      if (!before || !soft(used())) return false;
      await sleep(300 + random() * 1000);
      soft(before);
      return true;
    }],
    // A typing error in the settings, not noticed; then a daemon starts again.
    settings: [1, async () => {
      writeSettings(`${goodSettings}MAX_CONCURRENT_CALLS=lots\nthis is no setting\n`);
      const p = one(pick(['voiced', 'smsd', 'mcpd']));
      if (p) kill(p);
      await sleep(500 + random() * 1500);
      writeSettings(goodSettings);
      return !!p;
    }],
    ...(small ? { disk: [1, async () => { await small.fill(200 + random() * 800); return true; }] } : {}),
    ...(mongo ? { mongodb: [1, async () => { await mongo.kill(); await sleep(random() * 1500); await mongo.start(); return true; }] } : {}),
  };
  let providerCuts = 0, nextFreeze = Date.now() + 10000;
  const bag = Object.entries(faults).flatMap(([name, [weight, fault]]) => Array.from({ length: weight }, () => [name, fault]));
  async function trouble() {
    await sleep(1500);
    while (going(2000)) {
      const [name, fault] = pick(bag);
      if (await fault()) count(name);
      await sleep(60 + random() * 300);
    }
  }

  const all = [trouble(), inbound(), outbound(), bulks(), deletions(), callers(), ...Array.from({ length: concurrent }, line)];
  await Promise.all(all).catch(async (error) => {
    stopping = true;
    problems.push(error.stack);
    await Promise.allSettled(all);
  });

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
    const unfinished = async () => (await everything('/api/sms/messages?limit=200&direction=outbound', 'messages', (b) => b.data)).filter((m) => !['delivered', 'failed', 'undelivered', 'canceled'].includes(m.status));
    await until(async () => (await unfinished()).length === 0, 'every message to have ended', 90000, 500)
      .catch(async (error) => { throw new Error(`${error.message}: ${JSON.stringify(await unfinished())}`); });
    const stored = await everything('/api/sms/messages?limit=200', 'messages', (b) => b.data);
    for (const [id] of deleted) assert.ok(!stored.some((m) => m.messageSid === id), `${id} was deleted, and is listed`);
    const inboundSids = stored.filter((m) => m.direction === 'inbound').map((m) => m.messageSid);
    assert.deepEqual(inboundSids.toSorted(), [...received].toSorted(), 'messages received');
    const sent = carrier.events.filter((e) => e.event === 'message-created').map((e) => e.to ?? e.params?.To);
    for (const to of wanted) assert.equal(sent.filter((t) => t === to).length, 1, `the message to ${to} was sent ${sent.filter((t) => t === to).length} times`);
    for (const to of unsure) assert.ok(sent.filter((t) => t === to).length <= 1, `the message to ${to} was sent twice`);
    // One that Twilio did not confirm is looked for, for a while.
    await until(async () => (await everything('/api/calls?limit=200', 'calls')).every((c) => !c.isLive && c.endedAt), 'every call to have ended', 90000, 500);
    const all = await everything('/api/calls?limit=200', 'calls');
    const placed = all.filter((c) => c.direction === 'outbound');
    assert.equal(new Set(placed.map((c) => c.toNumber)).size, placed.length, 'two calls to one number');
    const rung = carrier.events.filter((e) => e.event === 'call-created' && !e.from).map((e) => e.to);
    assert.equal(new Set(rung).size, rung.length, 'Twilio rang a number twice');
    for (const to of forbidden) assert.ok(!rung.includes(to), `${to} was over the limit, and was called`);
    // Never more at once than allowed, as Twilio sees it.
    let live = 0, most = 0;
    for (const e of carrier.events.items) {
      if (e.event === 'call-created' && !e.from) most = Math.max(most, ++live);
      if (e.event === 'call-ended' && rung.includes(e.to)) live--;
    }
    assert.ok(most <= outgoingMost, `${most} outgoing calls at once, at most ${outgoingMost} are allowed`);
    counts['most at once'] = most;
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
  // A call that was refused for want of room leaves nothing behind: when it is told again there may be room.
  for (const e of carrier.events.filter((e) => e.event === 'hook-repeat-differs' && !e.first.includes('maximum capacity'))) problems.push(`a repeated webhook was answered otherwise: ${JSON.stringify(e).slice(0, 1000)}`);
  const last = await phony.stop();
  if (!mongo) for (const name of fs.readdirSync(path.join(folder, 'state'), { recursive: true })) {
    const file = path.join(folder, 'state', name);
    if (!fs.statSync(file).isFile()) continue;
    const bytes = fs.readFileSync(file, 'latin1');
    for (const [id, word] of deleted) if (bytes.includes(word)) problems.push(`${id} was deleted, and its words are in ${name}`);
  }
  if (last.code !== 0) problems.push(`phony ended with ${JSON.stringify(last)}`);
  await noProcesses().catch((error) => problems.push([error.message, ...logs.flatMap((l) => l.filter((line) => processes().some((p) => line.includes(/CA[0-9a-f]{32}/.exec(p.title)?.[0] ?? `[${p.pid}]`))))].join('\n    ')));
  const left = fs.readdirSync(path.join(folder, 'run')).filter((name) => name.endsWith('.sock'));
  if (left.length) problems.push(`sockets are left: ${left}`);
  // Others use it, too: libmongoc names its own by the process.
  const ours = (name) => logs.some((l) => l.items.some((line) => line.includes(`[${/\d+$/.exec(name)?.[0]}]`)));
  const memory = fs.readdirSync('/dev/shm').filter((name) => !shared.has(name) && (!/\d$/.test(name) || ours(name)));
  if (memory.length) problems.push(`shared memory is left: ${memory}`);
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
