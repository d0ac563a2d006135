import { readFile } from 'node:fs/promises';
import { OPERATIONS, type CallId } from '../../client/index.ts';
import { readStdin } from '../input/ask.ts';
import { callWith } from '../connection/broker.ts';
import type { Call, CliContext } from '../connection/context.ts';
import { defined } from '../kernel/defined.ts';
import { printableJson, printableText } from '../output/printable.ts';
import { UsageError } from '../kernel/errors.ts';

interface ApiOptions {
  readonly param?: readonly string[];
  readonly body?: string;
}

/** Calls any operation of the contract by its operationId. Answers are printed as they are, values included. */
export async function runApi(
  context: CliContext,
  { args: [id = ''], options }: Call<ApiOptions>,
): Promise<void> {
  if (!Object.hasOwn(OPERATIONS, id) || id === 'followEvents') {
    throw new UsageError(
      `unknown operation ${id}; openapi.yaml lists all operations, and quaymaster api readOpenApi prints it (for events: quaymaster events)`,
    );
  }
  const body = await readBody(context, options.body);
  const input = { ...parametersOf(id as CallId, options.param ?? []), ...defined({ body }) };
  const broker = await context.broker();
  const answer: { readonly body: unknown } = await callWith(broker, id as CallId, input);
  const { output } = context;
  if (answer.body instanceof Uint8Array) await showBytes(output, answer.body);
  else if (typeof answer.body === 'string') {
    const text = answer.body;
    await output.show(text, () => printableText(text));
  } else if (answer.body !== undefined) {
    await output.show(answer.body, () => printableJson(answer.body, 2));
  }
}

async function showBytes(output: CliContext['output'], bytes: Uint8Array): Promise<void> {
  if (output.isTerminal) output.note(`base64:${Buffer.from(bytes).toString('base64')}`);
  else await output.raw(bytes);
}

type Part = Record<string, string>;

/** Puts each parameter where the operation has it: path, query or headers. @throws UsageError for an unknown parameter */
function parametersOf(
  id: CallId,
  words: readonly string[],
): { readonly path: Part; readonly query: Part; readonly headers: Part } {
  const operation: { path: string; query: readonly string[]; headers: readonly string[] } =
    OPERATIONS[id];
  const parts = { path: {} as Part, query: {} as Part, headers: {} as Part };
  for (const word of words) {
    const at = word.indexOf('=');
    const [name, value] = [word.slice(0, at), word.slice(at + 1)];
    if (at < 1) throw new UsageError('--param must be NAME=VALUE');
    if (operation.path.includes(`{${name}}`)) parts.path[name] = value;
    else if (operation.query.includes(name)) parts.query[name] = value;
    else if (operation.headers.includes(name)) parts.headers[name] = value;
    else throw new UsageError(`${id} has no parameter ${name}`);
  }
  return parts;
}

/** @throws UsageError if it is not JSON; the message contains nothing of it */
async function readBody(context: CliContext, source: string | undefined): Promise<unknown> {
  if (source === undefined) return undefined;
  const bytes =
    source === '-' ? await readStdin(context) : await readFile(source).catch(() => undefined);
  if (bytes === undefined) throw new UsageError(`${source} cannot be read`);
  try {
    return JSON.parse(bytes.toString('utf8')) as unknown;
  } catch {
    throw new UsageError('--body: the file is not valid JSON');
  }
}
