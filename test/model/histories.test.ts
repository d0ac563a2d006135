import { afterAll, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { DrivenBroker } from '../kit/broker/driven-broker.ts';
import { ReferenceModel, type Command } from './reference-model.ts';

/** `HISTORIES` in the environment sets another number. */
const HISTORIES = Number(process.env['HISTORIES'] ?? 10_000);
/** Histories for each store; a new store after that keeps each small. */
const HISTORIES_PER_STORE = 100;

const account = fc.nat(1);
const pod = fc.nat(1);
const path = fc.nat(1);
const session = fc.nat(3);
const minutes = fc.constantFrom(1, 4, 8, 15, 40, 90);
const maybeMinutes = fc.option(minutes, { nil: undefined });
const scope = fc.oneof(fc.record({ account }), fc.record({ pod }));
const effect = fc.constantFrom('allow' as const, 'deny' as const);

const weighted = (weight: number, arbitrary: fc.Arbitrary<Command>) => ({ weight, arbitrary });
const command = fc.oneof(
  weighted(4, fc.record({ do: fc.constant('allow' as const), account, path })),
  weighted(1, fc.record({ do: fc.constant('deny' as const), account, path })),
  weighted(1, fc.record({ do: fc.constant('removePolicy' as const), effect, account })),
  weighted(4, fc.record({ do: fc.constant('logIn' as const), account, pod, minutes })),
  weighted(3, fc.record({ do: fc.constant('renew' as const), session, minutes })),
  weighted(1, fc.record({ do: fc.constant('logOut' as const), session })),
  weighted(4, fc.record({ do: fc.constant('write' as const), path })),
  weighted(1, fc.record({ do: fc.constant('destroy' as const), path })),
  weighted(12, fc.record({ do: fc.constant('read' as const), session, path })),
  weighted(1, fc.record({ do: fc.constant('revokePath' as const), path })),
  weighted(1, fc.record({ do: fc.constant('revokeAccount' as const), account })),
  weighted(1, fc.record({ do: fc.constantFrom('revokePod' as const, 'endPod' as const), pod })),
  weighted(1, fc.record({ do: fc.constant('endSessions' as const), scope })),
  weighted(2, fc.record({ do: fc.constant('quarantine' as const), scope, minutes: maybeMinutes })),
  weighted(2, fc.record({ do: fc.constant('lift' as const), scope })),
  weighted(2, fc.record({ do: fc.constant('advance' as const), minutes })),
  weighted(1, fc.record({ do: fc.constantFrom('expire' as const, 'restart' as const) })),
);
/** Most histories begin with commands that make reads possible; some begin empty. */
const prelude: readonly Command[] = [
  { do: 'allow', account: 0, path: 0 },
  { do: 'write', path: 0 },
  { do: 'logIn', account: 0, pod: 0, minutes: 40 },
  { do: 'read', session: 0, path: 0 },
];
const history = fc
  .tuple(fc.nat(3), fc.array(command, { minLength: 1, maxLength: 24 }))
  .map(([some, more]) => (some === 0 ? more : [...prelude, ...more]));

/** Histories that once found a defect. */
const KNOWN: readonly (readonly Command[])[] = [
  // A renewal that shortened the session left its leases longer, and the row of an expired lease could hide the live
  // one.
  [
    { do: 'advance', minutes: 15 },
    { do: 'read', session: 0, path: 0 },
    { do: 'renew', session: 0, minutes: 1 },
    { do: 'read', session: 0, path: 0 },
    { do: 'read', session: 0, path: 0 },
  ],
];

let broker: DrivenBroker | undefined;
let ran = 0;
const replies = new Map<string, number>();

afterAll(async () => broker?.close());

async function freshHistory(): Promise<DrivenBroker> {
  if (broker === undefined || ran % HISTORIES_PER_STORE === 0) {
    await broker?.close();
    broker = await DrivenBroker.open();
  }
  ran += 1;
  broker.beginHistory();
  return broker;
}

it(
  `answers ${HISTORIES} random histories as the reference model does, and records each disclosure once`,
  async () => {
    await fc.assert(
      fc.asyncProperty(history, async (commands) => {
        const real = await freshHistory();
        const model = new ReferenceModel();
        for (const [at, each] of commands.entries()) {
          const expected = model.run(each);
          const { reply, disclosures } = await real.run(each);
          const isDisclosed = each.do === 'read' && / until /.test(expected);
          const wanted = isDisclosed ? 1 : 0;
          // An expectation costs as much as a short command, so only an unexpected reply gets one.
          if (reply !== expected || disclosures !== wanted)
            expect({ at, each, reply, disclosures }).toEqual({
              at,
              each,
              reply: expected,
              disclosures: wanted,
            });
          const kind = `${each.do} ${/ until /.test(reply) ? 'ok' : reply}`;
          replies.set(kind, (replies.get(kind) ?? 0) + 1);
        }
      }),
      { numRuns: HISTORIES, examples: KNOWN.map((commands) => [[...prelude, ...commands]]) },
    );
    // A run with refusals only would prove nothing.
    for (const kind of [
      'read ok',
      'read ERR_DENIED',
      'read ERR_UNAUTHENTICATED',
      'logIn ERR_DENIED',
      'lift ok',
      'restart ok',
    ]) {
      expect([kind, (replies.get(kind) ?? 0) > HISTORIES / 1_000]).toEqual([kind, true]);
    }
  },
  20 * 60_000,
);
