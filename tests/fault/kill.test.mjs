// Any process may be killed at any moment; agents, carriers and networks may be as bad as they like.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, test } from 'node:test';
import { endAll, freePort, noProcesses, processes, speech, startAgent, startCarrier, startPhony, temporaryFolder, until } from '../harness/phony.mjs';

afterEach((t) => { if (t.error) endAll(); });

const hello = speech('Hello, this is Anna. May I ask you something?');
const thanks = speech('Thank you. Goodbye!');
const yes = speech('Yes, please.', { voice: 'en-us' });
const patient = { 'agent-test': { script: [{ pause_ms: 60000 }] } };
const events = async (phony, sid) => (await phony.api('GET', `/api/calls/${sid}/events`)).body.events;
const workerOf = (sid) => processes().find((p) => p.name === 'callworker' && p.title.includes(sid));

async function withTree({ agents = patient, callees = {}, fallback = { script: [] }, settings, agentKey = 'xi-test-key-0001', agentArgs, agentTls, carrierFaults, wrapper }, story) {
  const agent = await startAgent({ apiKey: agentKey || undefined, agents }, agentArgs);
  if (agentTls) agent.tls = true;
  const carrier = await startCarrier({ callees, default: fallback, ...carrierFaults });
  const phony = await startPhony({ sims: { carrier, agent }, wrapper, settings: { DRAIN_SECONDS: '1', ELEVENLABS_API_KEY: agentKey, ...(typeof settings === 'function' ? settings(agent) : settings) } });
  try {
    await story({ agent, carrier, phony });
  } finally {
    await phony.stop();
    const codes = [await agent.stop(), await carrier.stop()];
    assert.deepEqual([...agent.events.items, ...carrier.events.items].filter((e) => e.event === 'violation'), []);
    assert.deepEqual(codes, [0, 0]);
    await noProcesses();
  }
}

// AddressSanitizer catches SIGSEGV and exits; the plain run has the real thing.
const deadly = /asan/.test(process.env.BUILD ?? '') ? ['SIGKILL', 9] : ['SIGSEGV', 11];

test('SIGSEGV of one worker of three: the other two lose no frame, the call is marked and its line kept', async () => {
  const agents = { 'agent-echo': { mode: 'echo' }, ...patient };
  const callees = { '+12025550131': { mode: 'stamp', seconds: 6 }, '+12025550132': { mode: 'stamp', seconds: 6 }, '+12025550133': { script: [] } };
  await withTree({ agents, callees }, async ({ carrier, phony }) => {
    const place = async (to, elevenLabsAgentId) => (await phony.call(to, { elevenLabsAgentId })).body.callSid;
    const healthy = [await place('+12025550131', 'agent-echo'), await place('+12025550132', 'agent-echo')];
    const sid = await place('+12025550133', 'agent-test');
    for (const s of [...healthy, sid]) await until(() => workerOf(s), `the worker of ${s}`);
    await until(async () => (await events(phony, sid)).some((e) => e.type === 'agent-connected'), 'the agent');
    process.kill(workerOf(sid).pid, deadly[0]);
    const broken = await carrier.events.wait((e) => e.event === 'stream-closed' && e.callSid === sid, 'the broken stream');
    assert.equal(broken.code, 1011, 'a close frame, not a reset');
    // The same call, a new stream, a new worker.
    await carrier.events.wait((e) => e.event === 'twiml' && e.callSid === sid && e.document.includes('again=2'), 'the redirect');
    await until(async () => (await events(phony, sid)).filter((e) => e.type === 'agent-connected').length === 2, 'the agent again');
    const died = (await events(phony, sid)).find((e) => e.type === 'worker-died');
    assert.equal(died.data.signal, deadly[1]);
    const { body } = await phony.api('GET', `/api/calls/${sid}`);
    assert.match(body.errorMessage, new RegExp(deadly[0]));
    assert.equal(body.isLive, true);
    for (const s of healthy) {
      const end = await carrier.events.wait((e) => e.event === 'stream-closed' && e.callSid === s, `the end of ${s}`);
      assert.deepEqual([end.framesSent, end.stamps, end.lost, end.reordered], [300, 300, 0, 0]);
    }
    await phony.api('POST', `/api/calls/${sid}/hangup`);
    assert.equal((await phony.over(sid)).status, 'completed');
    assert.ok(phony.log.find((l) => l.includes(sid) && l.includes(deadly[0])));
    // Where it was is told, found by the call's SID.
    if (deadly[0] === 'SIGSEGV') assert.ok(phony.log.filter((l) => l.includes(`${sid}: at `) && /callworker\(|libwebsockets|libc/.test(l)).length > 3);
  });
});

test('a worker that dies again and again: an apology, and the call is failed', async () => {
  await withTree({}, async ({ carrier, phony }) => {
    const { callSid: sid } = (await phony.call('+12025550134')).body;
    for (let i = 0; i < 4; i++) {
      await until(async () => (await events(phony, sid)).some((e) => e.type === 'stream-started' && e.attempt === i), `stream ${i}`);
      const worker = workerOf(sid);
      process.kill(worker.pid, 'SIGKILL');
      await until(() => workerOf(sid)?.pid !== worker.pid, 'its end');
    }
    const call = await phony.over(sid);
    assert.equal(call.status, 'failed');
    assert.match(carrier.events.find((e) => e.event === 'say' && e.callSid === sid).text, /sorry/);
  });
});

test('SIGKILL of voiced in the middle of a call: nobody on the line notices, no line of the transcript is lost', async () => {
  const agents = { 'agent-test': { script: [{ say: 'Hello, this is Anna.', wav: hello.pattern }, { hear: 'Yes, please.' }, { say: 'Thank you. Goodbye!', wav: thanks.pattern }] },
    'agent-echo': { mode: 'echo' } };
  const callees = { '+12025550136': { mode: 'stamp', seconds: 6 } };
  await withTree({ agents, callees, fallback: { script: [{ hear: true }, { say: yes.at(8000) }] } }, async ({ carrier, phony }) => {
    const stamped = (await phony.call('+12025550136', { elevenLabsAgentId: 'agent-echo' })).body.callSid;
    const sid = (await phony.call('+12025550135')).body.callSid;
    await carrier.events.wait((e) => e.event === 'stream-first-audio' && e.callSid === sid, 'the first words');
    const worker = workerOf(sid).pid;
    for (let i = 0; i < 2; i++) {
      const voiced = processes().find((p) => p.name === 'voiced').pid;
      process.kill(voiced, 'SIGKILL');
      await until(() => processes().some((p) => p.name === 'voiced' && p.pid !== voiced), 'a new voiced');
      await until(async () => (await phony.api('GET', '/ready')).status === 200, 'voiced to be ready');
      await phony.log.wait((l) => l.includes(`${sid}: callworker ${worker} is back`), 'the worker to be taken back');
    }
    const end = await carrier.events.wait((e) => e.event === 'stream-closed' && e.callSid === sid, 'the end', 30000);
    assert.equal(end.playedBytes, end.bytesReceived);
    const call = await phony.over(sid);
    assert.equal(call.status, 'completed');
    assert.deepEqual(call.conversationHistory.map((t) => t.content), ['Hello, this is Anna.', 'Yes, please.', 'Thank you. Goodbye!']);
    const other = await carrier.events.wait((e) => e.event === 'stream-closed' && e.callSid === stamped, 'the other end', 30000);
    assert.deepEqual([other.framesSent, other.stamps, other.lost, other.reordered], [300, 300, 0, 0]);
    assert.equal((await phony.over(stamped)).status, 'completed');
  });
});

test('a worker that dies while voiced is away is buried by the next voiced', async () => {
  await withTree({}, async ({ carrier, phony }) => {
    const sid = (await phony.call('+12025550137')).body.callSid;
    const worker = await until(() => workerOf(sid), 'the worker');
    await carrier.events.wait((e) => e.event === 'stream-open', 'the stream');
    process.kill(processes().find((p) => p.name === 'voiced').pid, 'SIGKILL');
    await phony.log.wait((l) => l.includes(`${sid}: callworker ${worker.pid} is back`), 'the worker to be taken back');
    process.kill(worker.pid, 'SIGABRT');
    await phony.log.wait((l) => l.includes(sid) && l.includes('SIGABRT'), 'the obituary');
    await carrier.events.wait((e) => e.event === 'stream-closed' && e.code === 1011, 'the close frame');
    await until(async () => (await events(phony, sid)).some((e) => e.type === 'agent-connected' && e.attempt > 0), 'the agent again');
    await phony.api('POST', `/api/calls/${sid}/hangup`);
    await phony.over(sid);
  });
});

test('the stream breaks while voiced is away and the worker holds words not told yet: the next stream has them', async () => {
  const agents = { 'agent-test': { script: [{ hear: 'Yes, please.' }, { say: 'Hello, this is Anna.', wav: hello.pattern }, { pause_ms: 60000 }] } };
  await withTree({ agents, fallback: { script: [{ say: yes.at(8000) }, { pause_ms: 60000 }] } }, async ({ agent, carrier, phony }) => {
    const sid = (await phony.call('+12025550199')).body.callSid;
    await until(async () => (await events(phony, sid)).some((e) => e.type === 'agent-connected'), 'the agent');
    const voiced = processes().find((p) => p.name === 'voiced').pid, worker = workerOf(sid).pid;
    process.kill(voiced, 'SIGSTOP');
    await carrier.events.wait((e) => e.event === 'stream-first-audio' && e.callSid === sid, 'the first words');
    process.kill(worker, 'SIGSTOP');
    carrier.command({ cut: sid });
    await carrier.events.wait((e) => e.event === 'stream-closed' && e.callSid === sid, 'the break');
    process.kill(voiced, 'SIGKILL');
    await phony.log.wait((l) => l.includes(`${sid}: the stream broke`), 'the next voiced to be asked for a stream');
    process.kill(worker, 'SIGCONT');
    const again = await agent.events.wait((e) => e.event === 'initiated' && e.prompt.includes('THE CALL SO FAR'), 'the next conversation');
    assert.match(again.prompt, /Yes, please\.[^]*Hello, this is Anna\./);
    await phony.api('POST', `/api/calls/${sid}/hangup`);
    const call = await phony.over(sid);
    assert.deepEqual(call.conversationHistory.slice(0, 2).map((t) => t.content), ['Yes, please.', 'Hello, this is Anna.']);
  });
});

test('voiced killed while the agent is being looked for: the next voiced finds it', async () => {
  await withTree({ agents: { 'agent-test': { signed_url_ms: 1000, script: [{ pause_ms: 60000 }] } } }, async ({ carrier, phony }) => {
    const sid = (await phony.call('+12025550189')).body.callSid;
    await carrier.events.wait((e) => e.event === 'stream-open', 'the stream');
    process.kill(processes().find((p) => p.name === 'voiced').pid, 'SIGKILL');
    await until(async () => (await events(phony, sid)).some((e) => e.type === 'agent-connected' && e.attempt === 0), 'the agent');
    await phony.api('POST', `/api/calls/${sid}/hangup`);
    await phony.over(sid);
  });
});

test('SIGKILL of the supervisor: live calls end as they would, then everything is gone', async () => {
  const agent = await startAgent({ apiKey: 'xi-test-key-0001', agents: { 'agent-test': { script: [{ pause_ms: 1500 }, { say: 'Thank you. Goodbye!', wav: thanks.pattern }, { tool: 'end_call', parameters: {} }] } } });
  const carrier = await startCarrier({ default: { script: [] } });
  const folder = temporaryFolder();
  const phony = await startPhony({ sims: { carrier, agent }, folder, keep: true });
  const sid = (await phony.call('+12025550138')).body.callSid;
  await carrier.events.wait((e) => e.event === 'stream-open', 'the stream');
  phony.child.kill('SIGKILL');
  const end = await carrier.events.wait((e) => e.event === 'stream-closed' && e.callSid === sid, 'the end');
  assert.ok(end.bytesReceived > 4000 && end.playedBytes === end.bytesReceived);
  await noProcesses();
  // The next instance finds everything.
  const next = await startPhony({ sims: { carrier, agent }, folder });
  const { body } = await next.api('GET', `/api/calls/${sid}`);
  assert.deepEqual([body.status, body.conversationHistory[0].content], ['completed', 'Thank you. Goodbye!']);
  await next.stop();
  assert.deepEqual([await agent.stop(), await carrier.stop()], [0, 0]);
  await noProcesses();
});

test('a line that is cut comes back, and goes on with what was said', async () => {
  const agents = { 'agent-test': { script: [{ say: 'Hello, this is Anna.', wav: hello.pattern }, { pause_ms: 60000 }] } };
  await withTree({ agents, callees: { '+12025550139': { bad: 'cut', script: [] } } }, async ({ agent, carrier, phony }) => {
    const sid = (await phony.call('+12025550139')).body.callSid;
    await carrier.events.wait((e) => e.event === 'twiml' && e.callSid === sid && e.document.includes('again=2'), 'the redirect');
    const again = await agent.events.wait((e) => e.event === 'initiated' && e.prompt.includes('THE CALL SO FAR'), 'the history');
    assert.match(again.prompt, /You: Hello, this is Anna\./);
    await phony.api('POST', `/api/calls/${sid}/hangup`);
    const call = await phony.over(sid);
    assert.equal(call.status, 'completed');
  });
});

// What the carrier does wrong, and the words in which it is recorded.
const carriers = { start_twice: /start came twice/, media_before_start: /media came before start/, binary: /binary frame/, huge: /size limit/, not_json: /no JSON/ };
test('carriers that break the protocol: each call is failed in words, the others go on', async () => {
  const callees = Object.fromEntries(Object.keys(carriers).map((bad, i) => [`+1202555014${i}`, { bad, script: [] }]));
  await withTree({ callees }, async ({ carrier, phony }) => {
    const good = (await phony.call('+12025550149')).body.callSid;
    for (const [i, [bad, words]] of Object.entries(carriers).entries()) {
      const sid = (await phony.call(`+1202555014${i}`)).body.callSid;
      const call = await phony.over(sid);
      assert.equal(call.status, 'failed', bad);
      assert.match(call.errorMessage, words);
      assert.match(carrier.events.find((e) => e.event === 'say' && e.callSid === sid).text, /sorry/);
    }
    assert.equal((await phony.api('GET', `/api/calls/${good}`)).body.isLive, true);
  });
});

test('an upgrade without start is given up after ten seconds', async () => {
  await withTree({ callees: { '+12025550150': { bad: 'no_start', script: [] } } }, async ({ phony }) => {
    const sid = (await phony.call('+12025550150')).body.callSid;
    const call = await phony.over(sid, 30000);
    assert.deepEqual([call.status, /no start message/.test(call.errorMessage)], ['failed', true]);
  });
});

const agents = {
  refuse_override: /refuses the override.*allow it in the agent's settings/, close_at_once: /closed by the other side with code 1011/,
  refuse_upgrade: /no conversation at ElevenLabs/, silent: /never answered/, unknown_format: /audio formats \(ulaw_8000, opus_48000\) are not known/,
  signed_url_500: /HTTP status 500/,
};
test('agents that cannot be had: the caller hears an apology, the reason is recorded in words', async () => {
  const bad = Object.fromEntries(Object.keys(agents).map((name) => [`agent-${name}`, { bad: name, script: [], gives: name === 'unknown_format' ? 'opus_48000' : 'ulaw_8000' }]));
  await withTree({ agents: { ...patient, ...bad } }, async ({ carrier, phony }) => {
    const good = (await phony.call('+12025550169')).body.callSid;
    await Promise.all([...Object.entries(agents), ['nobody', /knows no agent agent-nobody: check the call's elevenLabsAgentId/]].map(async ([name, words], i) => {
      const sid = (await phony.call(`+1202555016${i}`, { elevenLabsAgentId: `agent-${name}` })).body.callSid;
      const call = await phony.over(sid, 40000);
      assert.equal(call.status, 'failed', name);
      assert.match(call.errorMessage, words);
      assert.match(carrier.events.find((e) => e.event === 'say' && e.callSid === sid).text, /sorry/);
    }));
    assert.equal((await phony.api('GET', `/api/calls/${good}`)).body.isLive, true);
  });
});

test('an agent that crashes in the middle: an apology, failed', async () => {
  await withTree({ agents: { 'agent-test': { script: [{ pause_ms: 200 }, { crash: true }] } } }, async ({ carrier, phony }) => {
    const sid = (await phony.call('+12025550170')).body.callSid;
    const call = await phony.over(sid);
    assert.deepEqual([call.status, /the conversation at ElevenLabs ended/.test(call.errorMessage)], ['failed', true]);
    assert.ok(carrier.events.find((e) => e.event === 'say' && e.callSid === sid));
  });
});

test('a wrong API key is told as such', async () => {
  await withTree({ settings: { ELEVENLABS_API_KEY: 'xi-wrong-key' } }, async ({ phony }) => {
    const sid = (await phony.call('+12025550171')).body.callSid;
    assert.match((await phony.over(sid)).errorMessage, /check ELEVENLABS_API_KEY/);
  });
});

const canMount = spawnSync('unshare', ['-m', 'true']).status === 0;
test('an agent at two addresses, of which one cannot be used from here: it is had at the other, each time', { skip: !canMount && 'needs a mount namespace' }, async () => {
  const hosts = path.join(temporaryFolder(), 'hosts');
  // TCP to a broadcast address fails at once, as to one of IPv6 where there is no route; getaddrinfo(3) names it last.
  fs.writeFileSync(hosts, '127.0.0.1 localhost\n255.255.255.255 localhost\n');
  const long = speech('I would like to tell you a long story.');
  const agents = { 'agent-test': { script: [{ say: 'I would like to tell you a long story.', wav: long.pattern, crash_after_ms: 300 }], again: [{ pause_ms: 60000 }] } };
  const wrapper = ['unshare', '-m', 'sh', '-c', `mount --bind ${hosts} /etc/hosts && exec "$@"`, 'sh'];
  const settings = (agent) => ({ ELEVENLABS_WEBSOCKET_URL: `ws://localhost:${agent.port}/v1/convai/conversation` });
  await withTree({ agents, settings, agentKey: '', wrapper }, async ({ agent, phony }) => {
    const sid = (await phony.call('+12025550174')).body.callSid;
    await until(() => agent.events.filter((e) => e.event === 'initiated').length === 2 || phony.log.filter((l) => l.includes('agent-failed')).length > 0, 'the agent to be found again');
    await phony.api('POST', `/api/calls/${sid}/hangup`);
    const call = await phony.over(sid);
    assert.equal(call.status, 'completed', call.errorMessage);
  });
});

// A certificate authority of our own, and what it signed.
function certificates() {
  const folder = temporaryFolder();
  const file = (name) => path.join(folder, name);
  const openssl = (...args) => execFileSync('openssl', args, { stdio: 'ignore' });
  openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=Test CA', '-keyout', file('ca.key'), '-out', file('ca.pem'));
  for (const [name, san] of [['good', 'IP:127.0.0.1'], ['other', 'DNS:elsewhere.example']]) {
    openssl('req', '-newkey', 'rsa:2048', '-nodes', '-subj', `/CN=${name}`, '-keyout', file(`${name}.key`), '-out', file(`${name}.csr`));
    fs.writeFileSync(file('ext'), `subjectAltName=${san}\n`);
    openssl('x509', '-req', '-in', file(`${name}.csr`), '-CA', file('ca.pem'), '-CAkey', file('ca.key'), '-CAcreateserial', '-days', '2', '-extfile', file('ext'), '-out', file(`${name}.pem`));
  }
  return file;
}

test('TLS to the agent is verified: a trusted certificate is taken, others are not', async () => {
  const file = certificates();
  const talk = { 'agent-test': { script: [{ say: 'Thank you. Goodbye!', wav: thanks.pattern }, { tool: 'end_call', parameters: {} }] } };
  const cases = [['good', file('ca.pem'), true], ['good', '', false], ['other', file('ca.pem'), false]];
  for (const [name, ca, ok] of cases)
    await withTree({ agents: talk, agentTls: true, agentArgs: ['--tls', file(`${name}.pem`), file(`${name}.key`)], settings: ca ? { TLS_CA_FILE: ca } : {} }, async ({ carrier, phony }) => {
      const sid = (await phony.call('+12025550172')).body.callSid;
      const call = await phony.over(sid);
      assert.equal(call.status, ok ? 'completed' : 'failed', `${name} ${call.errorMessage}`);
      if (!ok) assert.ok(carrier.events.find((e) => e.event === 'say' && e.callSid === sid));
    });
  // The signed URL was refused above; here the socket itself is what is not trusted.
  await withTree({ agents: talk, agentTls: true, agentArgs: ['--tls', file('other.pem'), file('other.key')],
    settings: { ELEVENLABS_API_KEY: '', TLS_CA_FILE: file('ca.pem') } }, async ({ phony }) => {
    const sid = (await phony.call('+12025550173')).body.callSid;
    const call = await phony.over(sid);
    assert.equal(call.status, 'failed');
    assert.match(call.errorMessage, /no conversation at ElevenLabs/);
  });
});

test('Twilio that loses, drops, delays: never two calls, never a false word', async () => {
  await withTree({ carrierFaults: { create_faults: ['drop', 'lose', '429', '500', 'none'] } }, async ({ carrier, phony }) => {
  const placed = (to) => carrier.events.filter((e) => e.event === 'call-created' && e.to === to);
  // Processed, but the answer was lost: found again, one call.
  const dropped = await phony.call('+12025550181');
  assert.equal(dropped.status, 201, dropped.text);
  assert.deepEqual(placed('+12025550181').map((e) => e.callSid), [dropped.body.callSid]);
  // Never processed: looked for, not found, told so.
  const lost = await phony.call('+12025550182');
  assert.equal(lost.status, 504);
  assert.match(lost.body.message, /was not placed/);
  assert.equal(placed('+12025550182').length, 0);
  // Too many requests: surely not processed, so asked again (the next fault is a 500, which is looked into).
  const busy = await phony.call('+12025550183');
  assert.equal(busy.status, 504);
  assert.equal(placed('+12025550183').length, 0);
  assert.equal((await phony.call('+12025550184')).status, 201);
  await phony.api('POST', '/api/emergency-shutdown');
  });
});

test('a hang-up that Twilio never got is asked for again, before the call was answered', async () => {
  await withTree({ fallback: { script: [], ring_ms: 60000 } }, async ({ carrier, phony }) => {
    const { callSid } = (await phony.call('+12025550186')).body;
    carrier.command({ set: { update_faults: ['lose', 'lose', 'lose'] } });
    await phony.api('POST', `/api/calls/${callSid}/hangup`);
    await until(() => carrier.events.filter((e) => e.event === 'update-lost').length === 3, 'three requests to be lost');
    await carrier.events.wait((e) => e.event === 'call-ended' && e.callSid === callSid, 'the call to be ended all the same', 30000);
    await phony.over(callSid);
  });
});

test('Twilio that does not let phony in, for a while: no call is taken for over, and none stays on', async () => {
  await withTree({}, async ({ carrier, phony }) => {
    const { callSid } = (await phony.call('+12025550190')).body;
    await until(async () => (await events(phony, callSid)).some((e) => e.type === 'agent-connected'), 'the agent');
    carrier.command({ set: { unauthorized: true } });
    await phony.api('POST', `/api/calls/${callSid}/hangup`);
    await carrier.events.wait((e) => e.event === 'unauthorized', 'the hang-up to be refused');
    await phony.log.wait((line) => line.includes('whether the call is over is not known'), 'the call to be asked about');
    assert.equal((await phony.api('GET', `/api/calls/${callSid}`)).body.isLive, true);
    carrier.command({ set: { unauthorized: false } });
    await carrier.events.wait((e) => e.event === 'call-ended' && e.callSid === callSid, 'the call to be ended', 30000);
    assert.equal((await phony.over(callSid)).status, 'completed');
  });
});

// No callback arrives that would name the call, and our clock is 150 s ahead.
test('an answer that was lost, and a clock that is wrong: the call is found in the list', async () => {
  const settings = { PUBLIC_URL: 'http://127.0.0.1:9' };
  await withTree({ settings, fallback: { script: [], ring_ms: 60000 }, carrierFaults: { create_faults: ['drop'], clock_skew_s: -150 } }, async ({ carrier, phony }) => {
    const { status, body } = await phony.call('+12025550191');
    assert.equal(status, 201, JSON.stringify(body));
    assert.equal(body.callSid, carrier.events.find((e) => e.event === 'call-created').callSid);
    await phony.api('POST', `/api/calls/${body.callSid}/hangup`);
    await carrier.events.wait((e) => e.event === 'call-ended', 'its end');
  });
});

// "drop": Twilio connects the call, and its answer is lost. "lose": it never heard of it.
test('a transfer that Twilio did not answer: it goes through, or the agent has the call again', async () => {
  const callees = { '+13025550011': { dial: 'completed' } };
  await withTree({ callees }, async ({ carrier, phony }) => {
    const begin = async (to, fault) => {
      const { callSid } = (await phony.call(to)).body;
      await until(async () => (await events(phony, callSid)).some((e) => e.type === 'agent-connected'), 'the agent');
      carrier.command({ set: { update_faults: [fault] } });
      await phony.api('POST', `/api/calls/${callSid}/transfer`, { toNumber: '+13025550011', reason: 'asked for it' });
      return callSid;
    };
    const said = (call) => call.conversationHistory.map((turn) => turn.content);
    const failed = async (callSid) => {
      const call = await until(async () => { const { body } = await phony.api('GET', `/api/calls/${callSid}`); return body.transferTo === '' && body; }, 'the transfer to fail');
      assert.match(said(call).at(-1), /The transfer failed: Twilio did not answer/);
      assert.equal(call.isLive, true);
      await phony.api('POST', `/api/calls/${callSid}/hangup`);
      await phony.over(callSid);
    };
    const through = await begin('+12025550187', 'drop');
    assert.equal((await phony.over(through)).status, 'completed');
    assert.equal(carrier.events.filter((e) => e.event === 'dialled' && e.callSid === through).length, 1);
    assert.deepEqual(said((await phony.api('GET', `/api/calls/${through}`)).body), ['The call is transferred to +13025550011.', 'The transferred call ended: completed']);
    await failed(await begin('+12025550188', 'lose'));
    // The same, and voiced is killed while nobody knows.
    const orphan = await begin('+12025550189', 'lose');
    await carrier.events.wait((e) => e.event === 'update-lost' && e.callSid === orphan, 'the request');
    await until(async () => (await events(phony, orphan)).some((e) => e.type === 'transfer'), 'it to be stored'); // else it is told again, and goes through
    process.kill(processes().find((p) => p.name === 'voiced').pid, 'SIGKILL');
    await until(async () => (await phony.api('GET', `/api/calls/${orphan}`).catch(() => ({}))).body?.isLive, 'the call to be known');
    await failed(orphan);
  });
});

test('Twilio that cannot be reached is told as such, and the call is kept as failed', async () => {
  const phony = await startPhony({ sims: { carrier: { url: `http://127.0.0.1:${await freePort()}` } } });
  const { status, body } = await phony.call('+12025550185');
  assert.equal(status, 502);
  assert.match(body.message, /could not be reached/);
  assert.equal((await phony.api('GET', '/api/calls?status=failed')).body.count, 1);
  await phony.stop();
  await noProcesses();
});

test('voiced killed while nobody knows whether a call was placed: the time of looking for it counts from the request on', async () => {
  await withTree({ carrierFaults: { create_faults: ['lose'] }, settings: { TWILIO_TIMEOUT_SECONDS: '5' } }, async ({ carrier, phony }) => {
    const to = '+12025550192', placed = phony.call(to).catch(() => null);
    await carrier.events.wait((e) => e.event === 'create' && e.to === to, 'the request');
    const voiced = processes().find((p) => p.name === 'voiced').pid;
    process.kill(voiced, 'SIGSTOP');
    // It has been down for a minute.
    const db = new DatabaseSync(path.join(phony.folder, 'state/phony.db'));
    db.exec('PRAGMA busy_timeout = 5000');
    const { key, document } = db.prepare('SELECT key, document FROM calls').all().find((row) => row.document.includes(to));
    const call = { ...JSON.parse(document), startedAt: new Date(Date.now() - 60000).toISOString() };
    db.prepare('UPDATE calls SET document = ? WHERE key = ?').run(JSON.stringify(call), key);
    db.close();
    process.kill(voiced, 'SIGKILL');
    await placed;
    const over = await until(async () => (await phony.api('GET', '/api/calls').catch(() => ({}))).body?.calls.find((c) => c.toNumber === to && !c.isLive), 'it to be given up', 15000);
    assert.match(over.errorMessage, /it was not placed/);
  });
});

// Twilio's last callback came while nobody was there to hear it.
test('calls that ended while voiced was away are asked about soon: first the one that was being ended', async () => {
  await withTree({}, async ({ phony }) => {
    const ids = [];
    for (const to of ['+12025550187', '+12025550188']) {
      const { callSid } = (await phony.call(to)).body;
      await until(async () => (await events(phony, callSid)).some((e) => e.type === 'agent-connected'), 'the agent');
      await phony.api('POST', `/api/calls/${callSid}/hangup`);
      await phony.over(callSid);
      ids.push(callSid);
    }
    const voiced = processes().find((p) => p.name === 'voiced').pid;
    process.kill(voiced, 'SIGSTOP');
    const db = new DatabaseSync(path.join(phony.folder, 'state/phony.db'));
    db.exec('PRAGMA busy_timeout = 5000');
    for (const { key, document } of db.prepare('SELECT key, document FROM calls').all()) {
      const { endedAt, duration, endReason, ...live } = JSON.parse(document);
      const call = { ...live, status: 'in-progress', ...(live.callSid === ids[1] ? { endReason } : {}) };
      db.prepare('UPDATE calls SET document = ? WHERE key = ?').run(JSON.stringify(call), key);
    }
    db.close();
    process.kill(voiced, 'SIGKILL');
    const order = [];
    await until(async () => {
      for (const callSid of ids)
        if (!order.includes(callSid) && (await phony.api('GET', `/api/calls/${callSid}`).catch(() => ({}))).body?.status === 'completed') order.push(callSid);
      return order.length === 2;
    }, 'both to be over', 15000);
    assert.deepEqual(order, ids.toReversed());
  });
});

test('voiced killed while a call is being placed: the call is found again', async () => {
  await withTree({ fallback: { script: [], ring_ms: 3000 } }, async ({ carrier, phony }) => {
  const asked = phony.call('+12025550186').catch((e) => e);
  await carrier.events.wait((e) => e.event === 'create', 'the request');
  process.kill(processes().find((p) => p.name === 'voiced').pid, 'SIGKILL');
  await asked;
  const { callSid } = await carrier.events.wait((e) => e.event === 'call-created', 'the call');
  await until(async () => (await phony.api('GET', `/api/calls/${callSid}`)).body?.isLive, 'the call to be known', 20000);
  await carrier.events.wait((e) => e.event === 'stream-open' && e.callSid === callSid, 'the stream');
  await phony.api('POST', `/api/calls/${callSid}/hangup`);
  assert.equal((await phony.over(callSid)).status, 'completed');
  assert.equal(carrier.events.filter((e) => e.event === 'call-created').length, 1);
  });
});

test('the longest duration is kept by our own clock, too', async () => {
  await withTree({ settings: { MAX_OUTGOING_CALL_DURATION: '1' }, fallback: { script: [], no_limit: true } }, async ({ phony }) => {
    const sid = (await phony.call('+12025550187')).body.callSid;
    const call = await phony.over(sid, 20000);
    assert.match(call.endReason, /maximum duration/);
  });
});

test('a CALLWORKER_WRAPPER that cannot run: three tries, each later than the one before, and its own words', async () => {
  for (const [wrapper, words] of [['/nonexistent/tool -x', /CALLWORKER_WRAPPER \(\/nonexistent\/tool -x\) ended with exit code 127, there is no such command$/],
    ['true', /CALLWORKER_WRAPPER \(true\) ended with exit code 0$/]]) {
    await withTree({ settings: { CALLWORKER_WRAPPER: wrapper } }, async ({ carrier, phony }) => {
      const sid = (await phony.call('+12025550189')).body.callSid;
      const call = await phony.over(sid);
      assert.equal(call.status, 'failed');
      assert.match(call.errorMessage, words);
      const died = (await events(phony, sid)).filter((e) => e.type === 'worker-died').map((e) => Date.parse(e.timestamp));
      assert.equal(died.length, 3);
      assert.ok(died[1] - died[0] >= 240 && died[2] - died[1] >= 490, died.map((t) => t - died[0]).join());
      assert.match(carrier.events.find((e) => e.event === 'say' && e.callSid === sid).text, /sorry/);
    });
  }
});

test('CALLWORKER_WRAPPER runs each worker under a tool', async () => {
  const folder = temporaryFolder();
  await withTree({ settings: { RUN_AS: 'root', CALLWORKER_WRAPPER: `strace -f -o ${folder}/call.%p` } }, async ({ phony }) => {
    const sid = (await phony.call('+12025550188')).body.callSid;
    await until(async () => (await events(phony, sid)).some((e) => e.type === 'agent-connected'), 'the agent');
    await phony.api('POST', `/api/calls/${sid}/hangup`);
    await phony.over(sid);
  });
  const [trace] = fs.readdirSync(folder);
  assert.match(trace, /^call\.\d+$/);
  assert.match(fs.readFileSync(path.join(folder, trace), 'utf8'), /sendto|write/);
  fs.rmSync(folder, { recursive: true });
});

test('a worker that outlives its call, and voiced: once the call is deleted, its last events are dropped', async () => {
  await withTree({}, async ({ carrier, phony }) => {
    const { callSid } = (await phony.call('+12025550192')).body;
    await until(async () => (await events(phony, callSid)).some((e) => e.type === 'agent-connected'), 'the agent');
    const worker = workerOf(callSid).pid;
    process.kill(worker, 'SIGSTOP');
    carrier.command({ hangup: callSid });
    await phony.over(callSid);
    process.kill(processes().find((p) => p.name === 'voiced').pid, 'SIGKILL');
    await phony.log.wait((line) => line.includes('comes with the last events of a call that is over'), 'the worker to be known');
    await until(async () => (await phony.api('DELETE', `/api/calls/${callSid}`).catch(() => ({}))).status === 200, 'the call to be deleted');
    process.kill(worker, 'SIGCONT');
    await phony.log.wait((line) => /an event of call .* is dropped/.test(line), 'its last event');
    await until(() => !workerOf(callSid), 'the worker to end');
    const db = new DatabaseSync(path.join(phony.folder, 'state/phony.db'), { readOnly: true });
    for (const table of ['calls', 'turns', 'events']) assert.equal(db.prepare(`SELECT count(*) AS n FROM ${table}`).get().n, 0, table);
    db.close();
  });
});
