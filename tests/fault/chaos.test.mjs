// A minute of everything going wrong; tests/fault/chaos.mjs runs longer ones, and `make soak` the longest.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bin } from '../harness/phony.mjs';
import { chaos } from './chaos.mjs';

const sanitized = /asan/.test(process.env.BUILD ?? '');
const seed = Number(process.env.CHAOS_SEED ?? Date.now() % 1e9);

async function survives(options) {
  const { problems, calls, kills } = await chaos({ seed, ...options });
  assert.deepEqual(problems, [], `seed ${seed}: ${problems.join('\n')}`);
  assert.ok(calls > 0 && kills > 0, 'nothing happened');
}

test('kills, stops, cuts, delays, upgrades', { timeout: 300000 }, () => survives({ seconds: sanitized ? 25 : 40, concurrent: sanitized ? 3 : 6 }));
test('and the database killed, too', { timeout: 300000, skip: sanitized && 'the plain run does it' }, () => survives({ seconds: 30, mongodb: true }));
test('and allocations, writes and connections that fail', { timeout: 300000, skip: sanitized && 'the sanitizers have their own allocator' }, () => survives({ seconds: 30, inject: bin('inject.so') }));
