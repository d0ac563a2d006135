import * as z from 'zod';
import type { AlertRecord, AlertSubject } from '../alert-record.ts';
import { decideAlert, listAlerts as list, listAlertSources as listSources } from '../alerts.ts';
import { readAlerts } from '../../../domain/alerts/read-alerts.ts';
import { BrokerError } from '../../../domain/errors.ts';
import { instant } from '../../../domain/time/instant.ts';
import { isName } from '../../../domain/words/names.ts';
import type { AlertSource, PresentedSource } from '../../../ports/alert-sources.ts';
import { identifier, remark } from '../../../api/request/fields.ts';
import { PAGE_QUERY, readPage, pageJson } from '../../../api/request/page-query.ts';
import { parseInput, parseParameter } from '../../../api/request/parse-input.ts';
import type { Admission, Incoming, RouteOf } from '../../../api/request/route.ts';
import type { ServedParts } from '../../../api/request/request-deps.ts';
import { AlertIntake } from './alert-intake.ts';
import type { Shape } from '../../../api/contract/shapes.ts';

const MOST_BYTES = 262_144;
/** The largest batch that the API server sends with `--audit-webhook-truncate-enabled`. */
const MOST_STREAMED_BYTES = 10_485_760;
const STATES = [
  'kept',
  'unmatched',
  'pending',
  'responding',
  'contained',
  'done',
  'dismissed',
] as const;

/** Finds the source. The answer is the same for an unknown source and for a wrong secret. @throws ERR_UNAUTHENTICATED */
function sourceOf({ alertSources }: ServedParts, { name = '' }: Incoming['params']): AlertSource {
  const source = isName(name) ? alertSources.find(name) : undefined;
  if (source !== undefined) return source;
  throw new BrokerError('ERR_UNAUTHENTICATED', undefined, { reason: 'source_unknown' });
}

function presented({ headers, chain }: Pick<Admission, 'headers' | 'chain'>): PresentedSource {
  const { authorization, 'quaymaster-signature': signature } = headers;
  return { authorization, signature: signature?.toString(), chain };
}

export const receiveAlert: RouteOf<'receiveAlert'> = {
  // The audit webhook of the API server adds `?timeout=30s`.
  query: ['timeout'],
  body: { maxBytes: MOST_BYTES },
  admit: async ({ parts, params, rates, ...request }) => {
    const source = sourceOf(parts, params);
    const shown = presented(request);
    if (!(await source.admit(shown))) {
      const verify = async (bytes: Uint8Array): Promise<void> => {
        await source.verify(shown, bytes);
        rates.takeFromSource(source.name);
      };
      return { isProven: false, verify };
    }
    rates.takeFromSource(source.name);
    const isStreamed = source.format === 'kubernetes-audit';
    return { isProven: true, streamedBytes: isStreamed ? MOST_STREAMED_BYTES : undefined };
  },
  oversize: async ({ parts, params, call }) => {
    await new AlertIntake(parts, call, sourceOf(parts, params)).takeTooLarge();
  },
  read: (incoming) => {
    const { params, body, stream, rates, share } = incoming;
    return async ({ parts, call }) => {
      const source = sourceOf(parts, params);
      const intake = new AlertIntake(parts, call, source, rates);
      if (stream !== undefined) return { status: 202, body: await intake.takeStream(stream) };
      intake.charge(share.received);
      await intake.take(readAlerts(source.format, body?.value));
      return { status: 202, body: intake.received };
    };
  },
};

export const listAlertSources: RouteOf<'listAlertSources'> = {
  read:
    () =>
    async ({ parts, call, caller }) => ({
      status: 200,
      body: {
        items: (await listSources(parts, call, caller)).map(({ lastAt, limits, ...source }) => ({
          ...source,
          limits: limits.map(({ cluster, pods, most }) => ({ cluster, cutOff: pods, limit: most })),
          ...(lastAt !== undefined && { lastAlertAt: instant(lastAt) }),
        })),
      },
    }),
};

export const listAlerts: RouteOf<'listAlerts'> = {
  query: [...PAGE_QUERY, 'state'],
  read: ({ query }) => {
    const page = readPage(query);
    const state = parseParameter(z.enum(STATES).optional(), query.get('state'));
    return async ({ parts, call, caller }) => ({
      status: 200,
      body: pageJson(await list(parts, call, caller, { state, page }), alertJson),
    });
  },
};

const decision = z.strictObject({ reason: remark.min(1).optional() });

function deciding(approves: boolean): RouteOf<'approveAlert'> {
  return {
    body: { maxBytes: 4_096 },
    read: ({ params, body }) => {
      const id = parseParameter(identifier, params['id']);
      const { reason } = parseInput(decision, body?.value);
      return async ({ parts, call, caller }) => ({
        status: 200,
        body: alertJson(await decideAlert(parts, call, caller, { id, approves, reason })),
      });
    },
  };
}

export const approveAlert: RouteOf<'approveAlert'> = deciding(true);
export const dismissAlert: RouteOf<'dismissAlert'> = deciding(false);

export function alertJson(record: AlertRecord): Shape<'Alert'> {
  const { id, source, state, receivedAt, cluster, alert, subject, response } = record;
  const { rule, tags, priority, time, node, container } = alert;
  const { unmatched, rule: responseRule, held, quarantines, ended, reason, operator } = record;
  return {
    id,
    source,
    state,
    receivedAt: instant(receivedAt),
    cluster,
    rule,
    tags,
    priority,
    ...(time !== undefined && { time: instant(Math.round(time)) }),
    ...(node !== undefined && { node }),
    container,
    ...(subject && subjectJson(subject)),
    ...aboutJson(record),
    ...(unmatched !== undefined && { unmatched }),
    ...(responseRule && { responseRule }),
    response,
    ...(held && { held }),
    quarantines,
    ...repeatsJson(record),
    ...(ended && { ended }),
    ...(reason !== undefined && { reason }),
    ...(operator !== undefined && { operator }),
  };
}

function repeatsJson({
  suspensions,
  count = 1,
  lastAt,
  rules,
}: AlertRecord): Pick<Shape<'Alert'>, 'suspensions' | 'count' | 'lastAt' | 'rules'> {
  return {
    ...(suspensions && { suspensions }),
    count,
    ...(lastAt !== undefined && { lastAt: instant(lastAt) }),
    ...(rules && { rules }),
  };
}

function aboutJson({ scopes, extent, response }: AlertRecord): Pick<Shape<'Alert'>, 'about'> {
  const [scope] = scopes;
  if (scope === undefined) return {};
  const { kind, subject, pod } = scope;
  const name = kind === 'pod' ? subject.slice(subject.indexOf('/') + 1) : subject;
  // A trait is the kind with the name of the node, or the digest of the image.
  const [trait] = extent?.traits ?? [];
  const whole =
    response.scope === 'image' || response.scope === 'node' ? response.scope : undefined;
  const about =
    whole !== undefined && trait !== undefined
      ? { kind: whole, name: trait.slice(trait.indexOf(':') + 1) }
      : { kind, name: pod === undefined ? name : `${pod.namespace}/${pod.name}` };
  return { about: { ...about, scopes: scopes.length } };
}

function subjectJson({ workload, ...pod }: AlertSubject): Pick<Shape<'Alert'>, 'pod' | 'workload'> {
  return { pod, ...(workload !== undefined && { workload }) };
}
