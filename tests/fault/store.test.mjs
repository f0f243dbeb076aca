// The store that cannot write for a while: nothing is lost, and no false success is told.
import assert from 'node:assert/strict';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { noProcesses, speech, startAgent, startCarrier, startPhony, until } from '../harness/phony.mjs';

test('a locked database: the call goes on, its lines are stored later, a new call is refused', async () => {
  const hello = speech('Hello, this is Anna. May I ask you something?');
  const thanks = speech('Thank you. Goodbye!');
  const yes = speech('Yes, please.', { voice: 'en-us' });
  const agent = await startAgent({ apiKey: 'xi-test-key-0001', agents: { 'agent-test': { script: [{ pause_ms: 500 }, { say: 'Hello, this is Anna.', wav: hello.pattern },
    { hear: 'Yes, please.' }, { say: 'Thank you. Goodbye!', wav: thanks.pattern }] } } });
  const carrier = await startCarrier({ default: { script: [{ hear: true }, { say: yes.at(8000) }] } });
  const phony = await startPhony({ sims: { carrier, agent } });
  try {
    const { callSid } = (await phony.call('+12025550195')).body;
    await carrier.events.wait((e) => e.event === 'stream-open', 'the stream');
    const database = new DatabaseSync(path.join(phony.folder, 'state/phony.db'));
    database.exec('PRAGMA busy_timeout = 5000');
    database.exec('BEGIN IMMEDIATE');
    const refused = await phony.call('+12025550196');
    assert.equal(refused.status, 503, refused.text);
    assert.equal(refused.body.code, 'store');
    assert.equal((await phony.api('GET', '/ready')).status, 503);
    const end = await carrier.events.wait((e) => e.event === 'stream-closed' && e.callSid === callSid, 'the end', 30000);
    assert.ok(end.playedBytes === end.bytesReceived && end.bytesReceived > 16000);
    await phony.log.wait((l) => l.includes('is not stored yet'), 'the store to fail');
    database.exec('ROLLBACK');
    database.close();
    const call = await phony.over(callSid, 40000);
    assert.equal(call.status, 'completed');
    await until(async () => (await phony.api('GET', `/api/calls/${callSid}/transcript`)).body.messageCount === 3, 'every line', 20000);
    assert.equal(carrier.events.filter((e) => e.event === 'call-created').length, 1);
  } finally {
    const end = await phony.stop();
    assert.deepEqual([end.code, await agent.stop(), await carrier.stop()], [0, 0, 0]);
    await noProcesses();
  }
});
