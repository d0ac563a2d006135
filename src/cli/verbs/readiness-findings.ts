import { UnreachableError } from '../../client/index.ts';
import {
  conditionText,
  cureOf,
  HELD,
  UNREADY,
  WARNINGS,
  type Condition,
} from '../../domain/conditions.ts';
import { failureOf } from '../output/failure.ts';
import type { Finding } from '../reports/findings.ts';
import type { Readiness } from './health-checks.ts';

export function isReadiness(answer: unknown): answer is Readiness {
  return typeof answer === 'object' && answer !== null && 'ready' in answer;
}

/** A broker that cannot be reached is a finding: those about this machine are shown beside it. */
export function noAnswer(error: unknown): Finding {
  if (!(error instanceof UnreachableError)) throw error;
  const [text = '', cure] = failureOf(error)
    .text.split('\n')
    .map((line) => line.trim());
  return { about: 'broker', state: 'problem', text, ...(cure !== undefined && { cure }) };
}

/** Findings for each word of `readyz`. */
export function readinessFindings({
  ready,
  reasons,
  held = [],
  warnings = [],
}: Readiness): readonly Finding[] {
  const about = 'broker';
  const holds = [...new Set(held.map(({ reason }) => reason))];
  const refusals = reasons.filter((each) => each !== 'ERR_HELD' || holds.length === 0);
  return [
    ...(ready ? [{ about, state: 'ok' as const, text: 'ready' }] : []),
    ...holds.map((word) => finding('the store is held', 'problem', word, HELD[word])),
    ...refusals.map((word) => finding('not ready', 'problem', word, UNREADY[word])),
    ...warnings.map((word) => finding(about, 'warning', word, WARNINGS[word])),
  ];
}

function finding(
  about: string,
  state: Finding['state'],
  word: string,
  condition: Condition | undefined,
): Finding {
  const cure =
    condition === undefined ? 'docs/operations.md explains each word' : cureOf(condition);
  return { about, state, text: conditionText(word, condition), cure };
}
