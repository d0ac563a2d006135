import { applyDocument } from '../../../src/broker/documents/apply-document.ts';
import type { DocumentKind } from '../../../src/broker/model/kinds.ts';
import { createOperatorToken } from '../../../src/broker/sessions/operator-tokens.ts';
import type { Write } from '../../../src/ports/store.ts';
import type { RunningBroker } from '../../../src/program/broker/broker.ts';
import { openEmbedded } from '../../../src/providers/embedded/open.ts';
import { newCall } from '../broker/api-call.ts';
import { policy } from '../broker/test-broker.ts';
import { credentialRow, leaseRow } from '../fakes/store-rows.ts';
import type { AttackedInstallation } from '../log/attacked-installation.ts';

/** A time that no test reaches. */
const LATER = 9e12;
const DOCUMENTS: readonly (readonly [kind: DocumentKind, name: string, body: object])[] = [
  ['mount', 'app', { prefix: 'app', connection: 'embedded' }],
  ['policy', 'all', policy('all', ['app/**'], { capabilities: ['read'] })],
  ['policy', 'deny-top', policy('deny-top', ['app/top/**'], { capabilities: ['read'] })],
  ['policy', 'deny-top', policy('deny-top', ['app/top/**', 'app/old/**'])],
  ['definition', 'app/db', { rotation: { strategy: 'generated', schedule: { every: '30d' } } }],
  ['operator', 'ed', { grants: [{ role: 'secret-editor' }, { role: 'secret-reader' }] }],
];

/** Initialises an installation and stores documents, secrets, leases, dynamic credentials and a rotation. @returns the token of `init` */
export async function fillInstallation(own: AttackedInstallation): Promise<string> {
  const token = await own.init();
  const broker = await own.open();
  await saveDocuments(broker, token);
  await saveSecrets(broker);
  await broker.parts.store.commit({ writes: rows(Date.now()) });
  await broker.close('test');
  return token;
}

async function saveDocuments({ parts }: RunningBroker, token: string): Promise<void> {
  const operator = (await parts.tokens.find(token, parts.catalog))!;
  for (const [kind, name, body] of DOCUMENTS) {
    const isThere = parts.catalog.find(kind, name) !== undefined;
    const precondition = isThere ? { ifMatch: '*' } : ({ ifNoneMatch: '*' } as const);
    await applyDocument(parts, newCall(), operator, { kind, name, body, precondition });
  }
  await createOperatorToken(parts, newCall(), operator, { operator: 'ed', body: {} });
}

/** Three secrets, one of them in two versions. */
async function saveSecrets({ parts }: RunningBroker): Promise<void> {
  const { store, clock, keyring, installation } = parts;
  const { provider } = openEmbedded({ store, clock, keyring, installation });
  const { writes } = provider.mount({ prefix: 'app' });
  for (const [path, password] of [
    ['app/one', 'first'],
    ['app/one', 'second'],
    ['app/two', 'third'],
    ['app/gone', 'fourth'],
  ] as const) {
    const written = { author: 'fixture', method: 'put' } as const;
    const { fragment } = await writes!.put(path, { password }, undefined, written);
    await store.commit(fragment);
  }
}

function rows(now: number): readonly Write[] {
  const states = ['revoking', 'irrevocable', 'revoked', 'issued'] as const;
  const credentials = states.map((state) =>
    credentialRow(`cred_${state}`, {
      state,
      lease_id: `lea_${state}`,
      path: 'app/dyn',
      next_attempt_at: state === 'revoked' ? null : LATER,
      ends_at: LATER,
    }),
  );
  const ended = { state: 'ended', cause: 'revoked', ends_at: now, purge_at: LATER } as const;
  const leases = [
    leaseRow('lea_live', { issued_at: now, ends_at: LATER, max_ends_at: LATER }),
    leaseRow('lea_revoked', { issued_at: now, ...ended }),
    leaseRow('lea_issued', {
      kind: 'dynamic',
      credential_id: 'cred_issued',
      issued_at: now,
      ends_at: LATER,
      max_ends_at: LATER,
    }),
  ];
  return [
    ...credentials.map((put): Write => ({ table: 'credentials', put })),
    ...leases.map((put): Write => ({ table: 'leases', put })),
    ...['ses_1', 'ses_2'].map((id): Write => ({
      table: 'ended_sessions',
      put: { id, ends_at: LATER, ends_leases: null, mac: null },
    })),
    {
      table: 'claims',
      put: { name: 'left-by-a-crash', owner: 'w', epoch: 3, until: now, mac: null },
    },
    {
      table: 'rotations',
      put: {
        id: 'rot_1',
        path: 'app/other',
        definition_uid: 'doc_d',
        mount_uid: 'doc_m',
        connection: '',
        kind: 'rotation',
        cause: 'requested',
        comment: null,
        requested_by: 'ed',
        state: 'parked',
        step: 'set',
        attempts: 3,
        next_attempt_at: null,
        last_error: 'ERR_PROVIDER_TIMEOUT',
        owner: null,
        epoch: 4,
        claimed_until: null,
        pending: null,
        previous: null,
        previous_version: null,
        version: null,
        canary: null,
        created_at: now,
        promoted_at: null,
        settle_until: null,
        ended_at: null,
        mac: null,
      },
    },
    {
      table: 'rotation_steps',
      put: {
        rotation_id: 'rot_1',
        seq: 1,
        step: 'create',
        outcome: 'done',
        actor: 'rotator',
        error: null,
        at: now,
      },
    },
    {
      table: 'acknowledgements',
      put: {
        session_id: 'ses_1',
        path: 'app/db',
        workload: 'k8s://c1/pay/api',
        cluster: 'c1',
        pod_uid: 'pod-1',
        version: '1',
        outcome: 'ok',
        reason: null,
        at: now,
      },
    },
  ];
}
