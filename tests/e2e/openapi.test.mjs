// What describes the HTTP API and the metrics, held against the server that they describe.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Validator } from '@seriousme/openapi-schema-validator';
import Ajv from 'ajv/dist/2020.js';
import { noProcesses, root, startCarrier, startPhony } from '../harness/phony.mjs';

const ajv = new Ajv({ strict: false, validateFormats: false });
let carrier, phony, base, api;

before(async () => {
  carrier = await startCarrier({ default: { script: [] } });
  phony = await startPhony({ sims: { carrier } });
  base = `http://127.0.0.1:${phony.port}`;
  const answer = await fetch(`${base}/openapi.json`);
  assert.equal(answer.headers.get('content-type'), 'application/json');
  api = await answer.json();
});
after(async () => {
  await phony.stop();
  assert.equal(await carrier.stop(), 0);
  await noProcesses();
});

// The methods of every described address that this one fits.
const methods = (target) => {
  const fits = (pattern) => new RegExp(`^${pattern.replace(/\{\w+\}/g, '[^/]+')}$`).test(target);
  return [...new Set(Object.keys(api.paths).filter(fits).flatMap((p) => Object.keys(api.paths[p])))].map((m) => m.toUpperCase());
};
const example = (target) => base + target.replace('{callSid}', `CA${'0'.repeat(32)}`).replace('{recordingSid}', `RE${'0'.repeat(32)}`).replace('{phoneNumber}', encodeURIComponent('+12025550100')).replace(/\{\w+\}/g, 'none');
const headers = () => ({ authorization: `Bearer ${phony.token}`, 'content-type': 'application/json' });

test('it is valid OpenAPI 3.1, each operation named once', async () => {
  const result = await new Validator().validate(structuredClone(api));
  assert.deepEqual(result.errors ?? [], []);
  const names = Object.values(api.paths).flatMap((p) => Object.values(p).map((o) => o.operationId));
  assert.equal(new Set(names).size, names.length);
  assert.ok(names.length > 70);
});

test('every address takes the methods that are described, and no others', async () => {
  for (const target of Object.keys(api.paths)) {
    const answer = await fetch(example(target), { method: 'PATCH', headers: headers() });
    assert.equal(answer.status, 405, target);
    if (!['/api/session', '/api/calls/{callSid}/recording', '/api/voicemails/{recordingSid}/recording'].includes(target))
      assert.deepEqual(answer.headers.get('allow').split(', ').toSorted(), methods(target).toSorted(), target);
  }
});

test('what it answers is what is described', async () => {
  for (const [target, operations] of Object.entries(api.paths)) {
    for (const [method, { parameters = [], requestBody, responses, security }] of Object.entries(operations)) {
      const what = `${method} ${target}`, needs = parameters.some((p) => p.in === 'query' && p.required) || requestBody?.required;
      if (responses[200]?.content['text/event-stream'] || target === '/api/emergency-shutdown' || (method === 'delete' && target === '/api/session')) continue;
      if (target.startsWith('/api/') && !security) assert.equal((await fetch(example(target), { method })).status, 401, what);
      const answer = await fetch(example(target), { method, headers: headers(), ...(method !== 'get' && requestBody && { body: '{}' }) });
      const type = answer.headers.get('content-type');
      if (needs) assert.equal(answer.status, 400, what);
      assert.ok(answer.status < 500 || answer.status === 502, `${what}: ${answer.status}`);
      if (target === '/metrics') { assert.match(type, /^text\/plain/); continue; }
      const described = answer.ok ? (responses[answer.status] ?? responses['2XX']).content : api.components.responses.error.content;
      const schema = described[type].schema, body = await answer.json();
      assert.ok(ajv.validate(schema, body), `${what}: ${ajv.errorsText()} in ${JSON.stringify(body)}`);
    }
  }
});

test('a body that is valid by the description is not refused for its form', async () => {
  const created = await fetch(`${base}/api/contexts`, { method: 'POST', headers: headers(), body: JSON.stringify({ name: 'described', systemInstructions: 'You are Anna.', contextType: 'outgoing' }) });
  const { schema } = api.paths['/api/contexts'].post.responses['2XX'].content['application/json'];
  const body = await created.json();
  assert.ok(created.ok, JSON.stringify(body));
  assert.ok(ajv.validate(schema, body), ajv.errorsText());
});

test('null is absent, a whole number is one however it is written, and what is not known is ignored', async () => {
  const ask = async (target, method, query, body) => {
    const answer = await fetch(`${example(target)}${query}`, { method, headers: headers(), ...(body !== undefined && { body }) });
    const { message, code } = await answer.json();
    return { status: answer.status, code, message };
  };
  for (const [target, operations] of Object.entries(api.paths)) {
    for (const [method, { parameters = [], requestBody }] of Object.entries(operations)) {
      if (!target.startsWith('/api/') || ['/api/emergency-shutdown', '/api/settings', '/api/session', '/api/events', '/api/doctor'].includes(target)) continue;
      const what = `${method} ${target}`, inQuery = parameters.filter((p) => p.in === 'query');
      const plain = await ask(target, method, '', requestBody ? '{}' : undefined);
      if (method === 'get') {
        assert.deepEqual(await ask(target, method, '?toolCallId=call_1&filter%5B%24ne%5D=x'), plain, what);
        for (const { name, schema } of inQuery.filter((p) => ['integer', 'boolean'].includes(p.schema.type))) {
          assert.deepEqual(await ask(target, method, `?${name}=null`), plain, `${what} ${name}`);
          if (schema.type === 'integer') assert.doesNotMatch((await ask(target, method, `?${name}=${schema.minimum ?? 1}.0`)).message ?? '', /whole number/, `${what} ${name}`);
        }
        continue;
      }
      if (!requestBody) continue;
      const { properties, required = [] } = requestBody.content['application/json'].schema;
      const optional = Object.keys(properties).filter((name) => !required.includes(name));
      const nulls = Object.fromEntries(optional.map((name) => [name, null]));
      assert.deepEqual(await ask(target, method, '', JSON.stringify({ ...nulls, toolCallId: 'call_1', sessionId: 5, x: { y: [null] } })), plain, what);
      for (const [name, { type, minimum = 1 }] of Object.entries(properties))
        if (type === 'integer') assert.doesNotMatch((await ask(target, method, '', `{"${name}": ${minimum}.0}`)).message ?? '', new RegExp(`${name} must be`), `${what} ${name}`);
    }
  }
  const lines = phony.log.filter((line) => /arguments that are not known here were ignored: .*toolCallId/.test(line));
  assert.ok(lines.length >= 1);
});

test('a field that is null is left as it is', async () => {
  const phoneNumber = '+12025550199', at = `/api/incoming-configs/${encodeURIComponent(phoneNumber)}`;
  await phony.api('POST', '/api/incoming-configs', { phoneNumber, systemInstructions: 'x', callInstructions: 'y', enabled: null, toolCallId: 'call_1' });
  const { status, body } = await phony.api('PUT', at, '{"name": "New name", "enabled": null, "messageOnly": null, "voicemailMaxLength": 6e1}');
  assert.deepEqual([status, body.data.enabled, body.data.messageOnly, body.data.voicemailMaxLength], [200, true, undefined, 60]);
});

test("Grafana's dashboard shows every metric, and no other", async () => {
  const text = await (await fetch(`${base}/metrics`)).text();
  const served = [...text.matchAll(/^# TYPE (\w+) (\w+)/gm)].map(([, name, type]) => (type === 'histogram' ? `${name}_bucket` : name)).toSorted();
  const { panels, templating } = JSON.parse(fs.readFileSync(path.join(root, 'etc/grafana/phony.json'), 'utf8'));
  const used = JSON.stringify([panels, templating]).matchAll(/\bphony_\w+/g);
  assert.deepEqual([...new Set([...used].map(([name]) => name))].toSorted(), served);
  for (const { gridPos: { x, w } } of panels) assert.ok(x + w <= 24);
});
