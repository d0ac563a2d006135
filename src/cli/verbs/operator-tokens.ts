import { open, rm, type FileHandle } from 'node:fs/promises';
import type { components } from '../../client/index.ts';
import { ROLES } from '../../domain/principal.ts';
import type { Broker } from '../broker.ts';
import type { Call, CliContext } from '../context.ts';
import { defined } from '../defined.ts';
import { EXIT } from '../exit-codes.ts';
import { Failed } from '../failed.ts';
import { mayHaveBeenDone } from '../may-have-been-done.ts';
import { fields, table } from '../output/table.ts';
import { causeOf, stopped } from '../stopped.ts';
import { UsageError } from '../usage-error.ts';
import { grantText } from './whoami.ts';

interface TokenOptions {
  readonly out: string;
  readonly ttl?: string;
  readonly role?: readonly string[];
  readonly from?: readonly string[];
  readonly description?: string;
}

/** Makes a token into a new file of mode 0600: it is shown nowhere else, ever. */
export async function runTokenCreate(
  context: CliContext,
  { args: [name = ''], options }: Call<TokenOptions>,
): Promise<void> {
  const { out, ttl, role, from, description } = options;
  const order = {
    ...defined({ ttl, grants: role?.map(grantOf), sourceCidrs: copyOf(from), description }),
  };
  const broker = await context.broker();
  // The file comes first: a token that cannot be kept would be lost, and would still be good.
  const file = await openNew(out);
  let made: Token;
  try {
    const { token, ...rest } = await makeToken(context, broker, { name, order });
    made = rest;
    await keepToken(broker, made, { file, out, token });
  } catch (error) {
    await rm(out, { force: true });
    throw error;
  } finally {
    await file.close();
  }
  await context.output.show(made, () => `${tokenText(made)}\nits text is in ${out}`);
}

async function openNew(out: string): Promise<FileHandle> {
  try {
    return await open(out, 'wx', 0o600);
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    throw new UsageError(
      `${out} cannot be made: ${code === 'EEXIST' ? 'it is there already' : code}`,
    );
  }
}

interface Order {
  readonly name: string;
  readonly order: components['schemas']['OperatorTokenOrder'];
}

async function makeToken(
  { signal }: CliContext,
  broker: Broker,
  { name, order }: Order,
): Promise<Token & { readonly token: string }> {
  try {
    return (await broker.call('createOperatorToken', { path: { name }, body: order })).body;
  } catch (error) {
    const cause = causeOf(error, signal);
    if (!mayHaveBeenDone(cause)) throw error;
    throw stopped(
      cause,
      `a token may have been made, whose text nobody has: quaymaster operator token ls ${name}, then revoke it`,
    );
  }
}

interface Kept {
  readonly file: FileHandle;
  readonly out: string;
  readonly token: string;
}

/** @throws Failed when it cannot be kept: then it is taken back */
async function keepToken(
  broker: Broker,
  { operator, id }: Token,
  { file, out, token }: Kept,
): Promise<void> {
  try {
    await file.writeFile(`${token}\n`);
    await file.sync();
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    const left = await broker.call('revokeOperatorToken', { path: { name: operator, id } }).then(
      () => 'is revoked again',
      () => `may still be good: quaymaster operator token revoke ${operator} ${id}`,
    );
    const text = `${out} cannot be written: ${code}; the token that was made ${left}`;
    throw new Failed(text, EXIT.failed, { cause: error });
  }
}

type Grant = components['schemas']['Grant'];

/** `auditor`, or `rotator:payments,shared` for a role within paths. @throws UsageError */
function grantOf(text: string): Grant {
  const [word = '', scope] = text.split(':');
  const role = ROLES.find((each) => each === word);
  if (role === undefined) throw new UsageError(`--role is one of ${ROLES.join(', ')}`);
  return { role, ...(scope !== undefined && { scope: scope.split(',') }) };
}

function copyOf(list: readonly string[] | undefined): string[] | undefined {
  return list === undefined ? undefined : [...list];
}

type Token = components['schemas']['OperatorToken'];

function tokenText({ id, operator, grants, sourceCidrs, endsAt }: Token): string {
  return fields([
    ['token', id],
    ['operator', operator],
    ['roles', grants?.map(grantText) ?? 'all of the operator'],
    ['from', sourceCidrs.length === 0 ? 'anywhere' : sourceCidrs],
    ['ends', endsAt],
  ]);
}

export async function runTokenList(
  { broker, output }: CliContext,
  { args: [name = ''] }: Call<object>,
): Promise<void> {
  const { body } = await (await broker()).call('listOperatorTokens', { path: { name } });
  await output.show(body, () =>
    table(
      ['token', 'created', 'ends', 'roles', 'description'],
      body.items.map((each) => [
        each.id,
        each.createdAt,
        each.endsAt,
        each.grants?.map(grantText) ?? 'all of the operator',
        each.description,
      ]),
    ),
  );
}

export async function runTokenRevoke(
  { broker, output }: CliContext,
  { args: [name = '', id = ''] }: Call<object>,
): Promise<void> {
  await (await broker()).call('revokeOperatorToken', { path: { name, id } });
  await output.say(`revoked ${id} of ${name}`);
}
