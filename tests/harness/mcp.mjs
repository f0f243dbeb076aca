// What a client of either era does with every tool, whatever carries it.
import assert from 'node:assert/strict';
import Ajv from 'ajv/dist/2020.js';
import { Client as Legacy } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as LegacyHttp } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { Client as Modern, StreamableHTTPClientTransport as ModernHttp } from '@modelcontextprotocol/client';
import { account, bin, Log, speech, start, until } from './phony.mjs';

export const bye = speech('Thank you. Goodbye!');
// For the story: an agent that says goodbye, one that waits.
export const agents = { 'agent-test': { script: [{ say: 'Thank you. Goodbye!', wav: bye.pattern }, { tool: 'end_call', parameters: {} }] }, 'agent-patient': { script: [{ pause_ms: 60000 }] } };
export const names = [
  'phony_create_call', 'phony_list_calls', 'phony_get_call', 'phony_get_call_transcript', 'phony_get_call_events', 'phony_get_call_instructions',
  'phony_hangup_call', 'phony_inject_context', 'phony_send_dtmf', 'phony_emergency_shutdown', 'phony_send_sms', 'phony_list_messages',
  'phony_search_messages', 'phony_get_message', 'phony_cancel_message', 'phony_delete_message', 'phony_delete_messages', 'phony_get_conversation',
  'phony_create_group_conversation', 'phony_list_conversations', 'phony_get_conversation_details', 'phony_get_conversation_messages',
  'phony_add_participant', 'phony_remove_participant', 'phony_update_group_name', 'phony_send_group_sms', 'phony_send_bulk_sms',
  'phony_get_bulk_sms', 'phony_cancel_bulk_sms', 'phony_list_message_templates', 'phony_create_message_template', 'phony_update_message_template',
  'phony_delete_message_template', 'phony_add_tags', 'phony_remove_tags', 'phony_search_by_tags', 'phony_get_system_status', 'phony_wait_for_call',
  'phony_search_calls', 'phony_hold_call', 'phony_resume_call', 'phony_transfer_call', 'phony_request_operator_context', 'phony_answer_operator',
  'phony_list_operator_questions', 'phony_cancel_call', 'phony_delete_call', 'phony_delete_calls', 'phony_get_recording', 'phony_list_contexts',
  'phony_get_context', 'phony_create_context', 'phony_update_context', 'phony_delete_context', 'phony_list_numbers', 'phony_list_available_numbers',
  'phony_list_incoming_configs', 'phony_create_incoming_config', 'phony_update_incoming_config', 'phony_delete_incoming_config',
  'phony_list_voicemails', 'phony_search_voicemails', 'phony_get_unread_voicemail_count', 'phony_get_voicemail', 'phony_mark_voicemail_read',
  'phony_mark_voicemail_unread', 'phony_delete_voicemail', 'phony_delete_voicemails', 'phony_list_do_not_call', 'phony_add_do_not_call',
  'phony_remove_do_not_call',
];
export const request = { systemInstructions: 'You are polite.', callInstructions: 'Say goodbye.' };

// Closed after its test, also after one that failed: an open one would keep the file from ending.
const clients = [];
export const opened = (client) => { clients.push(client); return client; };
export const closeClients = () => Promise.allSettled(clients.splice(0).map((client) => client.close()));

// `phony mcp` without any client in between: the lines that go in, and what comes out.
export function rawStdio(env, args = ['mcp']) {
  const child = start(bin('phony'), args, { env, cwd: '/' });
  const answers = new Log(), lines = [];
  let rest = '';
  child.stdout.on('data', (bytes) => {
    const parts = (rest + bytes).split('\n');
    rest = parts.pop();
    for (const line of parts) { lines.push(line); answers.push(JSON.parse(line)); } // nothing but JSON, ever
  });
  return { child, answers, lines, send: (m) => child.stdin.write(typeof m === 'string' ? `${m}\n` : `${JSON.stringify(m)}\n`) };
}

// A client of either era over HTTP, with the token.
const endpoint = (phony) => new URL(`http://127.0.0.1:${phony.port}/mcp`);
const withToken = (phony) => ({ requestInit: { headers: { authorization: `Bearer ${phony.token}` } } });
export async function legacyHttp(phony, options = {}, transport = {}) {
  const client = opened(new Legacy({ name: 'test', version: '1' }, options));
  await client.connect(new LegacyHttp(endpoint(phony), { ...withToken(phony), ...transport }));
  return client;
}
export async function modernHttp(phony, { mode = { pin: '2026-07-28' }, ...options } = {}) {
  const client = opened(new Modern({ name: 'test', version: '1' }, { versionNegotiation: { mode }, ...options }));
  await client.connect(new ModernHttp(endpoint(phony), withToken(phony)));
  return client;
}

// Every schema that a tool declares is one, with no keyword that JSON Schema does not have; every result fits it.
// checked: the tools whose results were.
export function checker(tools, checked = new Set()) {
  const ajv = new Ajv({ strict: true });
  const checks = Object.fromEntries(tools.map((tool) => [tool.name, ajv.compile(tool.outputSchema)]));
  for (const tool of tools) ajv.compile(tool.inputSchema);
  return (name, result) => {
    checked.add(name);
    assert.ok(checks[name](result.structuredContent), `${name}: ${JSON.stringify(checks[name].errors)} ${JSON.stringify(result)}`);
    assert.deepEqual(JSON.parse(result.content[0].text), result.structuredContent);
    return result.structuredContent;
  };
}

let person = 3000;
async function messageStory(tool, refused, callSid) {
  const us = account.number;
  const [a, b] = [`+1202555${person++}`, `+1202555${person++}`];
  const sent = await tool('phony_send_sms', { toNumber: a, body: 'Shall we meet at 7?' });
  assert.equal(sent.message, `SMS sent successfully to ${a}`);
  const { messageSid } = sent.data;
  await until(async () => (await tool('phony_get_message', { messageSid })).data.status === 'delivered', 'the delivery');
  assert.equal((await tool('phony_list_messages', { toNumber: a, direction: 'outbound', limit: 10 })).data.messages[0].messageSid, messageSid);
  assert.equal((await tool('phony_search_messages', { query: 'meet', phoneNumber: a })).data.count, 1);
  assert.equal((await tool('phony_get_conversation', { phoneNumber1: a, phoneNumber2: us })).data.conversation[0].body, 'Shall we meet at 7?');
  const { conversationId } = (await tool('phony_create_group_conversation', { participants: [a, b], createdBy: us, name: 'We' })).data;
  assert.equal((await tool('phony_send_group_sms', { conversationId, fromNumber: us, body: 'Both of you' })).data.sent, 2);
  await tool('phony_add_participant', { conversationId, phoneNumber: '+12025550999' });
  assert.equal((await tool('phony_remove_participant', { conversationId, phoneNumber: '+12025550999' })).data.participants.length, 3);
  await tool('phony_update_group_name', { conversationId, name: 'Us' });
  assert.equal((await tool('phony_get_conversation_details', { conversationId })).data.name, 'Us');
  assert.equal((await tool('phony_get_conversation_messages', { conversationId })).data.messages.length, 2);
  assert.equal((await tool('phony_list_conversations', { phoneNumber: a })).data.count, 2);
  await tool('phony_create_message_template', { name: `t${person}`, body: 'Hi {{who}}' });
  await tool('phony_update_message_template', { name: `t${person}`, description: 'greeting' });
  assert.ok((await tool('phony_list_message_templates')).data.count >= 1);
  assert.equal((await tool('phony_send_sms', { toNumber: b, template: `t${person}`, fields: { who: 'B' } })).data.body, 'Hi B');
  await tool('phony_delete_message_template', { name: `t${person}` });
  const later = await tool('phony_send_sms', { toNumber: a, body: 'later', sendAt: new Date(Date.now() + 3600000).toISOString() });
  assert.equal((await tool('phony_cancel_message', { messageSid: later.data.messageSid })).data.status, 'canceled');
  const bulk = await tool('phony_send_bulk_sms', { toNumbers: [a, { toNumber: b }], body: 'news', ratePerMinute: 1 });
  await tool('phony_get_bulk_sms', { bulkId: bulk.data.bulkId });
  await tool('phony_cancel_bulk_sms', { bulkId: bulk.data.bulkId });
  await tool('phony_add_tags', { recordType: 'sms', recordId: messageSid, tags: ['Dinner'] });
  await tool('phony_add_tags', { recordType: 'call', recordId: callSid, tags: ['DINNER', 'done'] });
  assert.deepEqual((await tool('phony_search_by_tags', { tags: ['dinner'] })).data.records.slice(0, 2).map((r) => r.recordType).sort(), ['call', 'sms']);
  assert.deepEqual((await tool('phony_get_call', { callSid })).data.tags, ['dinner', 'done']);
  assert.deepEqual((await tool('phony_remove_tags', { recordType: 'call', recordId: callSid, tags: ['done'] })).data.tags, ['dinner']);
  assert.equal((await tool('phony_delete_message', { messageSid })).data.deletedCount, 1);
  assert.ok((await tool('phony_delete_messages', { toNumber: b, status: 'canceled' })).data.deletedCount >= 1);
  assert.match(await refused('phony_send_sms', { toNumber: '555', body: 'x' }), /E\.164/);
  assert.match(await refused('phony_send_sms', { toNumber: a }), /Either message body or media URLs are required/);
  assert.match(await refused('phony_send_sms', { toNumber: a, body: 'a'.repeat(1601) }), /too long \(1601 characters\)/);
  assert.match(await refused('phony_send_sms', { toNumber: '+15005550001', body: 'x' }), /Twilio error 21211/);
  assert.match(await refused('phony_get_message', { messageSid: 'SM1' }), /form it must have/);
  assert.match(await refused('phony_delete_messages', {}), /at least one filter/);
}

export async function story(client) {
  const { tools } = await client.listTools();
  assert.deepEqual(tools.map((t) => t.name), names);
  for (const tool of tools) {
    for (const hint of ['readOnlyHint', 'destructiveHint', 'idempotentHint', 'openWorldHint']) assert.equal(typeof tool.annotations[hint], 'boolean');
    assert.ok(tool.description.length < 2048 && tool.name.length <= 40 && tool.title);
  }
  const checked = new Set(), fits = checker(tools, checked);
  const tool = async (name, args = {}) => fits(name, await client.callTool({ name, arguments: args }));
  const refused = async (name, args) => {
    const result = await client.callTool({ name, arguments: args });
    assert.equal(result.isError, true, JSON.stringify(result));
    return result.content[0].text;
  };
  const toNumber = `+1202555${1000 + Math.floor(Math.random() * 8999)}`;
  const created = await tool('phony_create_call', { toNumber, ...request });
  assert.match(created.callSid, /^CA[0-9a-f]{32}$/);
  assert.equal(created.status, 'initiated');
  assert.equal(created.message, `Call initiated to ${toNumber} using ElevenLabs voice provider`);
  assert.match(await refused('phony_create_call', { toNumber, ...request }), /Duplicate call to .*\. Ask again 15 s after it\./);
  const { callSid } = created;
  const call = await until(async () => {
    const { data } = await tool('phony_get_call', { callSid });
    return data.isLive ? null : data;
  }, 'the call to be over');
  assert.equal(call.status, 'completed');
  const transcript = await tool('phony_get_call_transcript', { callSid });
  assert.deepEqual(transcript.data.conversationHistory.map((t) => [t.role, t.content]), [['assistant', 'Thank you. Goodbye!']]);
  assert.ok((await tool('phony_get_call_events', { callSid })).data.count >= 3);
  assert.equal((await tool('phony_get_call_events', { callSid, eventType: 'hangup' })).data.count, 1);
  assert.equal((await tool('phony_get_call_instructions', { callSid })).data.callInstructions, 'Say goodbye.');
  assert.equal((await tool('phony_list_calls', { toNumber, limit: 1 })).data.calls[0].callSid, callSid);
  assert.equal((await tool('phony_get_system_status')).data.store, 'sqlite');
  assert.match(await refused('phony_hangup_call', { callSid }), /over/);
  assert.match(await refused('phony_get_call', { callSid: `CA${'0'.repeat(32)}` }), /No call has this callSid/);
  assert.match(await refused('phony_create_call', { toNumber: '5551230001', callInstructions: 'x' }), /E\.164.*|systemInstructions is missing/s);
  assert.match(await refused('phony_list_calls', { limit: 201 }), /limit must be 1 to 200/);
  assert.match(await refused('phony_list_calls', { startDate: '2026-02-30' }), /startDate/);
  await assert.rejects(client.callTool({ name: 'phony_fly', arguments: {} }), /Unknown tool: phony_fly|-32602/);
  const patient = async (digit) => (await tool('phony_create_call', { toNumber: `${toNumber}${digit}`, elevenLabsAgentId: 'agent-patient', ...request })).callSid;
  const over = (sid) => until(async () => !(await tool('phony_get_call', { callSid: sid })).data.isLive, 'the end');
  const hungUp = await patient(2);
  await tool('phony_hangup_call', { callSid: hungUp });
  await over(hungUp);
  const live = await patient(1);
  assert.match(await refused('phony_cancel_call', { callSid: live }), /phony_hangup_call ends a live one/);
  await until(async () => (await tool('phony_get_call_events', { callSid: live, eventType: 'agent-connected' })).data.count, 'the agent');
  await tool('phony_inject_context', { callSid: live, context: 'Hurry up.' });
  await tool('phony_send_dtmf', { callSid: live, digits: '1' });
  assert.equal((await tool('phony_emergency_shutdown')).data.ended, 1);
  await over(live);
  await messageStory(tool, refused, callSid);
  assert.deepEqual(names.slice(0, names.indexOf('phony_get_system_status') + 1).filter((name) => !checked.has(name)), []);
  const { prompts } = await client.listPrompts();
  assert.deepEqual(prompts.map((p) => p.name), ['make-restaurant-reservation', 'reschedule-appointment', 'confirm-booking', 'ask-availability', 'navigate-phone-menu', 'deliver-message']);
  const prompt = await client.getPrompt({ name: 'make-restaurant-reservation',
    arguments: { restaurantNumber: '+12025550198', peopleNumber: '4', date: '2026-12-01', time: '19:30' } });
  assert.match(prompt.messages[0].content.text, /\+12025550198/);
  await assert.rejects(client.getPrompt({ name: 'make-restaurant-reservation', arguments: { date: 'x' } }), /restaurantNumber is missing/);
  assert.equal((await client.listResources()).resources[0].uri, 'call://transcriptions');
  assert.equal((await client.listResourceTemplates()).resourceTemplates[0].uriTemplate, 'call://transcriptions/{callSid}');
  const one = await client.readResource({ uri: `call://transcriptions/${callSid}` });
  assert.equal(JSON.parse(one.contents[0].text).conversationHistory.length, 1);
  const latest = await client.readResource({ uri: 'call://transcriptions' });
  assert.equal(latest.contents[0].uri, `call://transcriptions/${live}`);
  await assert.rejects(client.readResource({ uri: 'call://transcriptions/none' }), /Resource not found/);
}
