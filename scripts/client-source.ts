import openapiTS, { astToString } from 'openapi-typescript';
import { load } from 'js-yaml';
import { operationsOf, type Contract, type ContractOperation } from './contract.ts';

/** Media type of errors (RFC 9457). */
const PROBLEM = 'application/problem+json';
const HEAD = '// Generated from openapi.yaml by `npm run generate`.\n';

/** The client finds everything by the id of the operation. `paths` has it again by URL: a third of the package. */
const USED = ['components', 'operations'];

function isDeclarationOf(
  node: Awaited<ReturnType<typeof openapiTS>>[number],
  name: string,
): boolean {
  return 'name' in node && (node.name as { readonly text?: string }).text === name;
}

/**
 * Generates the types of every request and answer. A field with a default may be left out of a request, so no default makes one
 * required.
 */
export async function clientTypes(contract: string): Promise<string> {
  const ast = await openapiTS(contract, {
    immutable: true,
    defaultNonNullable: false,
    emptyObjectsUnknown: true,
  });
  return HEAD + astToString(ast.filter((node) => USED.some((name) => isDeclarationOf(node, name))));
}

/** The properties of each operation at run time. */
export function operationTable(contract: string): string {
  const document = load(contract) as Contract;
  const rows = operationsOf(document).map(({ id, method, path, parameters, body, responses }) => {
    const namesIn = (place: string): readonly string[] =>
      parameters.flatMap((each) => (each.in === place ? [each.name] : []));
    const row = {
      method,
      path,
      query: namesIn('query'),
      // The client's credential creates the proof, so the caller does not pass this header.
      headers: namesIn('header').filter((name) => name !== 'DPoP'),
      body: Object.keys(body.content ?? {}),
      needsBody: body.required === true,
      answers: formsOf(responses),
    };
    return `  ${id}: ${JSON.stringify(row)},\n`;
  });
  const version = `export const API_VERSION = ${JSON.stringify(document.info.version)};\n`;
  return `${HEAD}${version}export const OPERATIONS = {\n${rows.join('')}} as const;\n`;
}

/** Statuses whose answer is not a problem document, each with the form of its body. */
function formsOf(responses: ContractOperation['responses']): Readonly<Record<string, string>> {
  const described = Object.entries(responses).filter(
    ([status, { content = {} }]) => status !== 'default' && !(PROBLEM in content),
  );
  return Object.fromEntries(
    described.map(([status, { content = {} }]) => [status, formOf(Object.keys(content))]),
  );
}

/** Names the form of an answer. `sealable` is JSON, or a JWE of it for a session that is bound to a key. */
function formOf(types: readonly string[]): string {
  if (types.includes('application/jose')) return 'sealable';
  if (types.includes('application/json')) return 'json';
  if (types.includes('text/plain')) return 'text';
  if (types.includes('application/octet-stream')) return 'bytes';
  return types.includes('text/event-stream') ? 'events' : 'none';
}
