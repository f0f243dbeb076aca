// The API of voiced and smsd, as the pages use it.

export interface Turn { role: 'user' | 'assistant' | 'system'; content: string; timestamp: string; truncated?: boolean }
export interface Call {
  callSid: string; status: string; direction: 'inbound' | 'outbound' | 'browser'; provider: string; fromNumber: string; toNumber: string; isLive: boolean;
  callAt?: string; postponedReason?: string; startedAt?: string; endedAt?: string; duration?: number; onHold?: boolean; errorMessage?: string; endReason?: string; tags?: string[];
  systemInstructions?: string; callInstructions?: string; conversationHistory?: Turn[]; notes?: { note: string; timestamp: string }[];
  outcome?: unknown; cost?: { provider: string; unit: string; amount: number }; record?: boolean; figures?: Record<string, unknown>; transferNumber?: string;
  operatorQuestion?: { question: string; askedAt: string; seconds: number } | null;
}
export interface CallEvent { type: string; timestamp: string; seq: number; attempt: number; data: Record<string, unknown> }
export interface Message {
  messageSid: string; fromNumber: string; toNumber: string; direction: 'inbound' | 'outbound'; body: string; status: string; createdAt: string;
  mediaUrls?: string[]; segments?: number; errorMessage?: string; errorCode?: number; tags?: string[]; conversationId?: string;
}
export interface Voicemail { recordingSid: string; callSid: string; fromNumber: string; toNumber: string; duration: number; transcription: string; status: string; isRead: boolean; createdAt: string; tags: string[] }
export interface Context { contextId: string; name: string; systemInstructions: string; contextType: string; description?: string; exampleCallInstructions?: string }
export interface Handler {
  phoneNumber: string; name?: string; systemInstructions?: string; callInstructions?: string; provider?: string; enabled?: boolean; messageOnly?: boolean; hangupMessage?: string;
  voicemailEnabled?: boolean; voicemailGreeting?: string; voicemailMaxLength?: number; elevenLabsAgentId?: string; voice?: string;
}
export interface PhoneNumber { phoneNumber: string; friendlyName: string; configured: boolean; webhookSet: boolean }
export interface Question { callSid: string; question: string; askedAt: string; seconds: number; toNumber: string; fromNumber: string; direction: Call['direction'] }
export interface Conversation { conversationId: string; type: string; participants: string[]; name?: string; createdBy?: string; lastMessageAt?: string; messageCount?: number }
export interface Bulk { bulkId: string; status: string; total: number; createdAt: string }
export interface BulkState extends Bulk { pending: number; counts: Record<string, number> }

export class ApiError extends Error {
  constructor(readonly status: number, readonly code: string, message: string) { super(message); }
}
export const signedOut = new EventTarget();

export async function api<T>(method: string, path: string, body?: unknown): Promise<T> {
  let answer: Response;
  try {
    answer = await fetch(path, { method, headers: body === undefined ? {} : { 'content-type': 'application/json' }, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    throw new ApiError(0, 'away', 'phony does not answer. Is it running? This page goes on as soon as it is back.');
  }
  const text = await answer.text();
  let json: { code?: string; message?: string } = {};
  try { json = JSON.parse(text); } catch { /* an empty answer */ }
  if (answer.ok) return json as T;
  if (answer.status === 401 && path !== '/api/session') signedOut.dispatchEvent(new Event('out'));
  throw new ApiError(answer.status, json.code ?? 'error', json.message ?? `phony answered with HTTP status ${answer.status}.`);
}

export const get = <T>(path: string) => api<T>('GET', path);
export const post = <T = unknown>(path: string, body: unknown = {}) => api<T>('POST', path, body);
export const query = (parameters: Record<string, string | number | boolean | undefined>) => {
  const q = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined && value !== '') q.set(name, String(value));
  const text = q.toString();
  return text && `?${text}`;
};
