import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ResponseHistory, type Step } from './response-history.ts';

/** `HISTORIES` in the environment sets another number. */
const HISTORIES = Number(process.env['HISTORIES'] ?? 20);

const pod = fc.nat(7);
const broker = fc.nat(1);
const source = fc.constantFrom('falco', 'falco', 'falco', 'other');
const rule = fc.constantFrom('noise', 'shell', 'steal', 'steal');
const weighted = (weight: number, arbitrary: fc.Arbitrary<Step>) => ({ weight, arbitrary });
const step = fc.oneof(
  weighted(12, fc.record({ do: fc.constant('alert' as const), broker, pod, source, rule })),
  weighted(2, fc.record({ do: fc.constant('again' as const), broker })),
  weighted(
    2,
    fc.record({ do: fc.constant('flood' as const), broker, pod, source, rule, count: fc.nat(60) }),
  ),
  weighted(3, fc.record({ do: fc.constant('logIn' as const), broker, pod })),
  weighted(2, fc.record({ do: fc.constant('lift' as const), broker, pod })),
  weighted(2, fc.record({ do: fc.constant('decide' as const), broker, approves: fc.boolean() })),
  weighted(1, fc.record({ do: fc.constant('endPod' as const), pod })),
  weighted(4, fc.record({ do: fc.constant('contain' as const), broker })),
  weighted(4, fc.record({ do: fc.constant('rotate' as const), broker })),
  weighted(2, fc.record({ do: fc.constant('cutLog' as const), isCut: fc.boolean() })),
  weighted(1, fc.record({ do: fc.constant('restart' as const), broker })),
  weighted(
    3,
    fc.record({
      do: fc.constant('advance' as const),
      seconds: fc.constantFrom(1, 30, 61, 700, 3_700),
    }),
  ),
);

it('every history of alerts cuts off before it rotates, loses no alert, and says nothing is done that is not', async () => {
  let rotations = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 8, maxLength: 40, size: 'max' }),
      async (steps) => {
        const history = await ResponseHistory.begin();
        try {
          for (const each of steps) await history.take(each);
          await history.settle();
          rotations += history.rotations;
          expect(history.faults).toEqual([]);
        } finally {
          await history.end();
        }
      },
    ),
    { numRuns: HISTORIES },
  );
  expect(rotations).toBeGreaterThan(HISTORIES / 10);
});
