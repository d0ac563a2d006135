import openapiTS, { astToString } from 'openapi-typescript';
import { parse } from 'yaml';

const HEAD = '// Generated from openapi.yaml by `npm run generate`.\n';

interface ContractOperation {
  readonly operationId: string;
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, unknown>> }>
  >;
}

interface Contract {
  readonly info: { readonly version: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, ContractOperation>>>>;
}

/** Types of every request and answer. A field with a default may be left out of a request, so no default makes one required. */
export async function clientTypes(contract: string): Promise<string> {
  const ast = await openapiTS(contract, { immutable: true, defaultNonNullable: false });
  return HEAD + astToString(ast);
}

/** What is known of each operation at run time: method, path, and the form of the body by status. */
export function operationTable(contract: string): string {
  const { info, paths } = parse(contract) as Contract;
  const rows = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { operationId, responses }]) => {
      const row = [method.toUpperCase(), path, formsOf(responses)];
      return `  ${operationId}: ${JSON.stringify(row)},\n`;
    }),
  );
  const version = `export const API_VERSION = ${JSON.stringify(info.version)};\n`;
  return `${HEAD}${version}export const OPERATIONS = {\n${rows.join('')}} as const;\n`;
}

/** Statuses whose answer is no problem document, each with the form of its body. */
function formsOf(responses: ContractOperation['responses']): Readonly<Record<string, string>> {
  const described = Object.entries(responses).filter(([status]) => status !== 'default');
  return Object.fromEntries(
    described.map(([status, { content = {} }]) => [status, formOf(Object.keys(content))]),
  );
}

function formOf(types: readonly string[]): string {
  if (types.includes('application/json')) return 'json';
  if (types.includes('text/plain')) return 'text';
  if (types.includes('application/octet-stream')) return 'bytes';
  return types.includes('text/event-stream') ? 'events' : 'none';
}
