// openapi.mjs > openapi.json: the HTTP API described (OpenAPI 3.1), from what serves it: the tables of
// routes of voiced and smsd, and what mcpd/features/tools.json says of the same requests.
import { readFileSync } from 'node:fs';
import path from 'node:path';

const root = path.join(import.meta.dirname, '../..');
const text = (file) => readFileSync(path.join(root, file), 'utf8');
const tools = new Map(JSON.parse(text('mcpd/features/tools.json')).map((tool) => [tool.name, tool]));
const toolOf = new Map([...text('mcpd/features/tools.c').matchAll(/\{"(phony_\w+)", (MSG_\w+),[^}]*?(true|false)\}/g)]
  .map(([, name, message, plain]) => [message, { ...tools.get(name), plain: plain === 'true' }]));

// Requests that are no MCP tool.
const string = { type: 'string' }, page = { limit: { type: 'integer', minimum: 1, maximum: 100 }, cursor: string };
const { toNumber, fromNumber, callAt, ringTimeout, machineDetection, voicemailMessage, retries, retryDelay, transferNumber, ignoreQuietHours, ...inBrowser } = tools.get('phony_create_call').inputSchema.properties;
const others = {
  MSG_BROWSER_CALL: { title: 'Begin a call whose phone is a web page, which then opens streamPath', properties: inBrowser, required: ['callInstructions'] },
  MSG_CALL_LEVELS: { title: 'Who speaks in a live call just now, and how loud, from 0 to 1', properties: { callSid: string } },
  MSG_GET_HANDLER: { title: 'Get the handler of incoming calls of one number', properties: { phoneNumber: string } },
  MSG_CHECKUP: { title: 'Look for what is wrong, as phony doctor does', properties: {} },
  MSG_LIST_SETTINGS: { title: 'List the settings', properties: {} },
  MSG_CHANGE_SETTINGS: { title: 'Change settings while phony runs: each a text, or null to go back to what is configured', properties: {}, additionalProperties: { type: ['string', 'null'] } },
  MSG_STATS: { title: 'Sums over calls and messages', properties: {} },
  MSG_LIST_BULKS: { title: 'List bulk sendings', properties: page },
  MSG_GET_TEMPLATE: { title: 'Get a message template', properties: { name: string } },
};

const answer = (description, schema) => ({ description, content: { 'application/json': { schema } } });
const errors = { default: { $ref: '#/components/responses/error' } };

// What is answered: a tool that is not plain is answered the data alone, and its client gets the rest around it.
function answered({ outputSchema, data, plain }) {
  if (outputSchema || !data || !plain) return outputSchema ?? data ?? { type: 'object' };
  return { type: 'object', properties: { status: string, message: string, data }, required: ['status', 'message'] };
}

function operation(method, target, message) {
  const tool = toolOf.get(message), other = others[message];
  if (!tool && !other) throw new Error(`${method} ${target}: neither a tool nor described here (${message})`);
  const { properties, required = [], ...rules } = tool ? tool.inputSchema : { type: 'object', ...other };
  delete rules.title;
  delete rules.additionalProperties; // what is not known is ignored
  const inPath = [...target.matchAll(/\{(\w+)\}/g)].map((m) => m[1]);
  const parameter = (where) => (name) => ({ name, in: where, required: where === 'path' || required.includes(name), schema: properties[name] ?? string,
    ...(properties[name]?.type === 'array' && { style: 'form', explode: false }) });
  const left = Object.keys(properties).filter((name) => !inPath.includes(name));
  const needed = required.filter((name) => left.includes(name));
  const body = { ...rules, type: 'object', properties: Object.fromEntries(left.map((name) => [name, properties[name]])), ...(needed.length && { required: needed }) };
  const parameters = [...inPath.map(parameter('path')), ...(method === 'GET' ? left.map(parameter('query')) : [])];
  const operationId = method.toLowerCase() + message.slice(3).toLowerCase().replace(/_(\w)/g, (_, c) => c.toUpperCase()) + (inPath.length > 1 ? `By${inPath.at(-1)}` : '');
  return {
    operationId,
    summary: tool?.title ?? other.title,
    ...(tool && { description: tool.description }),
    ...(parameters.length && { parameters }),
    ...(method !== 'GET' && left.length && { requestBody: { required: needed.length > 0, content: { 'application/json': { schema: body } } } }),
    responses: { '2XX': answer('Done.', answered(tool ?? {})), ...errors },
  };
}

const paths = {};
const add = (method, target, what) => { (paths[target] ??= {})[method.toLowerCase()] = what; };
for (const file of ['voiced/api/routes.c', 'smsd/api/routes.c'])
  for (const [, method, target, message] of text(file).matchAll(/\{"([A-Z]+)", "(\/api\/[^"]*)", (MSG_\w+)\}/g)) add(method, target, operation(method, target, message));

const signedIn = { type: 'object', properties: { signedIn: { type: 'boolean' } }, required: ['signedIn'] };
const state = { type: 'object', properties: { status: string }, required: ['status'] };
add('GET', '/api/session', { operationId: 'getSession', summary: 'Whether the cookie is a session', security: [], responses: { 200: answer('So it is.', signedIn), ...errors } });
add('POST', '/api/session', { operationId: 'beginSession', summary: 'Sign a browser in', security: [],
  requestBody: { required: true, content: { 'application/json': { schema: { type: 'object', properties: { token: string }, required: ['token'] } } } },
  responses: { 200: { ...answer('The cookie phony_session is set.', signedIn), headers: { 'Set-Cookie': { schema: string } } }, ...errors } });
add('DELETE', '/api/session', { operationId: 'endSession', summary: 'Sign the browser out', responses: { 200: answer('The cookie is gone.', signedIn), ...errors } });
add('GET', '/api/events', { operationId: 'followEvents', summary: 'Follow calls, transcripts and messages as they happen',
  parameters: [{ name: 'Last-Event-ID', in: 'header', required: false, description: 'Go on after this event.', schema: string }],
  responses: { 200: { description: 'Server-sent events, without end.', content: { 'text/event-stream': { schema: string } } }, ...errors } });
add('GET', '/api/calls/{callSid}/recording', { operationId: 'getRecording', summary: 'Get the recording of a call', parameters: [{ name: 'callSid', in: 'path', required: true, schema: string }],
  responses: { 200: { description: 'Stereo: the caller left, the agent right.', content: { 'audio/wav': {} } }, ...errors } });
add('GET', '/api/voicemails/{recordingSid}/recording', { operationId: 'getVoicemailRecording', summary: 'Get the audio of a voicemail', parameters: [{ name: 'recordingSid', in: 'path', required: true, schema: string }],
  responses: { 200: { description: 'Fetched from Twilio with phony\'s own credentials.', content: { 'audio/wav': {} } }, ...errors } });
add('GET', '/health', { operationId: 'getHealth', summary: 'Whether the process answers', responses: { 200: answer('It does.', state), ...errors } });
add('GET', '/ready', { operationId: 'getReady', summary: 'Whether calls and messages are taken', responses: { 200: answer('They are; degraded: the database is away, and writes wait on local disk.', state), ...errors } });
add('GET', '/metrics', { operationId: 'getMetrics', summary: 'Numbers for Prometheus', responses: { 200: { description: 'The text format, version 0.0.4.', content: { 'text/plain': { schema: string } } }, ...errors } });

console.log(JSON.stringify({
  openapi: '3.1.0',
  info: { title: 'phony', version: '1', description: 'Calls and messages of an AI assistant. What Twilio calls (/call, /sms, /voicemail) is not described here: those are Twilio\'s own requests.' },
  servers: [{ url: '/' }],
  security: [{ token: [] }, { session: [] }],
  paths: Object.fromEntries(Object.entries(paths).toSorted(([a], [b]) => (a < b ? -1 : 1))),
  components: {
    securitySchemes: { token: { type: 'http', scheme: 'bearer', description: 'API_TOKEN' }, session: { type: 'apiKey', in: 'cookie', name: 'phony_session' } },
    responses: { error: answer('What was wrong, and what to do.', { type: 'object', properties: { status: { const: 'error' }, code: string, message: string }, required: ['status', 'code', 'message'] }) },
  },
}));
