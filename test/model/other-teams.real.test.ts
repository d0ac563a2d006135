import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { openPostgresStore } from '../../src/store/postgres/open-postgres-store.ts';
import { describeWith } from '../kit/backends/backends.ts';
import { createDatabase } from '../kit/backends/postgres.ts';
import { faultsOf } from '../kit/broker/team-invariants.ts';
import { anyHistory } from '../kit/broker/team-steps.ts';
import { TwoTeams } from '../kit/broker/two-teams.ts';

describeWith(['postgres'], 'two brokers on one PostgreSQL', ({ postgres }) => {
  it.each([11, 12, 13])(
    'let no caller lower the protection of another team, take its space, or gain a right alone in history %i (EV11, EV13, IS10, O45, O46, RS18)',
    async (seed) => {
      const { connectionString, drop } = await createDatabase(postgres);
      const teams = await TwoTeams.open((deps) =>
        openPostgresStore({ connectionString, poolSize: 2 }, deps),
      );
      try {
        const [steps = []] = fc.sample(anyHistory, { seed, numRuns: 1 });
        for (const [index, step] of steps.entries()) {
          const { result, faults } = await faultsOf(teams, step, index);
          expect({ index, step, result, faults }).toEqual({ index, step, result, faults: [] });
        }
        expect(await teams.isBankAnswered()).toBe(true);
      } finally {
        await teams.close();
        await drop();
      }
    },
  );
});
