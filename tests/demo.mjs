// `make demo`: one whole call through every process of the real system. Twilio
// and ElevenLabs are simulated, both sides speak with espeak-ng's voices, and an
// MCP client places the call as an assistant would.
import fs from 'node:fs';
import path from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { bin, noProcesses, root, speech, startAgent, startCarrier, startPhony } from './harness/phony.mjs';

const folder = path.join(root, 'build/demo');
fs.rmSync(folder, { recursive: true, force: true });
fs.mkdirSync(folder, { recursive: true });

const agentVoice = { voice: 'en-gb', speed: 170 };
const personVoice = { voice: 'en-us', speed: 175 };
const spoken = {
  menu: 'Welcome to Delicious Restaurant. To book a table, press one.',
  greeting: 'Delicious Restaurant, how can I help you?',
  wish: 'Good evening. I am calling to book a table for four people tonight, at half past seven, by the window if that is possible.',
  question: 'Sorry, for how many people?',
  answer: 'For four people, please. Tonight at half past seven.',
  booked: 'Yes, we have a table for you. See you tonight.',
  goodbye: 'Wonderful, thank you very much. Goodbye!',
};
const agentSays = (text, more = {}) => ({ say: text, wav: speech(text, agentVoice).pattern, ...more });
const person = (text) => speech(text, personVoice).at(8000);

console.log('Starting phony, with a simulated Twilio and a simulated ElevenLabs …');
const agent = await startAgent({
  apiKey: 'xi-demo-key-0001',
  agents: { 'agent-demo': { takes: 'pcm_16000', gives: 'pcm_16000', end_after_ms: 800, script: [
    { hear: spoken.menu }, { tool: 'send_dtmf', parameters: { digits: '1' } }, { hear: spoken.greeting },
    agentSays(spoken.wish, { corrected: 'Good evening. I am calling to book a table' }),
    { hear: spoken.question }, agentSays(spoken.answer), { hear: spoken.booked }, agentSays(spoken.goodbye)] } },
});
const carrier = await startCarrier({ default: { ring_ms: 500, script: [
  { pause_ms: 500 }, { say: person(spoken.menu) }, { digits: '1' }, { pause_ms: 400 }, { say: person(spoken.greeting) },
  { say: person(spoken.question), after_ms: 2500 }, { hear: true }, { pause_ms: 200 }, { say: person(spoken.booked) }] } }, ['--record', folder]);
const phony = await startPhony({ sims: { carrier, agent, apiKey: 'xi-demo-key-0001' }, settings: { ELEVENLABS_AGENT_ID: 'agent-demo' } });

const client = new Client({ name: 'demo', version: '1' });
await client.connect(new StdioClientTransport({ command: bin('phony'), args: ['mcp'], env: phony.env, cwd: '/', stderr: 'inherit' }));
const tool = async (name, args = {}) => {
  const result = await client.callTool({ name, arguments: args });
  if (result.isError) throw new Error(`${name}: ${result.content[0].text}`);
  return result.structuredContent;
};

const created = await tool('phony_create_call', {
  toNumber: '+12025550198',
  systemInstructions: 'You are Anna, a friendly caller. Keep your sentences short.',
  callInstructions: 'Book a table for four people tonight at 7:30 PM.',
});
console.log(`${created.message}\ncall ${created.callSid}\n`);

const begun = Date.now();
let shown = [];
let call;
do {
  await new Promise((done) => setTimeout(done, 200));
  const { data } = await tool('phony_get_call_transcript', { callSid: created.callSid });
  call = data;
  for (const [i, turn] of data.conversationHistory.entries()) {
    const line = `${turn.role === 'assistant' ? 'Agent ' : 'Person'}  ${turn.content}${turn.truncated ? ' … (interrupted)' : ''}`;
    if (shown[i] !== line) console.log(`  ${((Date.now() - begun) / 1000).toFixed(1).padStart(5)} s  ${line}`);
    shown[i] = line;
  }
} while (call.isLive && Date.now() - begun < 60000);

const { data: details } = await tool('phony_get_call', { callSid: created.callSid });
const { data: { events } } = await tool('phony_get_call_events', { callSid: created.callSid });
await client.close();
const end = await phony.stop();
const codes = [await agent.stop(), await carrier.stop()];
await noProcesses();

const find = (log, event) => log.events.find((e) => e.event === event);
const figures = events.find((e) => e.type === 'stream-ended').data;
const firstAudio = find(agent, 'first-audio').us - find(carrier, 'stream-open').us;
const bargeIn = find(carrier, 'clear').us - find(agent, 'interruption').us;
const agentFirst = find(agent, 'first-audio');
const heardFirst = carrier.events.find((e) => e.event === 'audio-begins' && e.us >= agentFirst.us);
const ms = (us) => `${(us / 1000).toFixed(2)} ms`;

fs.renameSync(find(carrier, 'recording').path, path.join(folder, 'call.wav'));
fs.writeFileSync(path.join(folder, 'transcript.txt'), `${shown.join('\n')}\n`);
fs.writeFileSync(path.join(folder, 'transcript.json'), `${JSON.stringify(details, null, 2)}\n`);

console.log(`
The call is ${details.status} after ${details.duration} s: ${details.endReason}.
  keys heard by the menu            ${find(carrier, 'digits').digits}
  stream accepted after             ${ms(find(carrier, 'stream-open').acceptUs)}
  time to first audio               ${ms(heardFirst.us - agentFirst.us)} from the agent's first word to the phone
  delay added towards the agent     p50 ${ms(figures.delayToAgentUs.p50)}, p99 ${ms(figures.delayToAgentUs.p99)}
  delay added towards the person    p50 ${ms(figures.delayToCallerUs.p50)}, p99 ${ms(figures.delayToCallerUs.p99)}
  (and up to 7 ms each way that the resampler from 8 to 16 kHz holds back)
  barge-in: buffered speech cleared ${ms(bargeIn)} after the agent's interruption
Listen: build/demo/call.wav (left the person, right the agent). Read: build/demo/transcript.txt`);

const failures = [];
if (details.status !== 'completed') failures.push(`the call is ${details.status}`);
if (call.conversationHistory.length !== 7) failures.push(`${call.conversationHistory.length} turns instead of 7`);
if (end.code !== 0 || codes.some((code) => code !== 0)) failures.push('a program failed, or a simulator saw a violation');
if (!(firstAudio > 0)) failures.push('the agent was never heard');
if (failures.length) {
  console.error(`The demo FAILED: ${failures.join('; ')}\n${phony.log.items.join('\n')}`);
  process.exit(1);
}
