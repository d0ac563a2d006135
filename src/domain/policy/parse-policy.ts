import { BrokerError, type Problem } from '../errors.ts';
import { isName } from '../words/names.ts';
import { POLICY_API_VERSION, POLICY_KIND } from './access-policy.ts';
import type { AccessPolicy, PolicySubject } from './access-policy.ts';
import { DocumentNode } from './document-node.ts';
import { parseRules } from './parse-rule.ts';
import { parseSubjects } from './parse-subject.ts';
import { POLICY_LIMITS } from './policy-limits.ts';
import { ProblemList } from './problem-list.ts';

/** Validates a whole document. @throws ERR_POLICY_INVALID with every problem, each at its JSON pointer. */
export function parsePolicy(document: unknown): AccessPolicy {
  const problems = new ProblemList();
  const policy = readDocument(DocumentNode.root(document, problems));
  refuseIf(problems);
  return policy;
}

/** Validates and returns only the subjects, which take a third of the time of the whole document. @throws ERR_POLICY_INVALID */
export function parsePolicySubjects(document: unknown): readonly PolicySubject[] {
  const problems = new ProblemList();
  const fields = DocumentNode.root(document, problems).fields(DOCUMENT);
  const subjects = parseSubjects(fields.object('spec', SPEC), 'subjects');
  refuseIf(problems);
  return subjects;
}

/** Workloads in a document of another kind, in the form of a policy's subjects, and the problems, with their positions in the list. */
export function readSubjects(list: unknown): {
  readonly subjects: readonly PolicySubject[];
  readonly problems: readonly Problem[];
} {
  const problems = new ProblemList();
  const fields = DocumentNode.root({ list }, problems).fields({ required: ['list'] });
  const subjects = parseSubjects(fields, 'list');
  const found = problems.list().map(({ pointer, message }) => ({
    pointer: pointer.replace('/list', ''),
    message,
  }));
  return { subjects, problems: found };
}

function refuseIf(problems: ProblemList): void {
  if (problems.isEmpty) return;
  throw new BrokerError('ERR_POLICY_INVALID', 'the policy document is not valid', {
    problems: problems.list(),
  });
}

const DOCUMENT = { required: ['apiVersion', 'kind', 'metadata', 'spec'] };
const SPEC = { required: ['subjects', 'rules'] };

function readDocument(root: DocumentNode): AccessPolicy {
  const fields = root.fields(DOCUMENT);
  fields.text('apiVersion', exactly(POLICY_API_VERSION));
  fields.text('kind', exactly(POLICY_KIND));
  const metadata = fields.object('metadata', { required: ['name'], optional: ['description'] });
  const description = metadata.get('description')?.text(descriptionProblem);
  const spec = fields.object('spec', SPEC);
  return {
    apiVersion: POLICY_API_VERSION,
    kind: POLICY_KIND,
    metadata: {
      name: metadata.text('name', nameProblem),
      ...(description !== undefined && { description }),
    },
    spec: { subjects: parseSubjects(spec, 'subjects'), rules: parseRules(spec) },
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

/** Refuses lone surrogates and control characters: a store may return others instead, and a terminal may obey them. */
function descriptionProblem(text: string): string | undefined {
  if (text.length > POLICY_LIMITS.descriptionLength) {
    return `must have at most ${POLICY_LIMITS.descriptionLength} characters`;
  }
  if (!text.isWellFormed()) return 'must be well-formed Unicode';
  return /[^\P{Cc}\t\n]/u.test(text) ? 'must not have control characters' : undefined;
}
