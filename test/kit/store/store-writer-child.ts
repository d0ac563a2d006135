import { writeSync } from 'node:fs';
import { systemClock } from '../../../src/process/clock.ts';
import { openSqliteStore } from '../../../src/store/sqlite/open-sqlite-store.ts';
import { FakeAuditChain } from '../fakes/fake-audit-chain.ts';

/**
 * A process that commits for ever, or `rounds` times in each lane. For each plan it prints one line before the next commit of its lane begins: `ack
 * <id>`, or `no <id> <code>`. Arguments: file, plans per round, rounds, lanes, where the store syncs.
 */
const [path = '', width = '1', rounds = 'Infinity', lanes = '1', syncs] = process.argv.slice(2);
const say = (line: string): void => void writeSync(1, `${line}\n`);

const store = await openSqliteStore(
  { path, ballastBytes: 64 * 1024, syncsInPool: syncs === 'pool' },
  { chain: new FakeAuditChain(), clock: systemClock, mode: 'development' },
);
say(`open ${store.seq()}`);

const commit = async (id: string, invalidates: readonly string[]): Promise<void> => {
  const plan = {
    writes: [{ table: 'claims', put: { name: id, owner: 'w', epoch: 1, until: 1, mac: null } }],
    entries: [JSON.stringify({ id })],
    invalidates,
  } as const;
  await store.commit(plan).then(
    () => say(`ack ${id}`),
    (error: unknown) => say(`no ${id} ${(error as { code?: string }).code ?? String(error)}`),
  );
};

const write = async (lane: number): Promise<void> => {
  for (let round = 0; round < Number(rounds); round += 1) {
    const begin = `${process.pid}-${lane}.${round}`;
    const names = Array.from({ length: Number(width) }, (_, n) => `${begin}-${n}`);
    await Promise.all(names.map((name, n) => commit(name, n === 0 ? [`k:${name}`] : [])));
    // The next round of the first lane joins no batch of another one.
    if (lane > 0) await new Promise(setImmediate);
  }
};
await Promise.all(Array.from({ length: Number(lanes) }, (_, lane) => write(lane)));
await store.close();
say('closed');
