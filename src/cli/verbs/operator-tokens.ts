import { open, rm } from 'node:fs/promises';
import type { components } from '../../client/index.ts';
import { ROLES } from '../../domain/principal.ts';
import type { Call, CliContext } from '../context.ts';
import { defined } from '../defined.ts';
import { fields, table } from '../output/table.ts';
import { UsageError } from '../usage-error.ts';
import { grantText } from './whoami.ts';

interface TokenOptions {
  readonly out: string;
  readonly ttl: string;
  readonly role?: readonly string[];
  readonly from?: readonly string[];
  readonly description?: string;
}

/** Makes a token into a new file of mode 0600: it is shown nowhere else, ever. */
export async function runTokenCreate(
  { broker, output }: CliContext,
  { args: [name = ''], options }: Call<TokenOptions>,
): Promise<void> {
  const { out, ttl, role, from, description } = options;
  const order = {
    ttl,
    ...defined({ grants: role?.map(grantOf), sourceCidrs: copyOf(from), description }),
  };
  const caller = await broker();
  let made: Token;
  // The file comes first: a token that cannot be kept would be lost, and would still be good.
  const file = await open(out, 'wx', 0o600).catch((error: unknown) => {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError(
      `${out} cannot be made: ${code === 'EEXIST' ? 'it is there already' : (code ?? '')}`,
    );
  });
  try {
    const { body } = await caller.call('createOperatorToken', { path: { name }, body: order });
    const { token, ...rest } = body;
    await file.writeFile(`${token}\n`);
    made = rest;
  } catch (error) {
    await rm(out);
    throw error;
  } finally {
    await file.close();
  }
  await output.show(made, () => `${tokenText(made)}\nits text is in ${out}`);
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
