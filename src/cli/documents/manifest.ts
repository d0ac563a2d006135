import { BrokerError } from '../../domain/errors.ts';
import { isName, isSecretPath } from '../../domain/words/names.ts';
import { DocumentNode } from '../../domain/policy/document-node.ts';
import { parsePolicy } from '../../domain/policy/index.ts';
import { ProblemList } from '../../domain/policy/problem-list.ts';
import { UsageError, type FileProblem } from '../kernel/errors.ts';
import { DOCUMENT_KINDS, POLICY, type DocumentKind } from './kinds.ts';
import type { LocatedDocument } from './read-files.ts';

export const NOT_VALID = 'the documents are not valid';
const API_VERSION = 'quaymaster.dev/v1';

/** A document of a file, ready to be sent. */
export interface Manifest {
  readonly kind: DocumentKind;
  readonly name: string;
  /** The body of the request. */
  readonly body: unknown;
  readonly source: LocatedDocument;
  /** JSON pointer to the body in the document of the file: the broker's JSON pointers are relative to it. */
  readonly bodyPointer: '' | '/spec';
}

type Outcome = { readonly manifest: Manifest } | { readonly problems: readonly FileProblem[] };

/**
 * Reads the documents with their kinds. Policies are validated completely, the other kinds as far as their envelope.
 * @throws UsageError with every problem, each at its line
 */
export function toManifests(
  documents: readonly LocatedDocument[],
  kinds: readonly DocumentKind[] = DOCUMENT_KINDS,
): readonly Manifest[] {
  const { manifests, problems } = readManifests(documents, kinds);
  if (problems.length > 0) throw new UsageError(NOT_VALID, problems);
  return manifests;
}

/** Reads like `toManifests`. Returns the valid documents, and the problems of the others. */
export function readManifests(
  documents: readonly LocatedDocument[],
  kinds: readonly DocumentKind[],
): { readonly manifests: readonly Manifest[]; readonly problems: readonly FileProblem[] } {
  const problems: FileProblem[] = [];
  const manifests = new Map<string, Manifest>();
  for (const document of documents) {
    const outcome = read(document, kinds);
    if ('problems' in outcome) {
      problems.push(...outcome.problems);
      continue;
    }
    const id = `${outcome.manifest.kind.kind} ${outcome.manifest.name}`;
    if (manifests.has(id)) problems.push(problemAt(document, '', `${id} is given twice`));
    manifests.set(id, outcome.manifest);
  }
  return { manifests: [...manifests.values()], problems };
}

/** Builds the problem at a pointer of a document. */
export function problemAt(source: LocatedDocument, pointer: string, message: string): FileProblem {
  return { file: source.file, pointer, message, ...source.locate(pointer) };
}

function read(source: LocatedDocument, kinds: readonly DocumentKind[]): Outcome {
  const given = (source.value as { readonly kind?: unknown } | null)?.kind;
  const kind = kinds.find((each) => each.kind === given);
  if (kind === undefined) {
    const names = kinds.map((each) => each.kind).join(', ');
    return { problems: [problemAt(source, '/kind', `must be one of ${names}`)] };
  }
  return kind.word === 'policy' ? readPolicy(source) : readEnvelope(source, kind);
}

/** Reads a policy. It has no envelope: the document is the body. */
function readPolicy(source: LocatedDocument): Outcome {
  try {
    const { name } = parsePolicy(source.value).metadata;
    const manifest = { kind: POLICY, name, body: source.value, source, bodyPointer: '' } as const;
    return { manifest };
  } catch (error) {
    const { problems = [] } = BrokerError.from(error);
    return {
      problems: problems.map(({ pointer, message }) => problemAt(source, pointer, message)),
    };
  }
}

function readEnvelope(source: LocatedDocument, kind: DocumentKind): Outcome {
  const problems = new ProblemList();
  const root = DocumentNode.root(source.value, problems);
  const fields = root.fields({ required: ['apiVersion', 'kind', 'metadata', 'spec'] });
  fields.text('apiVersion', (text) =>
    text === API_VERSION ? undefined : `must be ${API_VERSION}`,
  );
  const name = fields
    .object('metadata', { required: ['name'] })
    .text('name', (text) => nameProblem(kind, text));
  fields.get('spec')?.entries();
  if (!problems.isEmpty) {
    const listed = problems.list();
    return { problems: listed.map(({ pointer, message }) => problemAt(source, pointer, message)) };
  }
  const body = (source.value as { readonly spec: unknown }).spec;
  return { manifest: { kind, name, body, source, bodyPointer: '/spec' } };
}

function nameProblem({ parameter }: DocumentKind, text: string): string | undefined {
  if (parameter === 'path') {
    return isSecretPath(text) ? undefined : 'must be the path of a secret';
  }
  return isName(text) ? undefined : 'must be a lower-case name of up to 63 characters [a-z0-9._-]';
}

/** The file from which `apply` would create the same document. */
export function asManifest(kind: DocumentKind, name: string, document: unknown): unknown {
  if (kind.word === 'policy') return document;
  return { apiVersion: API_VERSION, kind: kind.kind, metadata: { name }, spec: document };
}
