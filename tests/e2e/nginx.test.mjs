// Behind a real nginx, with the block that we ship: a whole call, and nothing else let through.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, test } from 'node:test';
import { endAll, freePort, noProcesses, root, speech, startAgent, startCarrier, startPhony } from '../harness/phony.mjs';
import WebSocket from 'ws';
import { readmeBlock, startNginx } from '../harness/nginx.mjs';

afterEach((t) => { if (t.error) endAll(); });

test('a call through nginx, by the block of the README alone', async () => {
  const rules = (text) => text.split('\n').map((l) => l.trim()).filter((l) => l && !l.startsWith('#'));
  assert.deepEqual(rules(readmeBlock()), rules(fs.readFileSync(path.join(root, 'etc/nginx/phony.conf'), 'utf8')));
  const thanks = speech('Thank you. Goodbye!');
  const [outside, inside] = [await freePort(), await freePort()];
  const nginx = await startNginx(outside, [inside], 'README.md');
  const agent = await startAgent({ apiKey: 'xi-test-key-0001', agents: { 'agent-test': { script: [{ say: 'Thank you. Goodbye!', wav: thanks.pattern }, { tool: 'end_call', parameters: {} }] } } });
  const carrier = await startCarrier({ default: { script: [] } });
  const phony = await startPhony({ sims: { carrier, agent }, port: inside, settings: { PUBLIC_URL: `http://127.0.0.1:${outside}` } });
  try {
    for (const target of ['/api/calls', '/health', '/ready']) assert.equal((await fetch(`http://127.0.0.1:${outside}${target}`)).status, 404, target);
    assert.equal((await fetch(`http://127.0.0.1:${outside}/call/status`, { method: 'POST' })).status, 403);
    const { body } = await phony.call('+12025550191');
    const end = await carrier.events.wait((e) => e.event === 'stream-closed' && e.callSid === body.callSid, 'the end');
    assert.ok(end.bytesReceived > 8000 && end.playedBytes === end.bytesReceived);
    assert.equal((await phony.over(body.callSid)).status, 'completed');
  } finally {
    const end = await phony.stop();
    const codes = [await agent.stop(), await carrier.stop()];
    await nginx.stop();
    assert.deepEqual([end.code, ...codes], [0, 0, 0], nginx.errors);
    await noProcesses();
  }
});

test('the private block: the UI, a session, the stream of events, for several hosts', async () => {
  const [outside, ...inside] = [await freePort(), await freePort(), await freePort()];
  const carrier = await startCarrier({ default: { script: [] } });
  const hosts = [];
  for (const port of inside) hosts.push(await startPhony({ sims: { carrier }, port, settings: { TRUSTED_PROXIES: '127.0.0.1', API_TOKEN: 'the-same-token-everywhere-000000001' } }));
  const nginx = await startNginx(outside, inside, 'phony-private.conf');
  const at = `http://127.0.0.1:${outside}`;
  try {
    const page = await fetch(`${at}/`);
    assert.match(page.headers.get('content-security-policy'), /default-src/);
    assert.match(await page.text(), /<div id="root">/);
    const begun = await fetch(`${at}/api/session`, { method: 'POST', headers: { 'content-type': 'application/json', origin: at }, body: JSON.stringify({ token: 'the-same-token-everywhere-000000001' }) });
    assert.equal(begun.status, 200);
    const cookie = begun.headers.get('set-cookie').split(';')[0];
    for (let i = 0; i < 4; i++) assert.equal((await fetch(`${at}/api/calls`, { headers: { cookie } })).status, 200, 'whichever host is reached');
    const abort = new AbortController();
    const events = await fetch(`${at}/api/events`, { headers: { cookie }, signal: abort.signal });
    assert.match(events.headers.get('content-type'), /^text\/event-stream/);
    const reader = events.body.getReader();
    assert.ok((await reader.read()).value.length > 0, 'the first bytes come at once, not when a buffer is full');
    abort.abort();
    // A call in the browser: its WebSocket is passed on. Only one of the hosts, which share no database, knows it.
    const asked = await fetch(`${at}/api/calls/browser`, { method: 'POST', headers: { cookie, origin: at, 'content-type': 'application/json' }, body: JSON.stringify({ systemInstructions: 'You are polite.', callInstructions: 'Talk.' }) });
    const { callSid, streamPath } = await asked.json();
    assert.equal(asked.status, 201);
    const dial = async () => {
      const socket = new WebSocket(`${at.replace('http', 'ws')}${streamPath}`);
      const answer = await Promise.race([once(socket, 'open').then(() => 101), once(socket, 'unexpected-response').then(([, { statusCode }]) => statusCode)]);
      socket.terminate();
      return answer;
    };
    assert.deepEqual(new Set([await dial(), await dial()]), new Set([101, 403]));
    await fetch(`${at}/api/calls/${callSid}/hangup`, { method: 'POST', headers: { cookie, origin: at } });
  } finally {
    const codes = [];
    for (const host of hosts) codes.push((await host.stop()).code);
    await nginx.stop();
    assert.deepEqual([...codes, await carrier.stop()], [0, 0, 0], nginx.errors);
    await noProcesses();
  }
});
