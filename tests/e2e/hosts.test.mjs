// Several hosts on one database, behind one nginx: what one begins, whichever is reached goes on with.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { afterEach, test } from 'node:test';
import { account, endAll, freePort, killAll, noProcesses, processes, speech, startAgent, startCarrier, startMongo, startPhony, until } from '../harness/phony.mjs';
import { startNginx } from '../harness/nginx.mjs';
import { incoming, sid } from '../harness/webhooks.mjs';

afterEach((t) => { if (t.error) endAll(); });

const token = 'a-token-that-all-hosts-share-0001';
const api = (phony, method, target, body) => phony.api(method, target, body);

// Everything of that host at once, as when its power is cut.
function cutPower(phony, ...workers) {
  const all = processes().filter((p) => p.runDir === phony.env.RUN_DIR || p.pid === phony.child.pid || workers.includes(p.pid));
  killAll(all.map((p) => p.pid));
  assert.ok(all.length >= 4);
}

test('three hosts: calls and messages go on wherever they are reached; one is killed', async () => {
  const thanks = speech('Thank you. Goodbye!');
  const mongo = await startMongo();
  const outside = await freePort();
  const ports = [await freePort(), await freePort(), await freePort()];
  const nginx = await startNginx(outside, ports);
  const agent = await startAgent({ apiKey: 'xi-test-key-0001', agents: { 'agent-test': { script: [{ say: 'Thank you. Goodbye!', wav: thanks.pattern }, { tool: 'end_call', parameters: {} }] },
    'agent-talks': { script: [{ say: 'Hello, this is Anna.', wav: speech('Hello, this is Anna. May I ask you something?').pattern }, { pause_ms: 60000 }], again: [{ say: 'Thank you. Goodbye!', wav: thanks.pattern }, { tool: 'end_call', parameters: {} }] } } });
  const carrier = await startCarrier({ default: { script: [] }, messages: { random: { seed: 3, drop: 0.1, lose: 0.1 } } });
  const hosts = [];
  for (const port of ports)
    hosts.push(await startPhony({ sims: { carrier, agent }, port, settings: { PUBLIC_URL: `http://127.0.0.1:${outside}`, MONGODB_URL: mongo.url, API_TOKEN: token, WARM_WORKERS: '1', TWILIO_TIMEOUT_SECONDS: '5' } }));
  const base = `http://127.0.0.1:${outside}`;

  // Calls: placed by one, answered by whichever the webhook and the stream reach.
  for (let i = 0; i < 6; i++) {
    const placed = await api(hosts[i % 3], 'POST', '/api/calls', { toNumber: `+1404555${String(i).padStart(4, '0')}`, systemInstructions: 'Be polite.', callInstructions: 'Say goodbye.' });
    assert.equal(placed.status, 201, placed.text);
    const { callSid } = placed.body;
    const end = await carrier.events.wait((e) => e.event === 'stream-closed' && e.callSid === callSid, 'the end');
    assert.ok(end.bytesReceived > 8000 && end.playedBytes === end.bytesReceived);
    for (const host of hosts)
      await until(async () => (await api(host, 'GET', `/api/calls/${callSid}`)).body?.status === 'completed', 'the end, told by each', 20000);
    const { body } = await api(hosts[(i + 1) % 3], 'GET', `/api/calls/${callSid}/transcript`);
    assert.deepEqual(body.conversationHistory.map((t) => t.content), ['Thank you. Goodbye!']);
  }
  const adopted = hosts.flatMap((h) => h.log.filter((l) => l.includes('placed by another host')));
  assert.ok(adopted.length > 0, 'no webhook reached another host');

  // Everything off: whoever is asked ends the calls of all.
  const many = [];
  for (let i = 0; i < 3; i++) many.push((await api(hosts[i], 'POST', '/api/calls', { toNumber: `+1404555077${i}`, systemInstructions: 'x', callInstructions: 'y', elevenLabsAgentId: 'agent-talks' })).body.callSid);
  for (const callSid of many) await carrier.events.wait((e) => e.event === 'stream-first-audio' && e.callSid === callSid, 'the first words');
  const off = await api(hosts[2], 'POST', '/api/emergency-shutdown');
  assert.deepEqual([off.status, off.body.ended, off.body.failures], [200, 3, []], off.text);
  for (const callSid of many) await until(async () => (await api(hosts[0], 'GET', `/api/calls/${callSid}`)).body?.status === 'completed', 'the end', 20000);

  // Messages: received by any, seen by all; sent by one, told of through another.
  const answered = [], sent = [];
  const receiving = Promise.all([...Array(10)].map(async (_, w) => {
    for (let n = w * 30; n < (w + 1) * 30; n++) {
      const patience = Date.now() + 60000;
      for (;;) {
        assert.ok(Date.now() < patience, `message ${n} was not taken for a minute`);
        const answer = await incoming(hosts[0], { MessageSid: sid(n), From: `+1202555${String(n % 20).padStart(4, '0')}`, To: account.number, Body: `m ${n}`, NumMedia: '0' }, { base }).catch(() => ({ status: 0 }));
        if (answer.status === 200) break;
      }
      answered.push(sid(n));
    }
  }));
  const sending = Promise.all([0, 1, 2].map(async (h) => {
    for (let n = 0; n < 30; n++) {
      const to = `+1303555${h}${String(n).padStart(3, '0')}`;
      // The third is killed in the middle: what it was asked for and had not answered is nobody's promise.
      const answer = await api(hosts[h], 'POST', '/api/sms/send', { toNumber: to, body: `out ${h} ${n}` }).catch(() => null);
      if (answer && [200, 202].includes(answer.status)) sent.push(to);
      if (h === 2 && n === 10) {
        cutPower(hosts[2]);
        return;
      }
    }
  }));
  await Promise.all([receiving, sending]);
  const everything = async (query) => {
    const all = [];
    for (let cursor = ''; ;) {
      const { body } = await api(hosts[0], 'GET', `/api/sms/messages?limit=200${query}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`);
      all.push(...body.data.messages);
      cursor = body.nextCursor;
      if (!cursor) return all;
    }
  };
  const received = await everything('&direction=inbound');
  assert.equal(received.length, 300);
  assert.deepEqual(new Set(received.map((m) => m.messageSid)), new Set(answered));
  // What the dead host had in its hands is another's once its lease is over.
  const late = async () => (await everything('&direction=outbound')).filter((m) => m.status !== 'delivered');
  await until(async () => (await late()).length === 0, 'all to be delivered', 100000, 1000).catch(async (error) => {
    throw new Error(`${error.message}: ${JSON.stringify(await late())}`);
  });
  const outgoing = await everything('&direction=outbound');
  for (const to of sent) assert.equal(outgoing.filter((m) => m.toNumber === to).length, 1, to);
  for (const m of outgoing) {
    const accepted = carrier.events.filter((e) => e.event === 'message-created' && e.to === m.toNumber).map((e) => e.messageSid);
    assert.deepEqual(accepted, [m.messageSid], m.toNumber);
  }

  // A call goes on at another host when the power of its own is cut, with what was said so far.
  const live = (await api(hosts[1], 'POST', '/api/calls', { toNumber: '+14045550888', systemInstructions: 'x', callInstructions: 'y', elevenLabsAgentId: 'agent-talks' })).body.callSid;
  const worker = await until(async () => (await api(hosts[1], 'GET', `/api/calls/${live}/transcript`)).body?.messageCount === 1 && processes().find((p) => p.name === 'callworker' && p.title.includes(live)), 'the first words');
  const voiced = Number(/PPid:\s+(\d+)/.exec(fs.readFileSync(`/proc/${worker.pid}/status`, 'utf8'))[1]);
  const dead = hosts.find((h) => h.env.RUN_DIR === processes().find((p) => p.pid === voiced).runDir), left = hosts.slice(0, 2).filter((h) => h !== dead);
  cutPower(dead, worker.pid);
  const goesOn = await until(async () => { const a = await api(left[0], 'GET', `/api/calls/${live}`).catch(() => ({})); return a.body?.isLive === false && a.body; }, 'the call to go on and end', 30000);
  assert.deepEqual([goesOn.status, ...goesOn.conversationHistory.map((t) => t.content)], ['completed', 'Hello, this is Anna.', 'Thank you. Goodbye!']);
  assert.ok(agent.events.find((e) => e.event === 'initiated' && /THE CALL SO FAR[^]*You: Hello, this is Anna\./.test(e.prompt)));

  // What is left serves new calls.
  const placed = await api(left[0], 'POST', '/api/calls', { toNumber: '+14045550999', systemInstructions: 'x', callInstructions: 'y' });
  assert.equal(placed.status, 201);
  await until(async () => (await api(left[0], 'GET', `/api/calls/${placed.body.callSid}`)).body?.status === 'completed', 'the end', 20000);

  for (const host of left) assert.equal((await host.stop()).code, 0);
  await noProcesses();
  assert.deepEqual([await agent.stop(), await carrier.stop()], [0, 0]);
  await nginx.stop();
  await mongo.stop();
});

// Each request goes to the host that portOf names for its path.
async function startFront(port, portOf) {
  const server = http.createServer((request, answer) => {
    const { method, url, headers } = request;
    const passed = http.request({ host: '127.0.0.1', port: portOf(url), method, path: url, headers }, (from) => { answer.writeHead(from.statusCode, from.rawHeaders); from.pipe(answer); });
    passed.on('error', () => answer.destroy());
    request.pipe(passed);
  });
  server.on('upgrade', ({ url, rawHeaders }, client, head) => {
    const host = net.connect(portOf(url), '127.0.0.1', () => {
      host.write(`GET ${url} HTTP/1.1\r\n${rawHeaders.map((text, i) => (i % 2 ? `${text}\r\n` : `${text}: `)).join('')}\r\n`);
      host.write(head);
      client.pipe(host).pipe(client);
    });
    for (const [one, other] of [[client, host], [host, client]]) one.on('error', () => other.destroy());
  });
  await new Promise((done) => server.listen(port, '127.0.0.1', done));
  return server;
}

test('what a host knows of a call is of before its end: everything off counts none that is over, and changes nothing of what is stored', async () => {
  const mongo = await startMongo();
  const ports = [await freePort(), await freePort(), await freePort()];
  const agent = await startAgent({ apiKey: 'xi-test-key-0001', agents: { 'agent-test': { script: [{ pause_ms: 60000 }] } } });
  const carrier = await startCarrier({ default: { script: [] } });
  const settings = { PUBLIC_URL: `http://127.0.0.1:${ports[2]}`, MONGODB_URL: mongo.url, API_TOKEN: token, DRAIN_SECONDS: '1' };
  const serves = await startPhony({ sims: { carrier, agent }, port: ports[0], settings });
  const other = await startPhony({ sims: { carrier, agent }, port: ports[1], settings });
  let callbacks = ports[1];
  const front = await startFront(ports[2], (url) => (url.startsWith('/call/status') ? callbacks : ports[0]));
  const begin = async (host, to) => {
    const { callSid } = (await host.call(to)).body;
    await carrier.events.wait((e) => e.event === 'stream-open' && e.callSid === callSid, 'the stream');
    return callSid;
  };
  const hangUp = async (callSid) => {
    await api(serves, 'POST', `/api/calls/${callSid}/hangup`);
    assert.equal((await serves.over(callSid)).status, 'completed');
  };
  const off = async () => { const { status, body } = await api(other, 'POST', '/api/emergency-shutdown'); return [status, body?.ended, body?.failures]; };
  // It heard of the first by a callback, but not of its end.
  const heard = await begin(serves, '+14045550667');
  await other.log.wait((l) => l.includes(heard) && l.includes('placed by another host'), 'the callback');
  callbacks = ports[0];
  await hangUp(heard);
  assert.deepEqual(await off(), [200, 0, []]);
  // And it placed the second, which the other host has served from its answer on.
  const placed = await begin(other, '+14045550668');
  await hangUp(placed);
  const [status, , failures] = await off();
  assert.deepEqual([status, failures], [200, []]);
  // The third is live: it is one call, though the host that placed it learns only now that another serves it.
  const live = await begin(other, '+14045550669');
  assert.deepEqual(await off(), [200, 1, []]);
  assert.equal((await serves.over(live)).status, 'completed');
  for (const callSid of [heard, placed]) {
    const { body } = await api(serves, 'GET', `/api/calls/${callSid}`);
    assert.deepEqual([body.status, body.isLive, body.endReason], ['completed', false, 'hung up on request']);
  }
  for (const host of [serves, other]) assert.equal((await host.stop()).code, 0);
  await noProcesses();
  assert.deepEqual([await agent.stop(), await carrier.stop()], [0, 0]);
  front.close();
  front.closeAllConnections();
  await mongo.stop();
});
