// Behind a real nginx, with the block that we ship: a whole call, and nothing else let through.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freePort, noProcesses, speech, startAgent, startCarrier, startPhony } from '../harness/phony.mjs';
import { startNginx } from '../harness/nginx.mjs';

test('a call through nginx', async () => {
  const thanks = speech('Thank you. Goodbye!');
  const [outside, inside] = [await freePort(), await freePort()];
  const nginx = await startNginx(outside, [inside]);
  const agent = await startAgent({ apiKey: 'xi-test-key-0001', agents: { 'agent-test': { script: [{ say: 'Thank you. Goodbye!', wav: thanks.pattern }] } } });
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
