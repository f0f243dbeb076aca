// The store that cannot write for a while: nothing is lost, and no false success is told.
import assert from 'node:assert/strict';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, test } from 'node:test';
import { endAll, noProcesses, speech, startAgent, startCarrier, startPhony, until } from '../harness/phony.mjs';

afterEach((t) => { if (t.error) endAll(); });

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

test('an answered call that cannot be stored for a moment: its stream begins once it is', async () => {
  const agent = await startAgent({ apiKey: 'xi-test-key-0001', agents: { 'agent-test': { script: [{ pause_ms: 60000 }] } } });
  const carrier = await startCarrier({ default: { script: [], ring_ms: 1000 } });
  const phony = await startPhony({ sims: { carrier, agent }, settings: { DRAIN_SECONDS: '1' } });
  const database = new DatabaseSync(path.join(phony.folder, 'state/phony.db'));
  database.exec('PRAGMA busy_timeout = 5000');
  try {
    const { callSid } = (await phony.call('+12025550195')).body;
    const failed = () => phony.log.filter((l) => l.includes('could not be stored')).length;
    // Each change of a call fails at once: it looks at an index that is damaged.
    database.exec(`CREATE VIRTUAL TABLE damaged USING fts5(text); INSERT INTO damaged VALUES ('text'); UPDATE damaged_data SET block = x'ff' WHERE id = 1;
      CREATE TRIGGER no_change BEFORE UPDATE ON calls BEGIN INSERT INTO damaged (damaged) VALUES ('integrity-check'); END`);
    await phony.log.wait((l) => l.includes('is in-progress'), 'the answer');
    const answered = Date.now(), before = failed();
    await until(() => failed() > before || carrier.events.find((e) => e.event === 'stream-open'), 'another try');
    database.exec('DROP TRIGGER no_change');
    await carrier.events.wait((e) => e.event === 'stream-open' && e.callSid === callSid, 'the stream');
    // It does not wait for longer than three seconds.
    if (Date.now() - answered < 2500) {
      assert.ok(!phony.log.find((l) => l.includes('is not stored yet, and goes on')));
      assert.equal(JSON.parse(database.prepare('SELECT document FROM calls').get().document).status, 'in-progress');
    }
  } finally {
    database.close();
    const end = await phony.stop();
    assert.deepEqual([end.code, await agent.stop(), await carrier.stop()], [0, 0, 0]);
    await noProcesses();
  }
});
