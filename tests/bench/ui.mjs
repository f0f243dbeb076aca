// `make bench-ui`: the Calls page while 200 calls are live and 60 things happen in each second: frames, and how long a key takes.
//   CALLS=200 RATE=60 SECONDS=10 make bench-ui
import { openBrowser } from '../harness/browser.mjs';
import { startAgent, startCarrier, startPhony, until } from '../harness/phony.mjs';

const CALLS = Number(process.env.CALLS ?? 200), RATE = Number(process.env.RATE ?? 60), SECONDS = Number(process.env.SECONDS ?? 10);
const percentile = (values, share) => (values.length ? values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] : NaN);
const show = (name, values, unit) => console.log(`${name}: p50 ${percentile(values, 0.5).toFixed(1)} ${unit}, p95 ${percentile(values, 0.95).toFixed(1)}, p99 ${percentile(values, 0.99).toFixed(1)}, most ${Math.max(...values).toFixed(1)} (${values.length})`);
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

const agent = await startAgent({ apiKey: 'xi-test-key-0001', agents: { 'agent-test': { script: [{ pause_ms: 6000000 }] } } });
const carrier = await startCarrier({ default: { script: [] } });
const phony = await startPhony({ sims: { carrier, agent }, settings: { MAX_CONCURRENT_CALLS: '1000', MAX_CONCURRENT_OUTGOING_CALLS: '1000', MAX_CALLS_PER_HOUR: '100000', SILENCE_SECONDS: '0', LOG_LEVEL: 'warn', WARM_WORKERS: '8' }, wait: false });
await until(async () => { try { return (await phony.api('GET', '/ready')).status === 200; } catch { return false; } }, 'phony');
const base = `http://127.0.0.1:${phony.port}`;

// The first load: bytes as they are sent, and when the sign-in can be used.
const { browser, page } = await openBrowser({ base });
const loads = [];
for (let i = 0; i < 5; i++) {
  await page.context().clearCookies();
  const began = performance.now();
  await page.goto(base);
  await page.getByLabel('API token').waitFor();
  loads.push(performance.now() - began);
}
show('first load, to a sign-in that can be used', loads, 'ms');
let bytes = 0;
const html = await (await fetch(base, { headers: { 'accept-encoding': 'gzip' } })).text();
for (const target of ['/', ...[...html.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map((m) => m[1])]) {
  const answer = await fetch(base + target, { headers: { 'accept-encoding': 'gzip' } });
  bytes += Number(answer.headers.get('content-length'));
}
console.log(`first load: ${(bytes / 1024).toFixed(1)} KB compressed`);

const sids = [];
for (let i = 0; i < CALLS; i++) {
  sids.push((await phony.call(`+1303${String(5550000 + i)}`)).body.callSid);
  await sleep(15);
}
await until(() => carrier.events.filter((e) => e.event === 'stream-open').length === CALLS, 'all streams', 120000);
await until(() => agent.events.filter((e) => e.event === 'initiated').length === CALLS, 'all agents', 120000);
await page.getByLabel('API token').fill(phony.token);
await page.getByRole('button', { name: 'Sign in' }).click();
await page.getByText(`${CALLS} live`).waitFor({ timeout: 60000 });

await page.evaluate(() => {
  globalThis.frames_ = [];
  globalThis.keys_ = [];
  let last = performance.now();
  const tick = (now) => { globalThis.frames_.push(now - last); last = now; requestAnimationFrame(tick); };
  requestAnimationFrame(tick);
  // From the key to the next frame that can show it.
  document.addEventListener('keydown', (event) => { const began = event.timeStamp; requestAnimationFrame(() => setTimeout(() => globalThis.keys_.push(performance.now() - began))); }, true);
});

let happened = 0, refused = 0, on = true;
const held = new Set();
const drive = (async () => {
  const began = performance.now();
  for (let n = 0; on; n++) {
    const callSid = sids[n % sids.length], word = held.has(callSid) ? 'resume' : 'hold';
    phony.api('POST', `/api/calls/${callSid}/${word}`).then(({ status }) => { if (status === 200) { happened++; if (word === 'hold') held.add(callSid); else held.delete(callSid); } else refused++; });
    await sleep(Math.max(0, began + ((n + 1) * 1000) / RATE - performance.now()));
  }
})();
const typed = 'a table for two', box = page.getByLabel('Search what was said');
await box.focus();
const until_ = performance.now() + SECONDS * 1000;
let rounds = 0, wrong = 0;
while (performance.now() < until_) {
  await page.keyboard.type(typed, { delay: 60 });
  if (await box.inputValue() !== typed) wrong++;
  rounds++;
  await box.evaluate((e) => e.select());
  await page.keyboard.press('Delete');
}
on = false;
await drive;
const { frames, keys } = await page.evaluate(() => ({ frames: globalThis.frames_.slice(5), keys: globalThis.keys_ }));
console.log(`${CALLS} calls live, ${(happened / SECONDS).toFixed(0)} updates a second for ${SECONDS} s (${refused} refused)`);
show('between two frames', frames, 'ms');
show('from a key to the frame that shows it', keys, 'ms');
console.log(`typed ${rounds} times, ${wrong} times something was dropped`);
await browser.close();
await phony.api('POST', '/api/emergency-shutdown');
phony.child.kill('SIGTERM');
await phony.stop();
await agent.stop();
await carrier.stop();
