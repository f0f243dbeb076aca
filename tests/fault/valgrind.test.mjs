// The whole tree under valgrind, one call from its request to the shutdown: no error, no leak.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { speech, startAgent, startCarrier, startPhony, temporaryFolder, until } from '../harness/phony.mjs';

const sanitized = /asan/.test(process.env.BUILD ?? '');

test('one call and a clean shutdown under valgrind', { skip: sanitized && 'AddressSanitizer does the same' }, async () => {
  const thanks = speech('Thank you. Goodbye!');
  const logs = temporaryFolder();
  const agent = await startAgent({ apiKey: 'xi-test-key-0001', agents: { 'agent-test': { gives: 'pcm_16000', takes: 'pcm_16000',
    script: [{ tool: 'send_dtmf', parameters: { digits: '1' } }, { say: 'Thank you. Goodbye!', wav: thanks.pattern }, { tool: 'end_call', parameters: {} }] } } });
  const carrier = await startCarrier({ default: { script: [] } });
  const phony = await startPhony({ sims: { carrier, agent }, settings: { RUN_AS: 'root', CALLWORKER_WRAPPER: 'env' }, // valgrind has to be let into the cell
    wrapper: ['valgrind', '--trace-children=yes', '--leak-check=full', '--show-leak-kinds=definite', '--errors-for-leak-kinds=definite', '--error-exitcode=99', `--log-file=${logs}/%p`] });
  try {
    const { status, body } = await phony.call('+12025550192');
    assert.equal(status, 201);
    assert.equal((await phony.over(body.callSid, 60000)).status, 'completed');
    await until(() => phony.log.find((l) => l.includes('the stream has ended')), 'the worker to be done');
  } finally {
    const end = await phony.stop();
    const codes = [await agent.stop(), await carrier.stop()];
    const found = fs.readdirSync(logs).map((name) => fs.readFileSync(path.join(logs, name), 'utf8'))
      .filter((text) => !/ERROR SUMMARY: 0 errors/.test(text) && /ERROR SUMMARY/.test(text));
    assert.deepEqual(found, []);
    assert.deepEqual([end.code, ...codes], [0, 0, 0]);
    assert.ok(fs.readdirSync(logs).length >= 5);
    fs.rmSync(logs, { recursive: true });
  }
});
