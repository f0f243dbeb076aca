// What happens, as it happens: one stream of server-sent events for the whole page. It resumes by itself; after a
// `reset` (too much was missed) everything is to be looked at anew.
import { useEffect, useLayoutEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react';
import { ApiError, get, signedOut } from './api.ts';

export interface Happening { kind: string; callSid?: string; messageSid?: string; [name: string]: unknown }
type Listener = (events: Happening[]) => void;

const kinds = ['call', 'turn', 'correction', 'question', 'answered', 'message', 'messages', 'voicemail', 'reset', 'hello'];
const listeners = new Set<Listener>();
const watchers = new Set<() => void>();
let source: EventSource | null = null;
let again = 0;
let connected = false;
let waiting: Happening[] = [];
let frame = 0;

function tell(state: boolean) {
  connected = state;
  for (const watcher of watchers) watcher();
}

// Many events of one moment are told together, between two frames of the screen.
function flush() {
  frame = 0;
  const events = waiting;
  waiting = [];
  for (const listener of listeners) listener(events);
}

// The session may have ended in another tab.
const stillSignedIn = () => get<{ signedIn: boolean }>('/api/session').then(({ signedIn }) => { if (!signedIn) signedOut.dispatchEvent(new Event('out')); }, () => {});

export function openLive() {
  if (source) return;
  source = new EventSource('/api/events');
  source.onopen = () => tell(true);
  source.onerror = () => {
    tell(false);
    // A server that ended the stream for good (401, 503) is asked again, too.
    if (source?.readyState === EventSource.CLOSED) {
      closeLive();
      again = window.setTimeout(openLive, 3000);
      stillSignedIn();
    }
  };
  for (const kind of kinds) source.addEventListener(kind, (event) => {
    waiting.push({ ...JSON.parse((event as MessageEvent<string>).data || '{}'), kind });
    frame ||= requestAnimationFrame(flush);
    if (document.hidden) setTimeout(() => frame && (cancelAnimationFrame(frame), flush()), 250);
  });
}

export function closeLive() {
  clearTimeout(again);
  source?.close();
  source = null;
  tell(false);
}

export const useConnected = () => useSyncExternalStore((changed) => { watchers.add(changed); return () => watchers.delete(changed); }, () => connected);

export function useLive(listener: Listener) {
  const latest = useRef(listener);
  latest.current = listener;
  useEffect(() => {
    const one: Listener = (events) => latest.current(events);
    listeners.add(one);
    return () => { listeners.delete(one); };
  }, []);
}

// What was said last in each call, as long as this page is open.
export function useLastWords() {
  const [said, setSaid] = useState<Record<string, string>>({});
  useLive((events) => {
    const turns = events.filter((e) => e.kind === 'turn' && e.callSid && typeof e.content === 'string');
    if (turns.length) setSaid((before) => ({ ...before, ...Object.fromEntries(turns.map((e) => [e.callSid!, String(e.content)])) }));
  });
  return said;
}

// Pages of a list, newest first, kept as one list: what comes anew is put before what is there, so that no row is lost
// between the first page, which moves on, and those loaded later.
export function useList<T>(load: (cursor?: string) => Promise<{ items: T[]; nextCursor?: string }>, key: (item: T) => string, on: string[], dependencies: unknown[] = []) {
  const [more, setMore] = useState<{ items: T[]; nextCursor?: string } | null>(null);
  const known = useRef<T[]>([]);
  const first = useData(async () => {
    let page = await load();
    const items = [...page.items], before = new Set(known.current.map(key));
    // Up to what is known, however much has come since.
    while (before.size > 0 && page.nextCursor && !page.items.some((item) => before.has(key(item)))) {
      page = await load(page.nextCursor);
      items.push(...page.items);
    }
    return { items, nextCursor: page.nextCursor };
  }, on, dependencies);
  useEffect(() => { setMore(null); known.current = []; }, dependencies);
  const items = useMemo(() => {
    if (!first.data) return null;
    const there = new Set(first.data.items.map(key));
    // The rest of an earlier first page, and what was loaded after it.
    const oldest = first.data.items.at(-1);
    const at = oldest ? known.current.findIndex((item) => key(item) === key(oldest)) : -1;
    const rest = [...(at >= 0 ? known.current.slice(at + 1) : []), ...(more?.items ?? [])];
    const all = [...first.data.items];
    for (const item of rest) if (!there.has(key(item))) { there.add(key(item)); all.push(item); }
    known.current = all;
    return all;
  }, [first.data, more]);
  const next = more ? more.nextCursor : first.data?.nextCursor;
  const showMore = next ? async () => { const page = await load(next); setMore((m) => ({ items: [...(m?.items ?? []), ...page.items], nextCursor: page.nextCursor })); } : undefined;
  // One that was deleted, wherever it stands in the list.
  const drop = (gone: string) => {
    const stays = (item: T) => key(item) !== gone;
    known.current = known.current.filter(stays);
    setMore((m) => m && { ...m, items: m.items.filter(stays) });
    first.again();
  };
  return { items, error: first.error, again: first.again, showMore, drop };
}

// Follows the end of a box that scrolls, unless the person has scrolled up.
export function useFollow<T extends HTMLElement>(changed: unknown) {
  const box = useRef<T>(null), following = useRef(true);
  useLayoutEffect(() => {
    const element = box.current;
    if (element && following.current) element.scrollTop = element.scrollHeight;
  }, [changed]);
  const onScroll = () => { const b = box.current; if (b) following.current = b.scrollHeight - b.scrollTop - b.clientHeight < 40; };
  return { ref: box, onScroll };
}

// What the same request may not meet again. What was asked wrongly, or is not there, stays so.
const passes = (error: Error) => !(error instanceof ApiError) || error.status === 0 || error.status === 429 || error.status >= 500;

// What `load` gives: at first, whenever an event of these kinds comes, and after a reset.
export function useData<T>(load: () => Promise<T>, on: string[], dependencies: unknown[] = []) {
  const [data, setData] = useState<T | null>(null);
  const [error, setError] = useState<Error | null>(null);
  const generation = useRef(0), pending = useRef(0);
  const again = () => {
    const mine = ++generation.current;
    load().then((value) => { if (mine === generation.current) { setData(value); setError(null); } }, (e: Error) => { if (mine === generation.current) setError(e); });
  };
  const soon = (ms: number) => { if (!pending.current) pending.current = window.setTimeout(() => { pending.current = 0; again(); }, ms); };
  useEffect(() => { setData(null); again(); return () => { generation.current++; clearTimeout(pending.current); pending.current = 0; }; }, dependencies);
  useLive((events) => { if (events.some((e) => e.kind === 'reset' || e.kind === 'hello' || on.includes(e.kind))) soon(150); });
  useEffect(() => { if (!error || !passes(error)) return; const timer = setInterval(again, 3000); return () => clearInterval(timer); }, [error]);
  return { data, error, again, setData };
}
