import { BrokerError } from '../../domain/errors.ts';
import { isWorkloadId } from '../../domain/identity/workload.ts';
import { shareOfTenant, tenantOf, type Space } from '../../broker/recording/evidence-writers.ts';
import type { Attestation, AttestationFacts, Attestations } from './attestation-memory.ts';

/** Limits of attestations of one kind, which every replica keeps in memory. */
interface Spaces {
  readonly all: Space;
  /** One person may start pipelines with many identities. Together they leave half for operators. */
  readonly workloads: Space;
  readonly writer: Space;
}

const MIB = 1_048_576;
const RECOGNIZED: Spaces = {
  all: { rows: 9_000, bytes: 28 * MIB },
  workloads: { rows: 4_500, bytes: 14 * MIB },
  writer: { rows: 2_250, bytes: 7 * MIB },
};
/**
 * Statements that no authority of a profile signed wait for a profile that names one. Anyone can make them, so they have a little space of their own and
 * take none from the others: they keep no image from being signed.
 */
const UNRECOGNIZED: Spaces = {
  all: { rows: 1_000, bytes: 4 * MIB },
  workloads: { rows: 500, bytes: 2 * MIB },
  writer: { rows: 100, bytes: MIB },
};
/** Limits of one image: of a writer, and of all workloads with the same scope, which are those of one team. */
const OF_IMAGE = { recognized: { writer: 25, team: 50 }, unrecognized: { writer: 5, team: 10 } };
/** Share of a limit above which pushes to several brokers, or of several tenants, are decided one after another. Those of one tenant at one broker always are. */
const NEAR = 0.9;

/** @returns the fences of the limits that the push comes near to. @throws ERR_CONFLICT */
export function checkSpace(
  attestations: Pick<Attestations, 'of' | 'each'>,
  made: AttestationFacts,
): readonly string[] {
  const { id, createdBy, isRecognized } = made;
  const isOther = (each: Attestation): boolean =>
    each.id !== id && each.isRecognized === isRecognized;
  checkImage(attestations.of(made.digest).filter(isOther), made);
  const spaces = isRecognized ? RECOGNIZED : UNRECOGNIZED;
  const all = new Limit('all writers', spaces.all, made);
  const own = new Limit(createdBy, spaces.writer, made, (each) => each.createdBy === createdBy);
  const tenant = new Limit(tenantOf(writerOf(made)), spaces.writer, made, isOfTenant(made));
  const workloads = isWorkloadId(createdBy)
    ? [new Limit('all workloads', spaces.workloads, made, (each) => isWorkloadId(each.createdBy))]
    : [];
  const limits = [all, own, tenant, ...workloads];
  for (const each of attestations.each())
    if (isOther(each)) for (const limit of limits) limit.add(each);
  for (const limit of limits) limit.check();
  for (const shared of [all, ...workloads]) tenant.checkShare(shared);
  return limits.filter(({ isNear }) => isNear).map(({ fence }) => fence);
}

/** The space that some writers would have after a push. */
class Limit {
  readonly #whose: string;
  readonly #most: Space;
  readonly #isCounted: (each: Attestation) => boolean;
  readonly #isRecognized: boolean;
  #rows = 1;
  #bytes: number;

  constructor(
    whose: string,
    most: Space,
    { body, isRecognized }: AttestationFacts,
    isCounted: (each: Attestation) => boolean = () => true,
  ) {
    this.#whose = whose;
    this.#most = most;
    this.#isCounted = isCounted;
    this.#isRecognized = isRecognized;
    this.#bytes = body.length;
  }

  add(each: Attestation): void {
    if (!this.#isCounted(each)) return;
    this.#rows += 1;
    this.#bytes += each.body.length;
  }

  get fence(): string {
    return `attestations:count/${this.#isRecognized}/${this.#whose}`;
  }

  get isNear(): boolean {
    const { rows, bytes } = this.#most;
    return this.#rows > NEAR * rows || this.#bytes > NEAR * bytes;
  }

  /** @throws ERR_CONFLICT */
  check(): void {
    this.#require(this.#most, '');
  }

  /** @throws ERR_CONFLICT for a tenant that would have more than its share */
  checkShare(shared: Limit): void {
    const others = { rows: shared.#rows - this.#rows, bytes: shared.#bytes - this.#bytes };
    const share = shareOfTenant(shared.#most, others);
    this.#require(share, `, in what others leave of the space of ${shared.#whose}`);
  }

  #require({ rows, bytes }: Space, why: string): void {
    if (this.#rows <= rows && this.#bytes <= bytes) return;
    throw full(
      this.#isRecognized,
      `${this.#whose} may store ${rows} with ${bytes} bytes${why}, and would have ${this.#rows} with ${this.#bytes}`,
    );
  }
}

/** @throws ERR_CONFLICT */
function checkImage(others: readonly Attestation[], made: AttestationFacts): void {
  const { createdBy, isRecognized } = made;
  const { writer, team } = OF_IMAGE[isRecognized ? 'recognized' : 'unrecognized'];
  const own = others.filter((each) => each.createdBy === createdBy).length;
  if (own >= writer)
    throw full(
      isRecognized,
      `${createdBy} stored ${own} about this image, and may store ${writer}`,
    );
  if (!isWorkloadId(createdBy)) return;
  const ofTeam = others.filter(isOfTenant(made)).length;
  if (ofTeam >= team)
    throw full(isRecognized, `workloads stored ${ofTeam} about this image, and may store ${team}`);
}

function writerOf({ createdBy, scope }: AttestationFacts): Parameters<typeof tenantOf>[0] {
  return { writer: createdBy, scope };
}

function isOfTenant(made: AttestationFacts): (each: Attestation) => boolean {
  const own = tenantOf(writerOf(made));
  return (each) => tenantOf(writerOf(each)) === own;
}

function full(isRecognized: boolean, text: string): BrokerError {
  const which = isRecognized
    ? 'attestations'
    : 'attestations that no authority of a posture profile signed';
  return new BrokerError(
    'ERR_CONFLICT',
    `too many ${which}: ${text}; an operator deletes some: quaymaster attestation rm`,
    { reason: 'attestations_full', isDetailShown: true },
  );
}
