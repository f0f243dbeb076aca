// What the agent is told of a call: the built-in prompt, and one of the operator's own.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, test } from 'node:test';
import { endAll, noProcesses, startAgent, startCarrier, startPhony, temporaryFolder } from '../harness/phony.mjs';

afterEach((t) => { if (t.error) endAll(); });

const folder = temporaryFolder();
process.on('exit', () => fs.rmSync(folder, { recursive: true, force: true }));
const file = (name, text) => {
  fs.writeFileSync(path.join(folder, name), text);
  return path.join(folder, name);
};

async function withPhony(settings, story) {
  const agent = await startAgent({ apiKey: 'xi-test-key-0001', agents: { 'agent-test': { script: [{ tool: 'end_call', parameters: {} }] } } });
  const carrier = await startCarrier({ default: { script: [] } });
  const phony = await startPhony({ sims: { carrier, agent }, settings });
  const told = async (more = {}) => {
    const { status, body } = await phony.call('+13035550001', more);
    assert.equal(status, 201, JSON.stringify(body));
    await phony.over(body.callSid);
    return agent.events.filter((e) => e.event === 'initiated').at(-1).prompt;
  };
  try {
    await story(told, phony);
  } finally {
    assert.equal((await phony.stop()).code, 0);
    assert.deepEqual([await agent.stop(), await carrier.stop()], [0, 0]);
    await noProcesses();
  }
}

test('the built-in prompt says who calls, for what, how to speak, and what may happen', async () => {
  await withPhony({}, async (told, phony) => {
    const prompt = await told({ systemInstructions: 'You are Anna.', callInstructions: 'Ask for {{date}}.', transferNumber: '+13035550009',
      outcomeSchema: { type: 'object', properties: { booked: { type: 'boolean' } } } });
    for (const words of [/^You are Anna\.\n/, new RegExp(`dialled \\+13035550001 from \\${phony.env.TWILIO_NUMBER}`), new RegExp(`Today is ${new Date().toISOString().slice(0, 8)}`),
      /Where \+13035550001 rings it is \w+day, \d+ \w+ \d{4}, \d\d:\d\d \(America\/Denver, UTC-0[67]:00\)/,
      /\nAsk for \{\{date\}\}\.\n/, /One short sentence at a time/, /Speak the language that the instructions ask for/, /A menu: .*send_dtmf/,
      /Hold music/, /A voicemail .*wait for the tone/, /A wrong number: /, /whether you are a machine or an AI: say yes/, /ask_operator/,
      /use transfer_call/, /then use end_call/, /report_outcome once\..*"booked"/])
      assert.match(prompt, words);
    assert.doesNotMatch(prompt.replace('{{date}}', ''), /\{\{/);
  });
});

test("PROMPT_FILE takes the built-in prompt's place", async () => {
  const own = file('own.txt', 'I am {{systemInstructions}} and call {{toNumber}}: {{callInstructions}}\n');
  await withPhony({ PROMPT_FILE: own }, async (told) => {
    assert.equal(await told({ systemInstructions: 'Bo', callInstructions: 'sing' }), 'I am Bo and call +13035550001: sing');
  });
});

test('a prompt that would lose the goal, or names no field, is refused at the start', async () => {
  for (const [settings, words] of [
    [{ PROMPT_FILE: file('goalless.txt', 'Be nice.') }, /goalless\.txt: \{\{callInstructions\}\} is missing/],
    [{ INCOMING_PROMPT_FILE: file('typo.txt', '{{callInstructions}} {{toNumbr}}') }, /typo\.txt: \{\{toNumbr\}\} is no field/],
    [{ PROMPT_FILE: path.join(folder, 'none.txt') }, /none\.txt: No such file/],
  ]) {
    const carrier = await startCarrier({ default: { script: [] } });
    const agent = await startAgent({ apiKey: 'x', agents: {} });
    const phony = await startPhony({ sims: { carrier, agent }, settings });
    assert.notEqual((await phony.ended).code, 0);
    assert.ok(phony.log.find((l) => words.test(l)), phony.log.items.join('\n'));
    assert.deepEqual([await agent.stop(), await carrier.stop()], [0, 0]);
    await noProcesses();
    fs.rmSync(phony.folder, { recursive: true, force: true });
  }
});
