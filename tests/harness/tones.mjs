// Cross-talk: in every call the agent and the person have tones of their own, and each must hear the other's alone.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { startAgent, startCarrier, temporaryFolder } from './phony.mjs';

const rate = 8000, window = 1600; // 200 ms: tones 14 Hz apart are told apart
const agentHz = (i) => 400 + 28 * i, personHz = (i) => 414 + 28 * i;
export const number = (i) => `+1303555${String(i).padStart(4, '0')}`;

function tone(folder, hz, seconds) {
  const file = path.join(folder, `tone-${hz}.wav`);
  execFileSync('sox', ['-D', '-n', '-r', String(rate), '-b', '16', file, 'synth', String(seconds), 'sine', String(hz), 'gain', '-9', 'pad', '0', '0.1']);
  return file;
}

// The share of a window's energy that lies at this frequency (Goertzel).
function purity(samples, hz) {
  const c = 2 * Math.cos(2 * Math.PI * hz / rate);
  let a = 0, b = 0, total = 0;
  for (const x of samples) {
    [a, b] = [x + c * a - b, a];
    total += x * x;
  }
  return (a * a + b * b - c * a * b) / (total * samples.length / 2);
}

// Windows of a channel that are sound, and the least share of this tone among those that are sound from end to end, with that window.
function listen(file, channel, hz) {
  const raw = execFileSync('sox', [file, '-t', 'raw', '-e', 'signed', '-b', '16', '-', 'remix', String(channel)], { maxBuffer: 1 << 28 });
  const samples = new Int16Array(raw.buffer, raw.byteOffset, raw.length >> 1);
  const loud = (from, count) => samples.subarray(from, from + count).some((x) => Math.abs(x) > 1000);
  let windows = 0, least = 1, worst;
  for (let at = 0; at + window <= samples.length; at += window / 2) {
    const parts = Array.from({ length: 10 }, (_, i) => loud(at + i * window / 10, window / 10));
    if (!parts.every(Boolean)) continue;
    windows++;
    const share = purity(samples.subarray(at, at + window), hz);
    if (share < least) [least, worst] = [share, samples.subarray(at, at + window)];
  }
  return { windows, least, worst };
}

// The simulators for so many calls: odd ones are OpenAI's. check(i, sid) looks at both ears of a call that is over.
export async function toneSims(calls, seconds) {
  const folder = temporaryFolder();
  const agents = { openai: { script: [] } }, callees = {};
  for (let i = 0; i < calls; i++) {
    agents[`agent-${i}`] = { hear_to: path.join(folder, `agent-${i}.wav`), script: [
      { say: `I am agent ${i}.`, wav: tone(folder, agentHz(i), seconds) }, { hear: `I am person ${i}.` }, { tool: 'end_call', parameters: { reason: 'heard' } }] };
    callees[number(i)] = { script: [{ hear: true }, { say: tone(folder, personHz(i), seconds) }, { pause_ms: 30000 }] };
  }
  const agent = await startAgent({ apiKey: 'xi-test-key-0001', openaiKey: 'sk-test-key-0001', agents });
  const carrier = await startCarrier({ callees }, ['--record', folder]);
  return {
    agent, carrier,
    options: (i) => i % 2 ? { provider: 'openai', callInstructions: `Sing. #agent-${i}` } : { elevenLabsAgentId: `agent-${i}` },
    check(i, sid, call) {
      assert.deepEqual(call.conversationHistory.map((t) => t.content), [`I am agent ${i}.`, `I am person ${i}.`]);
      for (const [whose, file, channel, hz] of [['person', path.join(folder, `${sid}-1.wav`), 2, agentHz(i)], ['agent', path.join(folder, `agent-${i}.wav`), 1, personHz(i)]]) {
        const heard = listen(file, channel, hz);
        assert.ok(heard.windows >= seconds * 8, `the ${whose} of call ${i} heard ${heard.windows} windows of sound`);
        const others = Array.from({ length: 2 * calls }, (_, n) => 400 + 14 * n).filter((other) => other !== hz);
        const [most, what] = others.map((other) => [purity(heard.worst, other), other]).toSorted(([a], [b]) => b - a)[0];
        // A frame that is late leaves a tenth of a window silent, 0.9; another's tone stands out at its own frequency.
        assert.ok(heard.least > 0.85 && most < 0.05, `the ${whose} of call ${i} heard more than its tone: ${heard.least} of a window was ${hz} Hz, the most of the rest, ${most}, ${what} Hz`);
      }
    },
    clean: () => fs.rmSync(folder, { recursive: true, force: true }),
  };
}

// That many calls at once through a tree: startPhony's, made by start(sims).
export async function tonesOf(calls, seconds, start) {
  const sims = await toneSims(calls, seconds);
  const phony = await start(sims);
  const placed = await Promise.all(Array.from({ length: calls }, (_, i) => phony.call(number(i), sims.options(i))));
  for (const p of placed) assert.equal(p.status, 201, JSON.stringify(p.body));
  const over = [];
  for (const { body } of placed) over.push(await phony.over(body.callSid, 60000 + 1000 * calls));
  await phony.stop();
  assert.deepEqual([...sims.agent.events.items, ...sims.carrier.events.items].filter((e) => e.event === 'violation'), []);
  assert.deepEqual([await sims.agent.stop(), await sims.carrier.stop()], [0, 0]);
  placed.forEach(({ body }, i) => sims.check(i, body.callSid, over[i]));
  sims.clean();
}
