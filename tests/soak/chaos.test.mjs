// A thousand random kills with calls live all the time, on SQLite; then with MongoDB, which is killed, too.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chaos } from '../fault/chaos.mjs';

const seed = Number(process.env.CHAOS_SEED ?? Date.now() % 1e9);
const seconds = Number(process.env.CHAOS_SECONDS ?? 800);

for (const mongodb of [false, true])
  test(`${seconds} s of kills, stops, cuts, delays, upgrades${mongodb ? ', and the database killed' : ''}`, { timeout: (seconds + 300) * 1000 }, async () => {
    const { problems } = await chaos({ seed, seconds, concurrent: 8, mongodb });
    assert.deepEqual(problems, [], `seed ${seed}`);
  });
