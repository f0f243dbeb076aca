// Settings changed while phony runs: in force in a moment, kept, and no call is hung up for it.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, test } from 'node:test';
import { account, endAll, noProcesses, processes, startAgent, startCarrier, startPhony, until } from '../harness/phony.mjs';

afterEach((t) => { if (t.error) endAll(); });

const agents = { 'agent-test': { script: [{ pause_ms: 60000 }] } };
const setting = async (phony, name) => (await phony.api('GET', '/api/settings').catch(() => ({}))).body?.data?.settings.find((s) => s.name === name);
const put = (phony, changes) => phony.api('PUT', '/api/settings', changes);

test('settings are changed, in force for the next call, and kept; live calls go on; what is wrong is named, all of it', async () => {
  const agent = await startAgent({ apiKey: 'xi-test-key-0001', agents });
  const carrier = await startCarrier({ default: { script: [] } });
  const options = { sims: { carrier, agent }, settings: { DENIED_PREFIXES: '+1900', API_TOKEN: 'a-token-of-the-settings-test' }, keep: true };
  const phony = await startPhony(options);
  const file = path.join(phony.folder, 'state/settings.env');
  const { settings } = (await phony.api('GET', '/api/settings')).body.data;
  assert.ok(settings.every((s) => s.kind !== 'secret' || s.value === undefined));
  assert.deepEqual(settings.find((s) => s.name === 'TWILIO_AUTH_TOKEN').isSet, true);
  assert.doesNotMatch(JSON.stringify(settings), new RegExp(`${account.token}|xi-test-key`));

  const bad = await put(phony, { NO_SUCH: '1', CALLWORKER_WRAPPER: 'sh -c true', RING_TIMEOUT: '4', QUIET_HOURS: '25:00-07:00', ALLOWED_PREFIXES: '1', CONFIRM_CALLS: true, LOG_LEVEL: 'debug\nRUN_AS=root' });
  assert.equal(bad.status, 400);
  for (const [name, why] of [['NO_SUCH', 'no such setting'], ['CALLWORKER_WRAPPER', 'not changed here'], ['RING_TIMEOUT', 'from 5 to 600'], ['QUIET_HOURS', 'as 22:00-07:00'], ['ALLOWED_PREFIXES', 'must be \\+ and digits'], ['CONFIRM_CALLS', 'must be a text'], ['LOG_LEVEL', 'one line']])
    assert.match(bad.body.message, new RegExp(`${name}: .*${why}`));
  assert.equal(fs.existsSync(file), false, 'nothing was changed');

  const { callSid } = (await phony.call('+12025550141')).body;
  const worker = await until(() => processes().find((p) => p.name === 'callworker' && p.title.includes(callSid)), 'its process');
  const changed = await put(phony, { DENIED_PREFIXES: '+1202', MAX_CONCURRENT_CALLS: '3' });
  assert.deepEqual([changed.status, changed.body.data.inForce], [200, true], changed.text);
  await until(async () => (await setting(phony, 'DENIED_PREFIXES'))?.value === '+1202', 'the new value');
  assert.equal(fs.statSync(file).mode & 0o777, 0o600);
  const denied = await phony.call('+12025550142');
  assert.equal(denied.status, 403);
  assert.match(denied.body.message, /begins with \+1202, which DENIED_PREFIXES names/);
  assert.deepEqual([(await phony.api('GET', `/api/calls/${callSid}`)).body.isLive, processes().some((p) => p.pid === worker.pid)], [true, true], 'the live call goes on');
  assert.equal((await phony.api('GET', '/api/status')).body.maxCalls, 3);
  await phony.api('POST', `/api/calls/${callSid}/hangup`);
  await phony.over(callSid);
  assert.equal((await phony.stop()).code, 0);

  // Another start, the same folder: kept, also before the environment. Then back to what is configured.
  const again = await startPhony({ ...options, folder: phony.folder, port: phony.port });
  assert.deepEqual([(await setting(again, 'DENIED_PREFIXES')).value, (await setting(again, 'DENIED_PREFIXES')).changed], ['+1202', true]);
  assert.equal((await put(again, { DENIED_PREFIXES: null })).status, 200);
  await until(async () => (await setting(again, 'DENIED_PREFIXES'))?.value === '+1900', 'what is configured');
  assert.equal((await setting(again, 'MAX_CONCURRENT_CALLS')).value, '3');
  assert.equal((await again.stop()).code, 0);
  assert.deepEqual([await agent.stop(), await carrier.stop()], [0, 0]);
  fs.rmSync(phony.folder, { recursive: true, force: true });
  await noProcesses();
});

test('a setting that is no such thing keeps phony from starting, with its name', async () => {
  const phony = await startPhony({ settings: { QUIET_HOURS: '10pm to 7', ALLOWED_PREFIXES: '+1, 44' }, wait: false });
  assert.equal((await phony.ended).code, 78);
  assert.ok(phony.log.find((l) => /QUIET_HOURS: must be as 22:00-07:00, or off/.test(l)));
  assert.ok(phony.log.find((l) => /ALLOWED_PREFIXES: must be \+ and digits/.test(l)));
  fs.rmSync(phony.folder, { recursive: true, force: true });
});
