import { storeClaims } from '../../store/claims.ts';
import type { Claims } from '../../ports/claims.ts';
import { LogAnchor } from '../../audit/log/log-anchor.ts';
import { KeyWorker } from '../../broker/keys/key-worker.ts';
import type { OtherRows, WorkClaim } from '../../broker/keys/rewrap-pass.ts';
import { SystemActor } from '../../broker/recording/record.ts';
import type { RowGuard } from '../../store/guard/row-guard.ts';
import { rekeyDigests } from '../../store/guard/rekey-digests.ts';
import type { AuditTrail } from '../log/audit-trail.ts';
import type { Config } from '../config/schema.ts';
import type { Parts } from '../../features/feature.ts';

/** Time that other brokers need: they look for changes every two seconds, and must then ask their key-encryption key. */
const SPREAD_MS = 10_000;

interface KeyWorkerDeps {
  readonly parts: Parts;
  readonly guard: RowGuard;
  readonly trail: Pick<AuditTrail, 'owner'>;
}

/**
 * The worker for root keys of this process, with the rows that the store and the log keep for themselves. The store has counted
 * the first encryptions when it returns.
 */
export async function openKeyWorker(
  { store: { type }, kekOutageSeconds }: Config,
  { parts, guard, trail }: KeyWorkerDeps,
): Promise<KeyWorker> {
  const alone = type === 'sqlite';
  const { store, clock } = parts;
  const claims = storeClaims(store, clock, { owner: trail.owner, alone })('root-keys');
  const worker = new KeyWorker(
    { ...parts, claim: claimOf(claims), others: [logRows(parts), digests(parts, guard)] },
    { spreadMs: alone ? 0 : SPREAD_MS, kekOutageMs: kekOutageSeconds * 1000 },
  );
  await worker.ledger.fill();
  return worker;
}

function claimOf(claims: Claims): WorkClaim {
  return {
    async take() {
      const claim = await claims.take();
      return claim && claims.isHeld(claim);
    },
    async giveUp() {
      const claim = await claims.take();
      if (claim !== undefined) await claims.giveUp(claim);
    },
  };
}

/** The anchor of the log and the state of its newest checkpoint. */
function logRows({ store, rows }: Parts): OtherRows {
  const anchor = new LogAnchor(rows);
  return {
    name: 'log_checkpoints',
    async rewrap() {
      const plan = await anchor.authenticateAgain(store);
      if (plan === undefined) return 0;
      await store.commit(plan);
      return 1;
    },
  };
}

function digests({ store, clock, digest, keyring }: Parts, guard: RowGuard): OtherRows {
  const actor = new SystemActor({ clock, digest }, 'keys');
  return {
    name: 'state_digests',
    async rewrap() {
      const { done, left } = await rekeyDigests(store, guard, {
        entry: () => actor.entry({ action: 'state.digest', outcome: 'ok', cause: 'key_rotated' }),
        activeId: () => keyring.active.id,
      });
      return done + left.length;
    },
  };
}
