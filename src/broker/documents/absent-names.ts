import { BrokerError, type Problem } from '../../domain/errors.ts';
import { didYouMean } from '../../domain/words/schema-words.ts';
import type { StoredDocument } from '../model/document.ts';
import type { Backends, People, Rights } from '../state/dependencies.ts';

/**
 * Adds to the problems of a document's fields those of the names in it, so that one answer has all of them. The caller may write documents of this kind
 * and name.
 */
export function withAbsentNames(
  parts: Rights & Backends & People,
  document: NamedBody,
  error: unknown,
): unknown {
  if (!(error instanceof BrokerError) || error.problems === undefined) return error;
  const { code, detail, problems } = error;
  const places = new Set(problems.map(({ pointer }) => pointer));
  const absent = absentNames(parts, document).filter(({ pointer }) => !places.has(pointer));
  return absent.length === 0
    ? error
    : new BrokerError(code, detail, { problems: [...problems, ...absent] });
}

type NamedBody = Pick<StoredDocument, 'kind' | 'name' | 'body'>;

/** Checks the names that a body has, whatever else is wrong with it. */
export function absentNames(
  { connections, catalog, clusters, people }: Rights & Backends & People,
  { kind, name, body }: NamedBody,
): readonly Problem[] {
  const { connection, prefix, issuer } = (body ?? {}) as Readonly<Record<string, unknown>>;
  const problems: Problem[] = [];
  const check = (pointer: string, given: unknown, find: (text: string) => string | undefined) => {
    const message = typeof given === 'string' ? find(given) : undefined;
    if (message !== undefined) problems.push({ pointer, message });
  };
  if (kind === 'mount') {
    check('/connection', connection, (text) =>
      connections.find(text) === undefined
        ? `no such connection in the configuration file: "${text}"${didYouMean(text, connections.names())}`
        : undefined,
    );
    check('/prefix', prefix, (text) => nestingText(catalog.mounts.nesting(name, text)));
  } else if (kind === 'cluster') {
    check('/connection', connection, (text) => clusters.connectionProblem(text));
  } else if (kind === 'role-binding') {
    check('/issuer', issuer, (text) =>
      people.issuers.has(text)
        ? undefined
        : `no such issuer under "people" in the configuration file${didYouMean(text, [...people.issuers.keys()])}`,
    );
  } else if (kind === 'definition') {
    check('', name, (path) => (catalog.mounts.find(path) === undefined ? NO_MOUNT : undefined));
  }
  return problems;
}

export const NO_MOUNT = 'no mount covers this path; create the mount first';

export function nestingText(mount: { readonly name: string } | undefined): string | undefined {
  return mount && `its prefix nests with that of the mount "${mount.name}"`;
}
