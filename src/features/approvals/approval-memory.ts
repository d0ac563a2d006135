import {
  APPROVAL_RULE,
  type ApprovalSubject,
  type Approval,
  type Elevation,
  type RightsGrant,
} from '../../domain/identity/approval.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import { allRows } from '../../ports/queries.ts';
import type { Store } from '../../ports/store.ts';
import { macColumns, type Tables } from '../../ports/tables.ts';
import { listAll } from '../../broker/kernel/list-all.ts';
import { openRow, type KeyringRowMacs } from '../../broker/kernel/row-macs.ts';
import type { Follower } from '../../broker/state/followers.ts';
import type { Elevated, Elevations } from '../../broker/state/operator-token-memory.ts';

type Row = Tables['approvals'];

/** Content of a row's `body`. */
type Body = Pick<Approval, 'tokenId' | 'minters'> &
  ({ readonly change: RightsGrant } | { readonly elevation: Elevation });

/** Requests of admins, and their approvals. */
export interface Approving {
  readonly approvals: Approvals;
}

/** The rule in force, and the content of its row. */
export interface ApprovalRule {
  readonly required: readonly ApprovalSubject[];
  readonly body: string | undefined;
}

const NO_RULE: ApprovalRule = { required: [], body: undefined };
const NOT_ELEVATED: readonly Elevated[] = [];

/** All approvals, in memory. A change of kind `approval` makes it read one again. Their number is bounded. */
export class Approvals implements Elevations {
  readonly #store: Store;
  readonly #rows: KeyringRowMacs;
  readonly #clock: Clock;
  readonly #byId = new Map<string, Approval>();
  #rule = NO_RULE;

  constructor(store: Store, rows: KeyringRowMacs, clock: Clock) {
    this.#store = store;
    this.#rows = rows;
    this.#clock = clock;
  }

  /**
   * Reads all approvals. In a held store, altered ones are skipped.
   * @throws ERR_CIPHERTEXT_INVALID for a row that the broker did not write.
   */
  async load(): Promise<void> {
    for await (const row of listAll(this.#store, allRows('approvals')))
      openRow(this.#store, () => this.#keep(row));
  }

  async refresh(id: string): Promise<void> {
    const row = await this.#store.get('approvals', { id });
    if (row !== undefined) this.#keep(row);
    else if (id === APPROVAL_RULE) this.#rule = NO_RULE;
    else this.#byId.delete(id);
  }

  /** The grants that need an approval. */
  get rule(): ApprovalRule {
    return this.#rule;
  }

  /** Lists approvals, oldest first, including expired ones. */
  all(): readonly Approval[] {
    return [...this.#byId.values()].sort(
      (a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1),
    );
  }

  /** Oldest first. */
  inForce(): readonly Approval[] {
    const now = this.#clock.now();
    return this.all().filter(({ endsAt }) => endsAt > now);
  }

  /** The elevations of a token that are in force. Without any approval, this costs one comparison. */
  elevationsOf(tokenId: string): readonly Elevated[] {
    if (this.#byId.size === 0) return NOT_ELEVATED;
    return this.inForce().flatMap(({ id, state, tokenId: own, what, endsAt }) =>
      state === 'approved' && own === tokenId && 'elevation' in what
        ? [{ id, elevation: what.elevation, endsAt }]
        : [],
    );
  }

  rowOf(approval: Approval): Row {
    const { id, state, requester, tokenId, minters, what, approvedBy, createdAt, endsAt } =
      approval;
    const body: Body = { tokenId, minters, ...what };
    return this.#withMac({
      id,
      kind: 'change' in what ? 'admin-grant' : 'break-glass',
      state,
      requester,
      body: JSON.stringify(body),
      approved_by: approvedBy ?? null,
      created_at: createdAt,
      ends_at: endsAt,
    });
  }

  /** The row that makes grants need an approval. */
  rowOfRule(requester: string, required: readonly ApprovalSubject[]): Row {
    return this.#withMac({
      id: APPROVAL_RULE,
      kind: 'rule',
      state: 'approved',
      requester,
      body: JSON.stringify({ required }),
      approved_by: null,
      created_at: this.#clock.now(),
      ends_at: null,
    });
  }

  #withMac(fields: Omit<Row, 'mac'>): Row {
    return { ...fields, mac: this.#rows.mac('approvals', macColumns(fields)) };
  }

  #keep(row: Row): void {
    this.#rows.verify('approvals', macColumns(row), row.mac);
    if (row.id === APPROVAL_RULE) {
      const { required } = JSON.parse(row.body) as Pick<ApprovalRule, 'required'>;
      this.#rule = { required, body: row.body };
      return;
    }
    const { tokenId, minters, ...what } = JSON.parse(row.body) as Body;
    if (row.ends_at === null) throw new BrokerError('ERR_CIPHERTEXT_INVALID');
    this.#byId.set(row.id, {
      id: row.id,
      state: row.state,
      requester: row.requester,
      tokenId,
      minters,
      what,
      approvedBy: row.approved_by ?? undefined,
      createdAt: row.created_at,
      endsAt: row.ends_at,
    });
  }
}

/** Keeps them current. */
export function approvalFollower(approvals: Approvals): Follower {
  return {
    kinds: ['approval'],
    load: () => approvals.load(),
    refresh: (id) => approvals.refresh(id),
  };
}
