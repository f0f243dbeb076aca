// Speech stays speech: what is said on one side is recognised on the other, as loud, in every audio format.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { noProcesses, speech, startAgent, startCarrier, startPhony, temporaryFolder } from '../harness/phony.mjs';

const words = ['restaurant', 'november', 'telephone', 'breakfast', 'understand', 'tomorrow', 'information', 'yesterday', 'university', 'hospital'];
const agentSays = 'november restaurant telephone university breakfast tomorrow hospital understand yesterday information restaurant hospital';
const calleeSays = 'tomorrow telephone breakfast hospital university restaurant november information understand yesterday telephone university';
const voice = { voice: 'en-us+f2', speed: 120 };
const formats = [['ulaw_8000', 'ulaw_8000'], ['pcm_16000', 'pcm_16000'], ['pcm_8000', 'ulaw_8000'], ['ulaw_8000', 'pcm_8000'],
  ['pcm_22050', 'pcm_24000'], ['pcm_24000', 'pcm_22050'], ['pcm_44100', 'pcm_48000'], ['pcm_48000', 'pcm_44100']];

const folder = temporaryFolder();
const grammar = path.join(folder, 'words.gram');
fs.writeFileSync(grammar, `#JSGF V1.0;\ngrammar words;\npublic <words> = (${words.join(' | ')})+;\n`);

// What a recogniser of these words understands of one channel. It hears it three times, and is
// asked about the last: until then it gets used to the sound of the line.
function recognise(file, channel) {
  const once = `${file}-${channel}.wav`, thrice = `${file}-${channel}-3.wav`;
  const trim = ['silence', '1', '0.1', '0.5%', 'reverse'];
  execFileSync('sox', [file, '-r', '16000', '-b', '16', once, 'remix', String(channel), ...trim, ...trim, 'pad', '0', '0.8']);
  execFileSync('sox', [once, once, once, thrice]);
  return execFileSync('pocketsphinx_continuous', ['-infile', thrice, '-jsgf', grammar, '-logfn', '/dev/null'], { encoding: 'utf8' }).trim().split('\n').at(-1).split(' ');
}

// Words to be changed, for each word that was said (Levenshtein).
function wordErrors(said, understood) {
  const wanted = said.split(' ');
  let row = [...Array(understood.length + 1).keys()];
  wanted.forEach((word, i) => {
    const next = [i + 1];
    understood.forEach((other, j) => next.push(Math.min(next[j] + 1, row[j + 1] + 1, row[j] + (word === other ? 0 : 1))));
    row = next;
  });
  return row.at(-1) / wanted.length;
}

// The level of the speech in dB: the mean power of all frames of 20 ms that are not silence.
function level(file, channel) {
  const raw = execFileSync('sox', [file, '-t', 'raw', '-r', '8000', '-e', 'signed', '-b', '16', '-', 'remix', String(channel)], { maxBuffer: 1 << 28 });
  const samples = new Int16Array(raw.buffer, raw.byteOffset, raw.length >> 1);
  const powers = [];
  for (let at = 0; at + 160 <= samples.length; at += 160) {
    let sum = 0;
    for (let i = 0; i < 160; i++) sum += samples[at + i] ** 2;
    if (sum / 160 > 300 ** 2) powers.push(sum / 160);
  }
  return 10 * Math.log10(powers.reduce((a, b) => a + b, 0) / powers.length / 32768 ** 2);
}

test('both ways, both providers, every format', { timeout: 600000 }, async () => {
  const agentVoice = speech(agentSays.replaceAll(' ', ', '), voice), calleeVoice = speech(calleeSays.replaceAll(' ', ', '), voice);
  const original = { agent: agentVoice.at(8000), callee: calleeVoice.at(8000) };
  const least = { agent: wordErrors(agentSays, recognise(original.agent, 1)), callee: wordErrors(calleeSays, recognise(original.callee, 1)) };
  console.log(`word errors of the originals at 8 kHz: agent ${(100 * least.agent).toFixed(1)} %, callee ${(100 * least.callee).toFixed(1)} %`);
  assert.ok(least.agent < 0.35 && least.callee < 0.35, 'the recogniser does not understand the originals');
  const script = [{ say: agentSays, wav: agentVoice.pattern }, { hear: calleeSays }, { tool: 'end_call', parameters: { reason: 'done' } }];
  const agents = Object.fromEntries(formats.map(([takes, gives], i) => [`agent-${i}`, { takes, gives, script, hear_to: path.join(folder, `agent-${i}.wav`) }]));
  agents.openai = { script, hear_to: path.join(folder, 'openai.wav') };
  const agent = await startAgent({ apiKey: 'xi-test-key-0001', openaiKey: 'sk-test-key-0001', agents });
  const carrier = await startCarrier({ default: { script: [{ hear: true }, { say: original.callee }, { pause_ms: 30000 }] } }, ['--record', folder]);
  const phony = await startPhony({ sims: { carrier, agent }, settings: { OPENAI_API_KEY: 'sk-test-key-0001' } });
  const cases = [...formats.map(([takes, gives], i) => [`agent-${i}`, `ElevenLabs ${takes} / ${gives}`, { provider: 'elevenlabs', elevenLabsAgentId: `agent-${i}` }]),
    ['openai', 'OpenAI', { provider: 'openai' }]];
  const calls = [];
  for (const [i, [name, title, more]] of cases.entries()) {
    const { status, body } = await phony.call(`+12025550${200 + i}`, more);
    assert.equal(status, 201, JSON.stringify(body));
    calls.push([name, title, body.callSid]);
  }
  for (const [, , sid] of calls) await carrier.events.wait((e) => e.event === 'stream-closed' && e.callSid === sid, `the end of ${sid}`, 120000);
  await phony.stop();
  assert.deepEqual([await agent.stop(), await carrier.stop()], [0, 0]);
  await noProcesses();
  const faults = [];
  for (const [name, title, sid] of calls) {
    const toCallee = path.join(folder, `${sid}-1.wav`), toAgent = path.join(folder, `${name}.wav`);
    const result = [[agentSays, toCallee, 2, original.agent, least.agent, 'agent to callee'], [calleeSays, toAgent, 1, original.callee, least.callee, 'callee to agent']]
      .map(([said, file, channel, source, best, way]) => {
        const errors = wordErrors(said, recognise(file, channel)), difference = level(file, channel) - level(source, 1);
        if (errors > best + 0.05 || Math.abs(difference) > 1) faults.push(`${title}, ${way}: ${errors} after ${best}, ${difference} dB`);
        return `${way} ${(100 * errors).toFixed(1)} %, ${difference >= 0 ? '+' : ''}${difference.toFixed(2)} dB`;
      });
    console.log(`${title}: ${result.join('; ')}`);
  }
  assert.deepEqual(faults, []);
});
