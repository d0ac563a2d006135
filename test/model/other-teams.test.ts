import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { faultsOf } from '../kit/broker/team-invariants.ts';
import { anyHistory } from '../kit/broker/team-steps.ts';
import { TwoTeams } from '../kit/broker/two-teams.ts';

/** `TEAM_HISTORIES` in the environment sets another number, and `SEED` other histories. */
const HISTORIES = Number(process.env['TEAM_HISTORIES'] ?? 12);
const SEED = Number(process.env['SEED'] ?? 1);

const results = new Map<string, number>();

it(
  `lets no caller lower the protection of another team, take its space, or gain a right alone, in ${HISTORIES} random histories of two brokers (EV11, EV13, IS10, O45, O46, RS18)`,
  async () => {
    const property = fc.asyncProperty(anyHistory, async (steps) => {
      const teams = await TwoTeams.open();
      try {
        for (const [index, step] of steps.entries()) {
          const { result, faults } = await faultsOf(teams, step, index);
          expect({ index, step, result, faults }).toEqual({ index, step, result, faults: [] });
          const kind = `${step.act} ${result === 'ok' ? 'ok' : 'refused'}`;
          results.set(kind, (results.get(kind) ?? 0) + 1);
        }
        expect(await teams.isBankAnswered()).toBe(true);
      } finally {
        await teams.close();
      }
    });
    await fc.assert(property, { numRuns: HISTORIES, seed: SEED });
    // A run with refusals only would prove nothing.
    for (const act of ['push', 'sign', 'alert', 'write', 'approve', 'elevate', 'wait', 'restart'])
      expect([act, (results.get(`${act} ok`) ?? 0) > 0]).toEqual([act, true]);
  },
  60_000 + HISTORIES * 20_000,
);
