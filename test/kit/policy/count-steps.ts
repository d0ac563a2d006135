import { jest } from '@jest/globals';
import { PathTrie } from '../../../src/domain/policy/path-trie.ts';
import { PathWalk } from '../../../src/domain/policy/path-walk.ts';
import { RuleOutcome } from '../../../src/domain/policy/decide.ts';
import { SubjectIndex } from '../../../src/domain/policy/subject-index.ts';

/** Counts the cost of `work` for the policy engine: nodes of both indexes, patterns that are added, globs that are tried, and rules. */
export function countSteps(work: () => void): number {
  const spies = [
    jest.spyOn(SubjectIndex.prototype, 'match'),
    jest.spyOn(PathTrie.prototype, 'insert'),
    jest.spyOn(PathWalk.prototype, 'from'),
    jest.spyOn(RuleOutcome.prototype, 'consider'),
    // The first comparison of each glob that is tried.
    jest.spyOn(String.prototype, 'startsWith'),
  ];
  try {
    work();
    return spies.reduce((sum, spy) => sum + spy.mock.calls.length, 0);
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}
