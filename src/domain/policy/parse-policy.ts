import { BrokerError } from '../errors.ts';
import { isName } from '../names.ts';
import { POLICY_API_VERSION, POLICY_KIND } from './access-policy.ts';
import type { AccessPolicy } from './access-policy.ts';
import { DocumentNode } from './document-node.ts';
import { parseRules } from './parse-rule.ts';
import { parseSubjects } from './parse-subject.ts';
import { POLICY_LIMITS } from './policy-limits.ts';
import { ProblemList } from './problem-list.ts';

/** Validates a document whole. @throws ERR_POLICY_INVALID with every problem, each at its JSON pointer. */
export function parsePolicy(document: unknown): AccessPolicy {
  const problems = new ProblemList();
  const policy = readDocument(DocumentNode.root(document, problems));
  if (!problems.isEmpty) {
    throw new BrokerError('ERR_POLICY_INVALID', 'the policy document is not valid', {
      problems: problems.list(),
    });
  }
  return policy;
}

function readDocument(root: DocumentNode): AccessPolicy {
  const fields = root.fields({ required: ['apiVersion', 'kind', 'metadata', 'spec'] });
  fields.text('apiVersion', exactly(POLICY_API_VERSION));
  fields.text('kind', exactly(POLICY_KIND));
  const metadata = fields.object('metadata', { required: ['name'], optional: ['description'] });
  const description = metadata.get('description')?.text(descriptionProblem);
  const spec = fields.object('spec', { required: ['subjects', 'rules'] });
  return {
    apiVersion: POLICY_API_VERSION,
    kind: POLICY_KIND,
    metadata: {
      name: metadata.text('name', nameProblem),
      ...(description !== undefined && { description }),
    },
    spec: { subjects: parseSubjects(spec), rules: parseRules(spec) },
  };
}

function exactly(expected: string): (text: string) => string | undefined {
  return (text) => (text === expected ? undefined : `must be ${expected}`);
}

function nameProblem(text: string): string | undefined {
  return isName(text)
    ? undefined
    : 'must be 1 to 63 of [a-z0-9._-], with a letter or digit at each end';
}

/** Refuses lone surrogates and control characters: a store may not return them as they were, a terminal may obey them. */
function descriptionProblem(text: string): string | undefined {
  if (text.length > POLICY_LIMITS.descriptionLength) {
    return `must have at most ${POLICY_LIMITS.descriptionLength} characters`;
  }
  if (!text.isWellFormed()) return 'must be well-formed Unicode';
  return /[^\P{Cc}\t\n]/u.test(text) ? 'must not have control characters' : undefined;
}
