import type { Expectation } from './store.ts';

/** The right to do one kind of work. One process has it; its number no longer matches after another process took over. */
export interface Claim {
  readonly owner: string;
  readonly epoch: number;
  readonly until: number;
}

/** The claim of this process to one kind of work. */
export interface Claims {
  /** A condition in each plan of the owner: after another process took over, no plan of the old owner commits. */
  isHeld(claim: Claim): Expectation;
  /** Takes or renews the claim; undefined while another process has it. */
  take(): Promise<Claim | undefined>;
  /** Lets another process take the claim at once, before it expires. */
  giveUp(claim: Claim): Promise<void>;
}

/**
 * @param name of the work
 * @param silenceMs another process takes the claim if it sees no renewal for this long, by its own monotonic clock. Without it, a claim is free only
 * after its time, which the clocks of two processes must agree on.
 */
export type OpenClaims = (name: string, silenceMs?: number) => Claims;
