import { expect } from '@jest/globals';
import type { RunningApi } from './running-api.ts';
import { entriesOfRequest, storeSnapshot, type StoredEntry } from '../store/store-diff.ts';

/** A client's answer, whatever the transport. */
export interface Denial {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly text: string;
}

export interface DenyExpectation {
  readonly status: number;
  readonly code: string;
  /** The stable word in the log that the caller must not see; absent if any word is right. */
  readonly reason?: string;
  /** `deny` by default: an unreachable dependency is an `error`. */
  readonly outcome?: 'deny' | 'error';
  /** Parts of the request that the answer must not repeat. */
  readonly unechoed?: readonly string[];
  /** The number of requests that backends received so far; the refusal must add none. */
  readonly asked?: () => number;
  readonly send: () => Promise<Denial | undefined>;
}

const FIXED = ['type', 'title', 'status', 'code', 'requestId'];
/**
 * Roles in a denial. A denied operator learns which roles the operation needs and which the token has: both are known to it,
 * whatever exists. A workload that pushes evidence learns its own name. A person learns that an answer of a security key was
 * refused, and not why, and without a role what its own issuer said.
 */
const OF_ROLES =
  /^(?:this needs the role [a-z -]+, with a scope that covers the request; the token has (?:no role|[\w ,/.-]+)|only workloads may call this; the token is of an operator|only operators may call this; the session is of a workload|no role binding gives (?:ci|k8s):[\w/.%+=@:-]+ the role evidence-writer; ask an admin for one that names it under "workloads"|the answer of the security key is not valid; begin again|the issuer "[a-z]+" says about you: sub: .*\. No role binding gives you a role)$/;
const EXPLAINED = new Set([400, 404, 405, 409, 412, 413, 415, 428, 429, 431]);

/**
 * The whole contract of a refusal: status, a problem that repeats nothing of the request, and no caching; one entry with a reason and only
 * proven identity; nothing changed, no backend called if that is promised, and a live process.
 * @returns the entry.
 */
export async function expectDenied(
  api: RunningApi,
  expected: DenyExpectation,
): Promise<StoredEntry> {
  const { store } = api.broker.parts;
  const before = await storeSnapshot(store);
  const asked = expected.asked?.();
  const answer = await expected.send();
  if (answer === undefined) throw new Error('no answer came');
  expectProblem(answer, expected);
  const entries = await entriesOfRequest(store, answer.headers['x-request-id'] ?? 'none');
  expect(entries).toHaveLength(1);
  const [entry] = entries;
  expect(entry).toMatchObject({ outcome: expected.outcome ?? 'deny', code: expected.code });
  if (expected.reason !== undefined) expect(entry?.reason).toBe(expected.reason);
  expect(await storeSnapshot(store)).toEqual(before);
  expect(expected.asked?.()).toBe(asked);
  expect((await fetch(`${api.url}/healthz`)).status).toBe(200);
  return entry!;
}

/** The visible part of the contract, for refusals without their own audit entry. */
export function expectProblem(
  answer: Denial,
  expected: Pick<DenyExpectation, 'status' | 'code' | 'unechoed'>,
): void {
  expect({ status: answer.status, text: answer.text }).toMatchObject({ status: expected.status });
  expect(answer.headers['content-type']).toBe('application/problem+json');
  expect(answer.headers['cache-control']).toBe('no-store');
  const problem = JSON.parse(answer.text) as Record<string, unknown>;
  expect(problem).toMatchObject({ status: expected.status, code: expected.code });
  // For a backend's failure the caller learns the connection and one of a few causes, in the broker's own words.
  const isExplained = EXPLAINED.has(expected.status) || expected.code.startsWith('ERR_PROVIDER_');
  const isOfRoles = expected.status === 403 && OF_ROLES.test(String(problem['detail']));
  const allowed = isExplained || isOfRoles ? [...FIXED, 'detail', 'problems'] : FIXED;
  expect(Object.keys(problem).filter((key) => !allowed.includes(key))).toEqual([]);
  expect(answer.text).not.toMatch(/node_modules|\.ts:|at .*\(/);
  for (const text of expected.unechoed ?? []) expect(answer.text).not.toContain(text);
}
