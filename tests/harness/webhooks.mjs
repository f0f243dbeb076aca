// Webhooks as Twilio sends them, signed by Twilio's own package.
import twilio from 'twilio';
import { account } from './phony.mjs';

export const sid = (n, kind = 'SM') => kind + String(n).padStart(32, '0');

// A signed POST of these parameters; {token, signature} make it wrong on purpose.
export async function hook(phony, target, params, { token = account.token, signature, base } = {}) {
  const url = `${phony.env.PUBLIC_URL}${target}`;
  const sign = signature === undefined ? twilio.getExpectedTwilioSignature(token, url, params) : signature;
  const body = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) for (const one of [value].flat()) body.append(name, one);
  const answer = await fetch(`${base ?? `http://127.0.0.1:${phony.port}`}${target}`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded; charset=UTF-8', ...(sign ? { 'x-twilio-signature': sign } : {}) },
    body,
  });
  return { status: answer.status, text: await answer.text(), headers: answer.headers };
}

export const incoming = (phony, params, options) => hook(phony, '/sms/incoming', { SmsStatus: 'received', ApiVersion: '2010-04-01', AccountSid: account.sid, NumSegments: '1', ...params }, options);

export const status = (phony, messageSid, messageStatus, more = {}) => hook(phony, '/sms/status', {
  MessageSid: messageSid, SmsSid: messageSid, MessageStatus: messageStatus, SmsStatus: messageStatus, AccountSid: account.sid, From: account.number, To: '+12025550100', ApiVersion: '2010-04-01', ...more,
});
