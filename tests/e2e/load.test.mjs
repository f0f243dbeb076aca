// Many calls: at once, and one after the other.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { afterEach, test } from 'node:test';
import { endAll, noProcesses, processes, startAgent, startCarrier, startPhony, until } from '../harness/phony.mjs';
import { number, tonesOf } from '../harness/tones.mjs';

afterEach((t) => { if (t.error) endAll(); });

const sanitized = /asan/.test(process.env.BUILD ?? '');
const descriptors = (pid) => fs.readdirSync(`/proc/${pid}/fd`).length;

async function withTree(agents, fallback, story) {
  const agent = await startAgent({ apiKey: 'xi-test-key-0001', agents });
  const carrier = await startCarrier({ default: fallback });
  const phony = await startPhony({ sims: { carrier, agent } });
  try {
    await story({ agent, carrier, phony });
  } finally {
    const end = await phony.stop();
    const codes = [await agent.stop(), await carrier.stop()];
    assert.deepEqual([end.code, ...codes], [0, 0, 0]);
    await noProcesses();
  }
}

test('fifty calls at once: no frame is lost or reordered', { skip: sanitized && 'sanitized workers are too slow for fifty on two cores' }, async () => {
  await withTree({ 'agent-test': { mode: 'echo' } }, { mode: 'stamp', seconds: 8 }, async ({ agent, carrier, phony }) => {
    const placed = await Promise.all(Array.from({ length: 50 }, (_, i) => phony.call(number(i))));
    assert.ok(placed.every((p) => p.status === 201), JSON.stringify(placed.find((p) => p.status !== 201)?.body));
    await until(() => carrier.events.filter((e) => e.event === 'stream-closed').length === 50, 'fifty ends', 60000);
    await until(() => agent.events.filter((e) => e.event === 'ended').length === 50, 'fifty conversations to end');
    for (const end of carrier.events.filter((e) => e.event === 'stream-closed'))
      assert.deepEqual([end.framesSent, end.stamps, end.lost, end.reordered], [400, 400, 0, 0]);
    for (const end of agent.events.filter((e) => e.event === 'ended'))
      assert.deepEqual([end.chunks, end.lost, end.reordered], [400, 0, 0]);
    for (const { body } of placed) assert.equal((await phony.over(body.callSid)).status, 'completed');
  });
});

test('calls of both providers at once, each with two tones of its own: none hears another', async () => {
  await tonesOf(sanitized ? 4 : 12, 2, (sims) => startPhony({ sims }));
  await noProcesses();
});

test('five hundred calls in a row leave no descriptor and no process', async () => {
  const calls = sanitized ? 60 : 500;
  await withTree({ 'agent-test': { script: [] } }, { script: [{ pause_ms: 40 }, { hangup: true }] }, async ({ phony }) => {
    const idle = () => processes().filter((p) => p.name === 'callworker').length === 2 && processes().length === 6;
    let next = 0;
    const line = (last) => async () => {
      for (let i = next++; i < last; i = next++) {
        const { status, body } = await phony.call(number(i));
        assert.equal(status, 201, JSON.stringify(body));
        assert.equal((await phony.over(body.callSid)).status, 'completed');
      }
    };
    const until_call = async (last) => { await Promise.all(Array.from({ length: 10 }, line(last))); next = last; };
    await until_call(20); // connections that are kept are kept by now
    await until(idle, 'two idle workers');
    const pids = Object.fromEntries(processes().filter((p) => p.name !== 'callworker').map((p) => [p.name, p.pid]));
    const before = Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, descriptors(pid)]));
    await until_call(calls);
    await until(idle, 'two idle workers again');
    const { body } = await phony.api('GET', '/api/calls?limit=200');
    assert.equal(body.count, Math.min(200, calls));
    for (const [name, pid] of Object.entries(pids))
      await until(() => descriptors(pid) <= before[name], `${name} to have ${before[name]} descriptors, not ${descriptors(pid)}`);
  });
});

test('an idle worker keeps less than 1.5 MB to itself', { skip: sanitized && 'sanitizers need more' }, async () => {
  await withTree({ 'agent-test': { script: [] } }, { script: [] }, async () => {
    const workers = await until(() => { const w = processes().filter((p) => p.name === 'callworker'); return w.length === 2 && w; }, 'two idle workers');
    await until(() => workers.every(({ pid }) => /waiting for a call/.test(fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8'))), 'their titles');
    for (const { pid } of workers) {
      const rollup = fs.readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
      const kilobytes = ['Private_Clean', 'Private_Dirty'].reduce((sum, name) => sum + Number(rollup.match(new RegExp(`${name}:\\s+(\\d+)`))[1]), 0);
      assert.ok(kilobytes < 1536, `${kilobytes} kB`);
    }
  });
});

test("a worker's title shows its call, state and age", async () => {
  await withTree({ 'agent-test': { script: [{ pause_ms: 60000 }] } }, { script: [] }, async ({ phony }) => {
    const { callSid } = (await phony.call(number(1))).body;
    await until(() => processes().some((p) => new RegExp(`^callworker: ${callSid} live 0:0\\d$`).test(p.title)), 'the title');
    await phony.api('POST', `/api/calls/${callSid}/hangup`);
    await phony.over(callSid);
  });
});
