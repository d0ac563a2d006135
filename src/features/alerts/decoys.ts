import { randomId } from '../../crypto/random/random.ts';
import type { Decoy } from '../../domain/secrets/definition.ts';
import type { NamedScope } from '../../domain/identity/quarantine.ts';
import type { Call, Caller } from '../../broker/access/call.ts';
import type { Alerting } from './alerting.ts';
import type { Access, Recording } from '../../broker/state/dependencies.ts';
import { isUnconfirmed, type DecoyAlarm, type Decoys } from '../../broker/recording/decoys.ts';
import { SystemActor } from '../../broker/recording/record.ts';
import { LiveSession } from '../../broker/state/session-memory.ts';
import { alertRow, creatorOf, DECOY, type AlertRecord, type AlertSubject } from './alert-record.ts';
import { podScope } from './pod-index.ts';
import { factsOfAlert } from './receive-alerts.ts';
import { isProtected } from './respond.ts';

/** A reader raises one alert in this time. */
const QUIET_MS = 600_000;
/** Time until the reader is cut off, in which its next reads raise no further alert. A reader that an operator lets in again raises one at once. */
const CONTAINED_MS = 10_000;

type Parts = Pick<Recording, 'clock' | 'digest'> & Pick<Alerting, 'alertSources' | 'alertTallies'>;

/** The decoys of a broker with alerts. */
export function decoyAlarms(parts: Parts): Decoys {
  return { alarm: (call, caller, read) => decoyAlarm(parts, call, caller, read) };
}

/** Lists the unconfirmed decoys, which no release writes any more. @returns a function that reports whether any of them is still unconfirmed */
export function unconfirmedDecoys({ catalog }: Pick<Access, 'catalog'>): () => boolean {
  const names = catalog
    .all('definition')
    .filter(isUnconfirmed)
    .map(({ name }) => name);
  return () =>
    names.some((name) => {
      const definition = catalog.find('definition', name);
      return definition !== undefined && isUnconfirmed(definition);
    });
}

/**
 * The alarm about a read of a decoy. It commits together with the read, so that no crash loses it. Everything else, above all the quarantine, is left to
 * the response worker: the reader gets the same answer, after the same waiting, as for any other secret. Undefined if the caller's last read raised one
 * already; each read has its own entry in the log.
 */
function decoyAlarm(
  parts: Parts,
  call: Call,
  caller: Caller,
  { path, decoy }: { readonly path: string; readonly decoy: Decoy },
): DecoyAlarm | undefined {
  const { alertTallies, clock } = parts;
  const { reader, ...facts } = readerOf(caller, decoy);
  const { action, scope } = decoy;
  // A read that was only recorded must not hide one after the decoy became stronger.
  const mark = `${action} ${path} ${reader}`;
  if (alertTallies.isMarked(mark, action === 'audit' ? QUIET_MS : CONTAINED_MS)) return undefined;
  const isHeld = action !== 'audit' && isProtected(parts, facts.subject);
  const record: AlertRecord = {
    id: randomId('alr'),
    source: DECOY,
    receivedAt: clock.now(),
    since: 0,
    quarantines: [],
    ...facts,
    state: action === 'audit' || isHeld ? 'kept' : 'responding',
    ...(isHeld && { held: 'protected' }),
    alert: {
      rule: path,
      tags: [],
      priority: 'critical',
      time: clock.now(),
      node: undefined,
      container: { id: undefined, imageDigest: undefined },
    },
    response: { action, scope, rotate: 'none' },
    reason: `${reader} read the decoy ${path}`,
  };
  const event = { action: 'alert.receive', outcome: 'ok', ...factsOfAlert(record) } as const;
  const actor = new SystemActor(parts, creatorOf(DECOY));
  return {
    write: { table: 'alerts', put: alertRow(record) },
    entry: actor.entry({ ...event, client: call.client }, call.requestId),
    committed: () => {
      alertTallies.mark(mark);
      alertTallies.count(DECOY, action === 'audit' || isHeld ? 'kept' : 'responding');
    },
  };
}

interface Reader {
  readonly reader: string;
  readonly cluster: string;
  readonly subject?: AlertSubject;
  readonly scopes: readonly NamedScope[];
}

/** An operator has no pod and no workload: the operator itself is cut off. */
function readerOf(caller: Caller, { scope }: Decoy): Reader {
  if (!(caller instanceof LiveSession)) {
    const { name } = caller.operator;
    return {
      reader: `the operator ${name}`,
      cluster: '',
      scopes: [{ kind: 'operator', subject: name }],
    };
  }
  const { workloadId: workload, session } = caller;
  const { cluster, pod } = session.workload;
  const reader = pod === undefined ? workload : `the pod ${pod.name} of ${workload}`;
  const isWhole = scope === 'workload' || pod === undefined;
  const namespace = 'namespace' in session.workload ? session.workload.namespace : '';
  const own: NamedScope = isWhole
    ? { kind: 'workload', subject: workload }
    : podScope(cluster, pod.uid, { namespace, name: pod.name });
  return {
    reader,
    cluster,
    scopes: [own],
    ...(pod !== undefined && { subject: { namespace, name: pod.name, uid: pod.uid, workload } }),
  };
}
