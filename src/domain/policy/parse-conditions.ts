import { parseCidr } from '../network/cidr.ts';
import { parseTimeOfDay } from '../time/time-window.ts';
import { openTimeZone } from '../time/time-zone.ts';
import { DAYS } from './access-policy.ts';
import type { Day, PolicyConditions, PolicyTimeWindow } from './access-policy.ts';
import type { DocumentNode } from './document-node.ts';
import { POLICY_LIMITS } from './policy-limits.ts';
import { FIELDS } from './policy-schema.ts';

/** `effect` of the rule, '' if it has none. */
export function parseConditions(node: DocumentNode, effect: string): PolicyConditions {
  const fields = node.fields(FIELDS.conditions);
  const cidrs = fields.get('sourceCidrs');
  const windows = fields.get('timeWindows');
  const sealed = fields.get('sealedDelivery');
  if (cidrs === undefined && windows === undefined && sealed === undefined) {
    node.refuse('must have a condition; leave the field out for none');
  }
  return {
    ...(cidrs && { sourceCidrs: cidrs.texts(POLICY_LIMITS.sourceCidrs, cidrProblem) }),
    ...(windows && { timeWindows: windows.items(POLICY_LIMITS.timeWindows).map(parseTimeWindow) }),
    ...(sealed && { sealedDelivery: sealed.flag((flag) => sealedProblem(flag, effect)) }),
  };
}

/** Refuses the other two combinations: they are mistakes that would release values in the clear, or admit no caller. */
function sealedProblem(flag: boolean, effect: string): string | undefined {
  if (effect === 'allow' && !flag) {
    return 'must be true in an allow; leave the field out where answers need not be sealed';
  }
  if (effect === 'deny' && flag) {
    return 'must be false in a deny: it denies those whose answers are not sealed';
  }
  return undefined;
}

function cidrProblem(text: string): string | undefined {
  return parseCidr(text) === undefined
    ? 'must be an IPv4 or IPv6 network like 10.0.0.0/8 or 2001:db8::/32, with no bits set beyond its prefix'
    : undefined;
}

function parseTimeWindow(node: DocumentNode): PolicyTimeWindow {
  const fields = node.fields(FIELDS.timeWindow);
  const from = fields.text('from', (text) => timeProblem(text, false));
  const to = fields.text('to', (text) => timeProblem(text, true));
  if (from !== '' && from === to)
    node.refuse('must not end when it starts; a whole day is 00:00 to 24:00');
  const days = fields.get('days')?.texts(DAYS.length, dayProblem) as readonly Day[] | undefined;
  const timeZone = fields.text('timeZone', zoneProblem);
  return { ...(days && { days }), from, to, timeZone };
}

function timeProblem(text: string, isEnd: boolean): string | undefined {
  return parseTimeOfDay(text, isEnd) === undefined
    ? `must be a time from 00:00 to ${isEnd ? '24:00' : '23:59'}`
    : undefined;
}

function dayProblem(text: string): string | undefined {
  return (DAYS as readonly string[]).includes(text)
    ? undefined
    : `must be one of ${DAYS.join(', ')}`;
}

function zoneProblem(text: string): string | undefined {
  return openTimeZone(text) === undefined
    ? 'must be an IANA time zone like Europe/Zurich'
    : undefined;
}
