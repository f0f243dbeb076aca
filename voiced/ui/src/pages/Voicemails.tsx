import { useEffect, useRef, useState } from 'react';
import { type Voicemail, api, get, post, query } from '../api.ts';
import { useList } from '../live.ts';
import { Act, Empty, ErrorNote, Loading, Page, Status, span, time } from '../parts.tsx';

// Fetched when it is to be heard: phony gets it from Twilio.
function Player({ recordingSid, heard }: { recordingSid: string; heard: () => void }) {
  const [url, setUrl] = useState('');
  useEffect(() => () => URL.revokeObjectURL(url), [url]);
  if (url) return <audio controls autoPlay src={url} onEnded={heard} aria-label="Voicemail" />;
  return <Act label="Listen" act={async () => {
    const answer = await fetch(`/api/voicemails/${recordingSid}/recording`);
    if (!answer.ok) throw new Error(((await answer.json().catch(() => ({}))) as { message?: string }).message ?? 'The audio cannot be fetched.');
    setUrl(URL.createObjectURL(await answer.blob()));
  }} />;
}

export function Voicemails() {
  const [search, setSearch] = useState('');
  const waiting = useRef(0);
  const { items: list, error, again, drop, showMore } = useList<Voicemail>(async (cursor) => {
    const { data } = await get<{ data: { voicemails: Voicemail[]; nextCursor?: string } }>(`/api/voicemails${search ? '/search' : ''}${query({ ...(search ? { query: search } : {}), limit: 100, cursor })}`);
    return { items: data.voicemails, nextCursor: data.nextCursor };
  }, (v) => v.recordingSid, ['voicemail'], [search]);
  return <Page title="Voicemails" actions={<input type="search" aria-label="Search the transcriptions" placeholder="Search the transcriptions" onChange={(e) => { const value = e.target.value; clearTimeout(waiting.current); waiting.current = window.setTimeout(() => setSearch(value.trim()), 250); }} />}>
    <ErrorNote error={error} />
    {!list && !error && <Loading />}
    {list?.length === 0 && <Empty>{search ? 'Nothing of the kind was said.' : 'No voicemails. A number takes them when its handler on the page Numbers says so.'}</Empty>}
    <ul className="cards">{list?.map((v) => <li key={v.recordingSid} className={v.isRead ? 'card' : 'card unread'}>
      <h2>{v.fromNumber} <small>{time(v.createdAt)}, {span(v.duration)}</small></h2>
      <p dir="auto">{v.transcription || (v.status === 'transcribing' ? 'The transcription is on its way.' : 'There is no transcription.')} {v.status !== 'completed' && <Status>{v.status}</Status>}</p>
      <div className="row">
        <Player recordingSid={v.recordingSid} heard={() => { if (!v.isRead) post(`/api/voicemails/${v.recordingSid}/read`).then(again, () => {}); }} />
        <Act label={v.isRead ? 'Mark as unread' : 'Mark as read'} act={async () => { await post(`/api/voicemails/${v.recordingSid}/${v.isRead ? 'unread' : 'read'}`); again(); }} />
        <Act label="Delete" danger confirm="Delete this voicemail?" act={async () => { await api('DELETE', `/api/voicemails/${v.recordingSid}`); drop(v.recordingSid); }} />
      </div>
    </li>)}</ul>
    {showMore && <Act label="Show earlier ones" act={showMore} />}
  </Page>;
}
