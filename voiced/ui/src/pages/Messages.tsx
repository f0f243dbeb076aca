import { useEffect, useMemo, useRef, useState } from 'react';
import { type Bulk, type BulkState, type Conversation, type Message, api, get, post, query } from '../api.ts';
import { useData, useFollow, useList } from '../live.ts';
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

const numbersOf = (text: unknown) => String(text).split(/[\s,]+/).filter(Boolean);
const otherOf = (m: Message) => (m.direction === 'outbound' ? m.toNumber : m.fromNumber);
const oursOf = (m: Message) => (m.direction === 'outbound' ? m.fromNumber : m.toNumber);
const messagePage = async (target: string, parameters: Record<string, string | number | undefined>) => {
  const { data } = await get<{ data: { messages: Message[]; nextCursor?: string } }>(`${target}${query(parameters)}`);
  return { items: data.messages, nextCursor: data.nextCursor };
};

// One conversation, as far back as it goes.
function Thread({ id, last, again, done }: { id: string; last: Message; again: () => void; done: () => void }) {
  const target = `/api/conversations/${encodeURIComponent(id)}`;
  const talk = useData(async () => (await get<{ data: Conversation }>(target)).data, [], [id]);
  const list = useList<Message>(async (cursor) => { const page = await messagePage(`${target}/messages`, { limit: 100, cursor }); return { ...page, items: page.items.toReversed() }; }, (m) => m.messageSid, ['message', 'messages'], [id]);
  const messages = useMemo(() => (list.items ?? []).toSorted((a, b) => a.createdAt.localeCompare(b.createdAt)), [list.items]);
  const newest = messages.at(-1);
  const follow = useFollow<HTMLOListElement>(newest && `${newest.messageSid}/${newest.status}`);
  const group = talk.data?.type === 'group';
  const refresh = () => { list.again(); again(); };
  // Below the list on a telephone, above what is seen in a long one.
  const section = useRef<HTMLElement>(null), there = list.items !== null;
  useEffect(() => { if (there) section.current?.scrollIntoView({ block: 'nearest' }); }, [there]);
  return <section aria-label="Conversation" className="thread" ref={section}>
    {group && <p>{talk.data!.name ?? 'Group'}: {talk.data!.participants.join(', ')}</p>}
    <ErrorNote error={list.error} />
    {list.showMore && <Act label="Show earlier messages" act={list.showMore} />}
    <ol className="turns" aria-live="polite" tabIndex={0} aria-label="Messages" {...follow}>{messages.map((m) => <li key={m.messageSid} className={m.direction === 'outbound' ? 'assistant' : 'user'}>
      <b>{m.fromNumber}</b> <time dateTime={m.createdAt}>{time(m.createdAt)}</time> <Status>{m.status}</Status>
      <p className="pre" dir="auto">{m.body}</p>
      {m.mediaUrls?.map((url) => <p key={url}><a href={url} rel="noreferrer noopener" target="_blank">Picture</a></p>)}
      {m.errorMessage && <p className="error">{m.errorMessage}{m.errorCode ? ` (${m.errorCode})` : ''}</p>}
      {m.status === 'scheduled' && <Act label="Take back" act={async () => { await post(`/api/sms/messages/${m.messageSid}/cancel`); refresh(); }} />}
    </li>)}</ol>
    {talk.data && (group
      ? <Compose key={id} label="Send to all" to={otherOf(last)} send={async ({ toNumber: _, ...f }) => { await post(`${target}/send`, { ...f, fromNumber: oursOf(last) }); refresh(); }} />
      : <Compose key={id} label="Send" to={otherOf(last)} send={async (f) => { await post('/api/sms/send', { ...f, fromNumber: oursOf(last) }); refresh(); }} />)}
    <Act label="Delete these messages" danger confirm="Delete the messages of this conversation from phony?" act={async () => { for (const m of messages) await api('DELETE', `/api/sms/messages/${m.messageSid}`); done(); again(); }} />
  </section>;
}

// How far a sending to many is, until nothing of it is waiting.
function BulkProgress({ bulk, again }: { bulk: Bulk; again: () => void }) {
  const { data } = useData(async () => (await get<{ data: BulkState }>(`/api/sms/bulk/${bulk.bulkId}`)).data, ['message', 'messages'], [bulk.bulkId, bulk.status]);
  if (!data || data.status === 'done' || data.status === 'canceled') return null;
  const left = data.total - data.pending, bad = (data.counts.failed ?? 0) + (data.counts.undelivered ?? 0);
  return <p>To {data.total} people: {left} sent{bad > 0 && `, ${bad} failed`} <progress max={data.total} value={left} aria-label="Sent" /> <Act label="Stop" act={async () => { await post(`/api/sms/bulk/${bulk.bulkId}/cancel`); again(); }} /></p>;
}

export function Messages() {
  const [search, setSearch] = useState('');
  const [chosen, setChosen] = useState<string | null>(null);
  const [dialog, setDialog] = useState<'new' | 'group' | 'many' | null>(null);
  // A group just made: nothing has been sent in it, so it is in no list yet.
  const [group, setGroup] = useState<Conversation | null>(null);
  const waiting = useRef(0);
  const { items, error, again, showMore } = useList<Message>((cursor) => messagePage(search ? '/api/sms/search' : '/api/sms/messages', { ...(search ? { query: search } : {}), limit: 200, cursor }), (m) => m.messageSid, ['message', 'messages'], [search]);
  const bulks = useData(() => get<{ data: { bulks: Bulk[] } }>('/api/sms/bulk'), ['messages']);
  // The newest message of each conversation, newest first.
  const threads = useMemo(() => {
    const map = new Map<string, Message>();
    for (const m of items ?? []) if (!map.has(m.conversationId ?? m.messageSid)) map.set(m.conversationId ?? m.messageSid, m);
    return [...map];
  }, [items]);
  const last = threads.find(([id]) => id === chosen)?.[1];
  return <Page title="Messages" actions={<>
    <input type="search" aria-label="Search messages" placeholder="Search messages" onChange={(e) => { const value = e.target.value; clearTimeout(waiting.current); waiting.current = window.setTimeout(() => setSearch(value.trim()), 250); }} />
    <button type="button" onClick={() => setDialog('many')}>To many</button><button type="button" onClick={() => setDialog('group')}>New group</button><button type="button" className="primary" onClick={() => setDialog('new')}>New message</button></>}>
    <ErrorNote error={error} />
    {!items && !error && <Loading />}
    {items && threads.length === 0 && <Empty>{search ? 'No message says that.' : 'No messages yet. “New message” sends one.'}</Empty>}
    {bulks.data?.data.bulks.filter((b) => b.status === 'storing' || b.status === 'sending').map((b) => <BulkProgress key={b.bulkId} bulk={b} again={bulks.again} />)}
    <div className="columns">
      <div>
        <ul className="threads" aria-label="Conversations">{threads.map(([id, m]) => <li key={id}><button type="button" aria-current={id === chosen} onClick={() => setChosen(id)}>
          <b>{otherOf(m)}</b> <time dateTime={m.createdAt}>{time(m.createdAt)}</time><span dir="auto">{m.body || 'a picture'}</span></button></li>)}</ul>
        {showMore && <Act label="Show earlier conversations" act={showMore} />}
      </div>
      {chosen && last && <Thread key={chosen} id={chosen} last={last} again={again} done={() => setChosen(null)} />}
    </div>
    <Dialog title="New message" open={dialog === 'new'} close={() => setDialog(null)}><Compose label="Send" send={async (f) => { await post('/api/sms/send', f); setDialog(null); again(); }} /></Dialog>
    <Dialog title="New group" open={dialog === 'group'} close={() => setDialog(null)}>
      <Form label="Make the group" submit={async (f) => { const { data } = await post<{ data: Conversation }>('/api/conversations', { name: f.name, createdBy: f.createdBy, participants: numbersOf(f.participants) }); setDialog(null); setGroup(data); }}>
        <Text label="Name" name="name" /><Text label="Your number" name="createdBy" type="tel" required placeholder="+12025550143" /><Text label="Participants" name="participants" required rows={3} hint="Numbers, one a line" />
      </Form>
    </Dialog>
    <Dialog title={group?.name ?? 'Group'} open={group !== null} close={() => setGroup(null)}>
      {group && <><p>{group.participants.join(', ')}</p><Compose label="Send to all" to="all" send={async ({ toNumber: _, ...f }) => { await post(`/api/conversations/${encodeURIComponent(group.conversationId)}/send`, { ...f, fromNumber: group.createdBy }); setGroup(null); setChosen(group.conversationId); again(); }} /></>}
    </Dialog>
    <Dialog title="To many" open={dialog === 'many'} close={() => setDialog(null)}>
      <Form label="Send to all" submit={async (f) => { await post('/api/sms/bulk', { body: f.body, toNumbers: numbersOf(f.toNumbers) }); setDialog(null); bulks.again(); again(); }}>
        <Text label="Text" name="body" required rows={3} /><Text label="Recipients" name="toNumbers" required rows={5} hint="Numbers, one a line" />
      </Form>
    </Dialog>
  </Page>;
}
