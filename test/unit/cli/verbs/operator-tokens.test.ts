import { existsSync, readFileSync, statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { UnreachableError } from '../../../../src/client/index.ts';
import { failureOf } from '../../../../src/cli/output/failure.ts';
import { runTokenCreate } from '../../../../src/cli/verbs/operator-tokens.ts';
import { cliContext } from '../../../kit/cli/cli-context.ts';
import { fileTree, removeTreesAfterEach } from '../../../kit/files/file-tree.ts';
import { refusal, ScriptedBroker } from '../../../kit/cli/scripted-api.ts';
import { leftOut, SmallDisk, itIfMounted } from '../../../kit/files/small-disk.ts';

removeTreesAfterEach();

const TEXT = `qmo_${'c'.repeat(49)}`;
const MADE = { id: 'tok_1', operator: 'ops', token: TEXT, sourceCidrs: [], endsAt: 't' };

async function create(
  out: string,
  answers: ConstructorParameters<typeof ScriptedBroker>[0] = {},
  options: object = {},
): Promise<{ code: number; said: string; asked: string[]; bodies: unknown[] }> {
  const broker = new ScriptedBroker({
    createOperatorToken: () => MADE,
    revokeOperatorToken: () => undefined,
    ...answers,
  });
  const context = cliContext({ broker });
  const call = { args: ['ops'], options: { out, ttl: '1h', ...options } };
  const { exitCode, text } = await runTokenCreate(context, call).then(
    () => ({ exitCode: 0, text: '' }),
    failureOf,
  );
  const said = `${context.out()}${context.err()}${text}`;
  expect(said).not.toContain(TEXT);
  const asked = broker.asked.map(({ id, path }) => [id, ...Object.values(path ?? {})].join(' '));
  const bodies = broker.asked.map(({ body }) => body);
  return { code: exitCode, said, asked, bodies };
}

describe(`a token that is created into a file${leftOut}`, () => {
  let disk: SmallDisk | undefined;
  beforeAll(async () => {
    disk = SmallDisk.mount('1m');
    if (disk === undefined) return;
    await writeFile(join(disk.path, 'full'), Buffer.alloc(2_000_000)).catch(() => undefined);
  });
  afterAll(() => disk?.unmount());

  it('is in the file alone, readable by its owner only', async () => {
    const out = join(await fileTree({}), 'token');
    expect(await create(out)).toMatchObject({ code: 0, asked: ['createOperatorToken ops'] });
    expect(readFileSync(out, 'utf8')).toBe(`${TEXT}\n`);
    expect(statSync(out).mode & 0o777).toBe(0o600);
  });

  it('has the scope of its role, also with the port of a registry', async () => {
    const role = ['auditor', 'evidence-writer:registry.test:5000/a,registry.test/b'];
    const { bodies } = await create(join(await fileTree({}), 'token'), {}, { role });
    expect(bodies).toMatchObject([
      {
        grants: [
          { role: 'auditor' },
          { role: 'evidence-writer', scope: ['registry.test:5000/a', 'registry.test/b'] },
        ],
      },
    ]);
  });

  it.each(['taken', 'nowhere/token'])(
    'is not created if the file %s cannot be created',
    async (name) => {
      const out = join(await fileTree({ taken: 'before' }), name);
      const { code, said, asked } = await create(out);
      expect({ code, asked }).toEqual({ code: 64, asked: [] });
      expect(said).toMatch(/^cannot create .*: (?:the file exists already|ENOENT)$/);
    },
  );

  itIfMounted('is revoked if the file cannot be written', async () => {
    const out = join(disk?.path ?? '', 'token');
    const { code, said, asked } = await create(out);
    expect({ code, asked }).toEqual({
      code: 1,
      asked: ['createOperatorToken ops', 'revokeOperatorToken ops tok_1'],
    });
    expect(said).toBe(`cannot write ${out}: ENOSPC; the new token was revoked`);
    expect(existsSync(out)).toBe(false);
  });

  itIfMounted('is named in the error if it cannot be revoked either', async () => {
    const out = join(disk?.path ?? '', 'token');
    const { code, said } = await create(out, {
      revokeOperatorToken: () => {
        throw new UnreachableError('timeout', 'x');
      },
    });
    expect(code).toBe(1);
    expect(said).toBe(
      `cannot write ${out}: ENOSPC; the new token may still be valid; revoke it: quaymaster operator token revoke ops tok_1`,
    );
    expect(existsSync(out)).toBe(false);
  });

  it('is reported as possibly created after a lost response', async () => {
    const out = join(await fileTree({}), 'token');
    const { code, said } = await create(out, {
      createOperatorToken: () => {
        throw new UnreachableError('cut_off', 'x');
      },
    });
    expect(code).toBe(5);
    expect(said).toBe(
      'no response: x\nthe token may have been created but its value was lost; find it with quaymaster operator token ls ops, then revoke it',
    );
    expect(existsSync(out)).toBe(false);
  });

  it('leaves no file after a refusal', async () => {
    const out = join(await fileTree({}), 'token');
    const { code, said } = await create(out, {
      createOperatorToken: () => {
        throw refusal(403, 'ERR_DENIED');
      },
    });
    expect(code).toBe(3);
    expect(said).not.toContain('may have been made');
    expect(existsSync(out)).toBe(false);
  });
});
