import { BrokerError, type Problem } from '../errors.ts';
import { isName } from '../words/names.ts';
import {
  POLICY_API_VERSION,
  POLICY_KIND,
  type AccessPolicy,
  type PolicySubject,
  CAPABILITIES,
  type Capability,
  type PolicyRule,
} from './access-policy.ts';
import { DocumentNode, type DocumentFields } from './document-node.ts';
import { parseSubjects } from './parse-subject.ts';
import { POLICY_LIMITS } from './policy-limits.ts';
import { FIELDS, PATTERNS } from './policy-schema.ts';
import { ProblemList } from './problem-list.ts';
import { parseDuration } from './duration.ts';
import { parseConditions } from './parse-conditions.ts';
import { pathPatternProblem } from './path-pattern.ts';

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
  const fields = DocumentNode.root(document, problems).fields(FIELDS.document);
  const subjects = parseSubjects(fields.object('spec', FIELDS.spec), 'subjects');
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

function readDocument(root: DocumentNode): AccessPolicy {
  const fields = root.fields(FIELDS.document);
  fields.text('apiVersion', exactly(POLICY_API_VERSION));
  fields.text('kind', exactly(POLICY_KIND));
  const metadata = fields.object('metadata', FIELDS.metadata);
  const description = metadata.get('description')?.text(descriptionProblem);
  const spec = fields.object('spec', FIELDS.spec);
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
  return PATTERNS.description.test(text) ? undefined : 'must not have control characters';
}

function parseRules(spec: DocumentFields): readonly PolicyRule[] {
  const names = new Set<string>();
  return spec.items('rules', POLICY_LIMITS.rules, (node) => parseRule(node, names));
}

/** `names` of the previous rules: a decision names its rule, so names are unique. */
function parseRule(node: DocumentNode, names: Set<string>): PolicyRule {
  const fields = node.fields(FIELDS.rule);
  const effect = fields.text('effect', effectProblem) as PolicyRule['effect'];
  const name = fields.get('name')?.text((text) => ruleNameProblem(text, names));
  const maxLeaseTtl = fields.get('maxLeaseTtl')?.text(durationProblem);
  if (effect === 'deny') fields.get('maxLeaseTtl')?.refuse('has no meaning in a deny');
  const conditions = fields.get('conditions');
  const capabilities = fields.texts('capabilities', CAPABILITIES.length, capabilityProblem);
  return {
    ...(name !== undefined && { name }),
    effect,
    paths: fields.texts('paths', POLICY_LIMITS.paths, pathPatternProblem),
    capabilities: capabilities as readonly Capability[],
    ...(maxLeaseTtl !== undefined && { maxLeaseTtl }),
    ...(conditions && { conditions: parseConditions(conditions, effect) }),
  };
}

function ruleNameProblem(text: string, names: Set<string>): string | undefined {
  const problem = nameProblem(text);
  if (problem !== undefined) return problem;
  if (names.has(text)) return 'is the name of an earlier rule';
  names.add(text);
  return undefined;
}

function effectProblem(text: string): string | undefined {
  return text === 'allow' || text === 'deny' ? undefined : 'must be allow or deny';
}

function capabilityProblem(text: string): string | undefined {
  return (CAPABILITIES as readonly string[]).includes(text)
    ? undefined
    : `must be one of ${CAPABILITIES.join(', ')}`;
}

function durationProblem(text: string): string | undefined {
  const seconds = parseDuration(text);
  return seconds === undefined || seconds > POLICY_LIMITS.leaseTtlSeconds
    ? 'must be a whole number and one of s, m, h and d, from 1s to 365d'
    : undefined;
}
