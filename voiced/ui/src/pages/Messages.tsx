import { useEffect, useMemo, useRef, useState } from 'react';
import { type Bulk, type Conversation, type Message, api, get, post, query } from '../api.ts';
import { useData } from '../live.ts';
import { Act, Dialog, Empty, ErrorNote, Form, Loading, Page, Status, Text, time } from '../parts.tsx';

// GSM 03.38: 160 septets, 153 each when several, those of the extension count two; anything else is UCS-2: 70, 67 each.
const basic = new Set('@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !"#¤%&\'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà');
const extended = new Set('\f^{}\\[~]|€');
export function segments(text: string): [number, string] {
  const gsm = [...text].every((c) => basic.has(c) || extended.has(c));
  const units = gsm ? [...text].reduce((n, c) => n + (extended.has(c) ? 2 : 1), 0) : text.length;
  const [one, many] = gsm ? [160, 153] : [70, 67];
  return [units === 0 ? 0 : units <= one ? 1 : Math.ceil(units / many), gsm ? 'GSM-7' : 'UCS-2'];
}

function Count({ text }: { text: string }) {
  const [n, encoding] = segments(text);
  return <small aria-live="polite">{text.length} characters, {n} segment{n === 1 ? '' : 's'} ({encoding})</small>;
}

function Compose({ to, label, send }: { to?: string; label: string; send: (fields: Record<string, unknown>) => Promise<unknown> }) {
  const [text, setText] = useState('');
  return <Form label={label} reset submit={async (f) => {
    const { mediaUrl, sendAt, ...rest } = f;
    await send({ ...rest, ...(to ? { toNumber: to } : {}), ...(mediaUrl ? { mediaUrls: [mediaUrl] } : {}), ...(sendAt ? { sendAt: new Date(String(sendAt)).toISOString() } : {}) });
    setText('');
  }}>
    {!to && <Text label="To" name="toNumber" type="tel" required placeholder="+12025550198" />}
    <Text label="Text" name="body" rows={3} onChange={setText} /><Count text={text} />
    <details><summary>Picture, later</summary><Text label="Address of a picture" name="mediaUrl" type="url" placeholder="https://…" /><Text label="Not before" name="sendAt" type="datetime-local" /></details>
  </Form>;
}

function Thread({ messages, again }: { messages: Message[]; again: () => void }) {
  const end = useRef<HTMLDivElement>(null);
  useEffect(() => { end.current?.scrollIntoView({ block: 'nearest' }); }, [messages.length]);
  return <><ol className="turns" aria-live="polite">{messages.map((m) => <li key={m.messageSid} className={m.direction === 'outbound' ? 'assistant' : 'user'}>
    <b>{m.fromNumber}</b> <time dateTime={m.createdAt}>{time(m.createdAt)}</time> <Status>{m.status}</Status>
    <p className="pre">{m.body}</p>
    {m.mediaUrls?.map((url) => <p key={url}><a href={url} rel="noreferrer noopener" target="_blank">Picture</a></p>)}
    {m.errorMessage && <p className="error">{m.errorMessage}{m.errorCode ? ` (${m.errorCode})` : ''}</p>}
    {m.status === 'scheduled' && <Act label="Take back" act={async () => { await post(`/api/sms/messages/${m.messageSid}/cancel`); again(); }} />}
  </li>)}</ol><div ref={end} /></>;
}

export function Messages() {
  const [search, setSearch] = useState('');
  const [chosen, setChosen] = useState<string | null>(null);
  const [dialog, setDialog] = useState<'new' | 'group' | 'many' | null>(null);
  const waiting = useRef(0);
  const { data, error, again } = useData(() => get<{ data: { messages: Message[] } }>(search ? `/api/sms/search${query({ query: search, limit: 200 })}` : '/api/sms/messages?limit=200'), ['message', 'messages'], [search]);
  const bulks = useData(() => get<{ data: { bulks: Bulk[] } }>('/api/sms/bulk'), ['message', 'messages']);
  const threads = useMemo(() => {
    const map = new Map<string, Message[]>();
    for (const m of data?.data.messages ?? []) {
      const key = m.conversationId ?? m.messageSid;
      map.set(key, [...(map.get(key) ?? []), m]);
    }
    return [...map];
  }, [data]);
  const thread = threads.find(([id]) => id === chosen)?.[1].toReversed();
  const group = useData(async () => (chosen?.startsWith('group') ? (await get<{ data: Conversation }>(`/api/conversations/${encodeURIComponent(chosen)}`)).data : null), [], [chosen]);
  const ours = thread?.[0] && (thread[0].direction === 'outbound' ? thread[0].fromNumber : thread[0].toNumber);
  const other = thread?.[0] && (thread[0].direction === 'outbound' ? thread[0].toNumber : thread[0].fromNumber);
  return <Page title="Messages" actions={<>
    <input type="search" aria-label="Search messages" placeholder="Search messages" onChange={(e) => { const value = e.target.value; clearTimeout(waiting.current); waiting.current = window.setTimeout(() => setSearch(value.trim()), 250); }} />
    <button type="button" onClick={() => setDialog('many')}>To many</button><button type="button" onClick={() => setDialog('group')}>New group</button><button type="button" className="primary" onClick={() => setDialog('new')}>New message</button></>}>
    <ErrorNote error={error} />
    {!data && !error && <Loading />}
    {data && threads.length === 0 && <Empty>{search ? 'No message says that.' : 'No messages yet. “New message” sends one.'}</Empty>}
    {bulks.data?.data.bulks.filter((b) => b.status !== 'completed' && b.status !== 'canceled').map((b) => <p key={b.bulkId}>To {b.total} people: {b.sent ?? 0} sent <progress max={b.total} value={(b.sent ?? 0) + (b.failed ?? 0)} aria-label="Sent" /> <Act label="Stop" act={() => post(`/api/sms/bulk/${b.bulkId}/cancel`)} /></p>)}
    <div className="columns">
      <ul className="threads" aria-label="Conversations">{threads.map(([id, list]) => <li key={id}><button type="button" aria-current={id === chosen} onClick={() => setChosen(id)}>
        <b>{list[0]!.direction === 'outbound' ? list[0]!.toNumber : list[0]!.fromNumber}</b> <time dateTime={list[0]!.createdAt}>{time(list[0]!.createdAt)}</time><span>{list[0]!.body || 'a picture'}</span></button></li>)}</ul>
      {thread && <section aria-label="Conversation">
        {group.data && <p>{group.data.name ?? 'Group'}: {group.data.participants.join(', ')}</p>}
        <Thread messages={thread} again={again} />
        {group.data
          ? <Compose label="Send to all" to={other} send={async ({ toNumber: _, ...f }) => { await post(`/api/conversations/${encodeURIComponent(chosen!)}/send`, { ...f, fromNumber: ours }); again(); }} />
          : <Compose key={chosen} label="Send" to={other} send={async (f) => { await post('/api/sms/send', { ...f, fromNumber: ours }); again(); }} />}
        <Act label="Delete these messages" danger confirm="Delete the messages of this conversation from phony?" act={async () => { for (const m of thread) await api('DELETE', `/api/sms/messages/${m.messageSid}`); setChosen(null); again(); }} />
      </section>}
    </div>
    <Dialog title="New message" open={dialog === 'new'} close={() => setDialog(null)}><Compose label="Send" send={async (f) => { await post('/api/sms/send', f); setDialog(null); again(); }} /></Dialog>
    <Dialog title="New group" open={dialog === 'group'} close={() => setDialog(null)}>
      <Form label="Make the group" submit={async (f) => { await post('/api/conversations', { name: f.name, createdBy: f.createdBy, participants: String(f.participants).split(/[\s,]+/).filter(Boolean) }); setDialog(null); again(); }}>
        <Text label="Name" name="name" /><Text label="Your number" name="createdBy" type="tel" required placeholder="+12025550143" /><Text label="Participants" name="participants" required rows={3} hint="Numbers, one a line" />
      </Form>
    </Dialog>
    <Dialog title="To many" open={dialog === 'many'} close={() => setDialog(null)}>
      <Form label="Send to all" submit={async (f) => { await post('/api/sms/bulk', { body: f.body, recipients: String(f.recipients).split(/[\s,]+/).filter(Boolean).map((toNumber) => ({ toNumber })) }); setDialog(null); bulks.again(); }}>
        <Text label="Text" name="body" required rows={3} /><Text label="Recipients" name="recipients" required rows={5} hint="Numbers, one a line" />
      </Form>
    </Dialog>
  </Page>;
}
