import { memo, useRef, useState } from 'react';
import { type Call, type Context, get, post, query } from '../api.ts';
import { call as callHere } from '../line.ts';
import { useData, useList } from '../live.ts';
import { Act, Choice, Dialog, Empty, ErrorNote, Form, Loading, Page, Status, Text, other, span, time } from '../parts.tsx';

function NewCall({ done }: { done: (callSid: string) => void }) {
  const contexts = useData(() => get<{ data: { contexts: Context[] } }>('/api/contexts'), []);
  const [context, setContext] = useState('');
  const [provider, setProvider] = useState('');
  const [here, setHere] = useState(false);
  return <Form label={here ? 'Talk' : 'Call'} submit={async (fields) => done(here ? await callHere(fields) : (await post<{ callSid: string }>('/api/calls', fields)).callSid)}>
    <Choice label="Whom" name="" value="" onChange={(value) => setHere(value === 'here')} options={[['', 'a phone number'], ['here', 'me, at this page, to try the agent']]} />
    {here ? <p className="hint">Nobody is telephoned: you speak with the agent through this computer’s microphone and loudspeaker.</p> : <Text label="Number to call" name="toNumber" required placeholder="+12025550198" type="tel" hint="With its country code, as +12025550198" />}
    <Choice label="Template" name="context" value="" onChange={setContext} options={[['', 'none: instructions below'], ...(contexts.data?.data.contexts ?? []).filter((c) => c.contextType !== 'incoming').map((c): [string, string] => [c.name, c.name])]} />
    {!context && <Text label="Who the agent is" name="systemInstructions" required rows={3} placeholder="You are Anna, assistant of Ms Smith. You are friendly and brief." />}
    <Text label="What this call is for" name="callInstructions" required rows={3} placeholder="Book a table for two, tonight at 8 pm." />
    <Choice label="Voice provider" name="provider" value="" onChange={setProvider} options={[['', 'as configured'], ['openai', 'OpenAI'], ['elevenlabs', 'ElevenLabs']]} />
    {provider === 'openai' && <Text label="Voice" name="voice" placeholder="sage" />}
    {provider === 'elevenlabs' && <><Text label="Agent" name="elevenLabsAgentId" /><Text label="Voice" name="elevenLabsVoiceId" /></>}
  </Form>;
}

const Row = memo(function Row({ call, last }: { call: Call; last?: string }) {
  return <tr>
    <td><a href={`#/calls/${call.callSid}`}>{other(call)}</a></td>
    <td>{{ outbound: 'out', inbound: 'in', browser: 'here' }[call.direction]}</td>
    <td><Status>{call.onHold ? 'on-hold' : call.status}</Status></td>
    <td>{call.status === 'scheduled' ? <>due {time(call.callAt)}</> : time(call.startedAt)}</td>
    <td>{span(call.duration)}</td>
    <td className="words" dir="auto">{call.isLive ? last : call.errorMessage ?? call.endReason ?? call.postponedReason}</td>
  </tr>;
});

const Table = ({ calls, said, caption }: { calls: Call[]; said: Record<string, string>; caption: string }) => (
  <div className="scroll"><table className="calls"><caption>{caption}</caption><thead><tr><th scope="col">Number</th><th scope="col">Way</th><th scope="col">State</th><th scope="col">Begun</th><th scope="col">Length</th><th scope="col">Last words</th></tr></thead>
    <tbody>{calls.map((c) => <Row key={c.callSid} call={c} last={said[c.callSid]} />)}</tbody></table></div>
);

export function Calls({ said }: { said: Record<string, string> }) {
  const [search, setSearch] = useState('');
  const [asking, setAsking] = useState(false);
  const waiting = useRef(0);
  const { items, error, showMore } = useList<Call>(async (cursor) => {
    if (search) return { items: (await get<{ data: { calls: Call[] } }>(`/api/search/calls${query({ query: search })}`)).data.calls };
    const page = await get<{ calls: Call[]; nextCursor?: string }>(`/api/calls${query({ limit: 200, cursor })}`);
    return { items: page.calls, nextCursor: page.nextCursor };
  }, (call) => call.callSid, ['call'], [search]);
  const calls = items ?? [], live = calls.filter((c) => c.isLive), past = calls.filter((c) => !c.isLive);
  return <Page title="Calls" actions={<>
    <input type="search" aria-label="Search what was said" placeholder="Search what was said" onChange={(e) => { const value = e.target.value; clearTimeout(waiting.current); waiting.current = window.setTimeout(() => setSearch(value.trim()), 250); }} />
    <button type="button" className="primary" onClick={() => setAsking(true)}>New call</button></>}>
    <ErrorNote error={error} />
    {!items && !error && <Loading />}
    {items && calls.length === 0 && <Empty>{search ? 'Nobody said that.' : 'No calls yet. “New call” places one; so does your assistant, over MCP.'}</Empty>}
    {live.length > 0 && <Table caption={`${live.length} live`} calls={live} said={said} />}
    {past.length > 0 && <Table caption="Earlier" calls={past} said={said} />}
    {showMore && <Act label="Show earlier ones" act={showMore} />}
    <Dialog title="New call" open={asking} close={() => setAsking(false)}><NewCall done={(sid) => { setAsking(false); location.hash = `#/calls/${sid}`; }} /></Dialog>
  </Page>;
}
