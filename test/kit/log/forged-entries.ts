import { expect } from '@jest/globals';
import type { Serving } from '../../../src/program/serving/serve.ts';
import { until } from '../backends/until.ts';

export const FORGED = 'mallory-the-innocent';

export interface Answered {
  readonly status: number;
  readonly text: string;
}

export async function ask(serving: Serving, token: string, path: string): Promise<Answered> {
  const headers = { authorization: `Bearer ${token}` };
  const response = await fetch(`${serving.url}${path}`, { headers });
  return { status: response.status, text: await response.text() };
}

/** Sends requests that write entries, and waits until they are in the tree. */
export async function leaveEntries(serving: Serving, token: string): Promise<void> {
  for (let i = 0; i < 5; i++) await ask(serving, token, '/api/v1/operators');
  await serving.broker.trail.integrator.integrate();
}

/** The entries with another operator instead of the real one. */
export function forge(entries: Uint8Array): Buffer {
  const text = Buffer.from(entries).toString('latin1');
  return Buffer.from(text.replaceAll('"id":"bootstrap"', `"id":"${FORGED}"`), 'latin1');
}

/** Pages of a search until one fails; none of them contains a forged entry. */
export async function searchUntilDamage(
  serving: Serving,
  token: string,
  filter = '',
): Promise<Answered> {
  let path = `/api/v1/audit/entries?limit=1000${filter}`;
  for (let pages = 0; pages < 50; pages++) {
    const answer = await ask(serving, token, path);
    expect(answer.text).not.toContain(FORGED);
    if (answer.status !== 200) return answer;
    const { next } = JSON.parse(answer.text) as { next?: string };
    if (next === undefined) return answer;
    path = `/api/v1/audit/entries?limit=1000${filter}&after=${next}`;
  }
  throw new Error('the search does not end');
}

/** Checks the answers to an auditor and to a machine for a log with forged entries, one of which is `index`. */
export async function expectFound(serving: Serving, token: string, index: number): Promise<void> {
  const proof = await ask(serving, token, `/api/v1/audit/entries/${index}/proof`);
  for (const answer of [await searchUntilDamage(serving, token), proof]) {
    expect(answer.status).toBe(500);
    expect(answer.text).not.toContain(FORGED);
    expect(answer.text).toContain('ERR_CIPHERTEXT_INVALID');
    expect(answer.text).toMatch(/the audit log is damaged: entr(y|ies) \d+/);
  }
  const byForged = await searchUntilDamage(serving, token, `&operator=${FORGED}`);
  expect(byForged.text).not.toContain(FORGED);
  await until('the walk over the log has found it', async () => {
    const ready = await ask(serving, token, '/readyz');
    return ready.text.includes('audit_log_damaged');
  });
  const { text } = await ask(serving, token, '/metrics');
  expect(text).toMatch(/^quaymaster_audit_damaged_entries [1-9]/m);
}
