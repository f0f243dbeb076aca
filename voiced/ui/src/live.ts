// What happens, as it happens: one stream of server-sent events for the whole page. It resumes by itself; after a
// `reset` (too much was missed) everything is to be looked at anew.
import { useEffect, useRef, useState, useSyncExternalStore } from 'react';

export interface Happening { kind: string; callSid?: string; messageSid?: string; [name: string]: unknown }
type Listener = (events: Happening[]) => void;

const kinds = ['call', 'turn', 'correction', 'question', 'answered', 'message', 'messages', 'voicemail', 'reset', 'hello'];
const listeners = new Set<Listener>();
const watchers = new Set<() => void>();
let source: EventSource | null = null;
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

export function openLive() {
  if (source) return;
  source = new EventSource('/api/events');
  source.onopen = () => tell(true);
  source.onerror = () => {
    tell(false);
    // A server that ended the stream for good (401, 503) is asked again, too.
    if (source?.readyState === EventSource.CLOSED) {
      closeLive();
      setTimeout(openLive, 3000);
    }
  };
  for (const kind of kinds) source.addEventListener(kind, (event) => {
    waiting.push({ ...JSON.parse((event as MessageEvent<string>).data || '{}'), kind });
    frame ||= requestAnimationFrame(flush);
    if (document.hidden) setTimeout(() => frame && (cancelAnimationFrame(frame), flush()), 250);
  });
}

export function closeLive() {
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
  useEffect(() => { if (!error) return; const timer = setInterval(again, 3000); return () => clearInterval(timer); }, [error]);
  return { data, error, again, setData };
}
