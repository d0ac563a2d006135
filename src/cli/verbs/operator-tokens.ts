import { open, rm, type FileHandle } from 'node:fs/promises';
import type { components } from '../../client/index.ts';
import { ROLES } from '../../domain/identity/principal.ts';
import type { Broker } from '../connection/broker.ts';
import type { Call, CliContext } from '../connection/context.ts';
import { defined } from '../kernel/defined.ts';
import { EXIT, Failed, UsageError } from '../kernel/errors.ts';
import { grantText, tokenKind } from '../connection/identity.ts';
import { fields } from '../output/table.ts';
import { causeOf, mayHaveBeenDone, stopped } from '../output/unknown-outcome.ts';

type Token = Omit<components['schemas']['CreatedOperatorToken'], 'token'>;
type Grant = components['schemas']['Grant'];

interface TokenOptions {
  readonly out: string;
  readonly ttl?: string;
  readonly role?: readonly string[];
  readonly from?: readonly string[];
  readonly description?: string;
}

/** Creates a token and writes it to a new file of mode 0600. The token is shown nowhere else. */
export async function runTokenCreate(
  context: CliContext,
  { args: [name = ''], options }: Call<TokenOptions>,
): Promise<void> {
  const { out, ttl, role, from, description } = options;
  const order = defined({ ttl, grants: role?.map(grantOf), sourceCidrs: from, description });
  const broker = await context.broker();
  // The file is opened first: a token that cannot be saved would be lost while it is still valid.
  const file = await openNew(out);
  let created: Token;
  try {
    const { token, ...rest } = await createToken(context, broker, { name, order });
    created = rest;
    await saveToken(broker, created, { file, out, token });
  } catch (error) {
    await rm(out, { force: true });
    throw error;
  } finally {
    await file.close();
  }
  await context.output.show(
    created,
    () => `${tokenText(created, context.clock.now())}\nwrote the token to ${out}`,
  );
}

async function openNew(out: string): Promise<FileHandle> {
  try {
    return await open(out, 'wx', 0o600);
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    const why = code === 'EEXIST' ? 'the file exists already' : code;
    throw new UsageError(`cannot create ${out}: ${why}`);
  }
}

interface Order {
  readonly name: string;
  readonly order: components['schemas']['OperatorTokenOrder'];
}

async function createToken(
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
      `the token may have been created but its value was lost; find it with quaymaster operator token ls ${name}, then revoke it`,
    );
  }
}

interface Saved {
  readonly file: FileHandle;
  readonly out: string;
  readonly token: string;
}

/** @throws Failed if the token cannot be saved; it is then revoked */
async function saveToken(
  broker: Broker,
  { operator, id }: Token,
  { file, out, token }: Saved,
): Promise<void> {
  try {
    await file.writeFile(`${token}\n`);
    await file.sync();
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    const result = await broker.call('revokeOperatorToken', { path: { name: operator, id } }).then(
      () => 'was revoked',
      () => `may still be valid; revoke it: quaymaster operator token revoke ${operator} ${id}`,
    );
    const text = `cannot write ${out}: ${code}; the new token ${result}`;
    throw new Failed(text, EXIT.failed, { cause: error });
  }
}

/** `auditor`, or `rotator:payments,shared` for a role that is restricted to paths. @throws UsageError */
function grantOf(text: string): Grant {
  const role = ROLES.find((each) => text === each || text.startsWith(`${each}:`));
  if (role === undefined) throw new UsageError(`--role must be one of ${ROLES.join(', ')}`);
  return { role, ...(role !== text && { scope: text.slice(role.length + 1).split(',') }) };
}

function tokenText({ id, operator, grants, sourceCidrs, endsAt }: Token, now: number): string {
  return fields(
    [
      ['token', id],
      ['operator', operator],
      ['kind', tokenKind(undefined)],
      ['roles', grants?.map(grantText) ?? 'all of the operator'],
      ['from', sourceCidrs.length === 0 ? 'anywhere' : sourceCidrs],
      ['expires', endsAt],
    ],
    now,
  );
}
