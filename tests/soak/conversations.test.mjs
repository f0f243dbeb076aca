// A thousand interruptions at random moments; a hundred calls at once; five hundred in a row: both providers mixed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noProcesses, processes, speech, startAgent, startCarrier, startPhony, until } from '../harness/phony.mjs';
import { number, tonesOf } from '../harness/tones.mjs';

const text = 'I would like to tell you a long story about a table for two people at your very nice restaurant in the old town.';
const story = { say: text, wav: speech(text).pattern, corrected: 'I would like to' };
const thanks = { say: 'Thank you. Goodbye!', wav: speech('Thank you. Goodbye!').pattern };
const wait = speech('Yes, please.', { voice: 'en-us' }).at(8000);

async function withTree({ openai, elevenlabs, ...carried }, story) {
  const agent = await startAgent({ apiKey: 'xi-test-key-0001', openaiKey: 'sk-test-key-0001', agents: { openai, elevenlabs } });
  const carrier = await startCarrier(carried);
  const phony = await startPhony({ sims: { carrier, agent }, settings: { MAX_CALLS_PER_HOUR: '100000', MAX_CALLS_PER_DAY: '100000' } });
  const place = async (i) => {
    const { status, body } = await phony.call(number(i), i % 2 ? { provider: 'openai', callInstructions: 'Speak. #openai' } : { elevenLabsAgentId: 'elevenlabs' });
    assert.equal(status, 201, JSON.stringify(body));
    return body.callSid;
  };
  try {
    await story({ agent, carrier, phony, place });
  } finally {
    const end = await phony.stop();
    const codes = [await agent.stop(), await carrier.stop()];
    assert.deepEqual([...agent.events.items, ...carrier.events.items].filter((e) => e.event === 'violation'), []);
    assert.deepEqual([end.code, ...codes], [0, 0, 0]);
    await noProcesses();
  }
}

test('a thousand interruptions at random moments: no stale frame is heard', async () => {
  const calls = 40, each = 25;
  const callees = Object.fromEntries(Array.from({ length: calls }, (_, i) => [number(i),
    { script: Array.from({ length: each }, () => ({ say: wait, after_ms: 200 + Math.floor(Math.random() * 2500) })) }]));
  const script = [...Array.from({ length: each }, () => [story, { hear: 'Yes, please.' }]).flat(), thanks];
  await withTree({ openai: { script }, elevenlabs: { script }, callees }, async ({ carrier, phony, place }) => {
    const sids = await Promise.all(Array.from({ length: calls }, (_, i) => place(i)));
    const over = await Promise.all(sids.map((sid) => phony.over(sid, 400000)));
    let count = 0;
    const worst = [];
    for (const call of over) {
      assert.equal(call.status, 'completed', call.errorMessage);
      count += call.figures.interruptions;
      worst.push(call.figures.bargeInUs.max);
      assert.equal(call.conversationHistory.filter((t) => t.truncated).length, each);
    }
    worst.sort((a, b) => a - b);
    console.log(`${count} interruptions in ${calls} calls; from the provider's word to the carrier's clear, the slowest of each call: median ${worst[calls / 2]} us, worst ${worst.at(-1)} us`);
    assert.equal(count, calls * each);
    assert.equal(carrier.events.filter((e) => e.event === 'clear').length, calls * each);
  });
});

test('a hundred calls at once, both providers: no frame is lost, reordered or heard by another', async () => {
  const calls = 100;
  await withTree({ openai: { mode: 'echo' }, elevenlabs: { mode: 'echo' }, default: { mode: 'stamp', seconds: 8 } }, async ({ carrier, phony, place }) => {
    const sids = await Promise.all(Array.from({ length: calls }, (_, i) => place(i)));
    await until(() => carrier.events.filter((e) => e.event === 'stream-closed').length === calls, 'their ends', 60000);
    for (const end of carrier.events.filter((e) => e.event === 'stream-closed'))
      assert.deepEqual([end.framesSent, end.stamps, end.lost, end.reordered], [400, 400, 0, 0]);
    for (const sid of sids) assert.equal((await phony.over(sid)).status, 'completed');
  });
});

test('a hundred calls at once, both providers, each with two tones of its own: none hears another', { timeout: 300000 }, async () => {
  await tonesOf(100, 4, (sims) => startPhony({ sims }));
  await noProcesses();
});

test('five hundred calls in a row, both providers: nothing is left', async () => {
  const calls = 500;
  await withTree({ openai: { script: [] }, elevenlabs: { script: [] }, default: { script: [{ pause_ms: 40 }, { hangup: true }] } }, async ({ phony, place }) => {
    const idle = () => processes().filter((p) => p.name === 'callworker').length === 2 && processes().length === 6;
    let next = 0;
    const line = async () => {
      for (let i = next++; i < calls; i = next++) assert.equal((await phony.over(await place(i))).status, 'completed');
    };
    await Promise.all(Array.from({ length: 10 }, line));
    await until(idle, 'two idle workers');
  });
});
