// A thousand random kills with calls live all the time, on SQLite; then with MongoDB, which is killed, too, and begins
// anew every four minutes: FerretDB, which may stand in for it, reads a whole collection for each question.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chaos } from '../fault/chaos.mjs';

const seed = Number(process.env.CHAOS_SEED ?? Date.now() % 1e9);
const seconds = Number(process.env.CHAOS_SECONDS ?? 800);

for (const [mongodb, each] of [[false, seconds], [true, 240]])
  for (let run = 0; run * each < seconds; run++)
    test(`${each} s of kills, stops, cuts, delays, upgrades${mongodb ? `, and the database killed, ${run + 1}` : ''}`, { timeout: (each + 300) * 1000 }, async () => {
      const { problems } = await chaos({ seed: seed + run, seconds: each, concurrent: mongodb ? 5 : 8, mongodb });
      assert.deepEqual(problems, [], `seed ${seed + run}`);
    });
