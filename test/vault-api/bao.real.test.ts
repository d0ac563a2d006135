import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { describeWith } from '../kit/backends/backends.ts';
import { installedProgram } from '../kit/backends/cache.ts';
import { freePort } from '../kit/backends/free-port.ts';
import { createToken, mountEngine } from '../kit/backends/openbao-calls.ts';
import { OPENBAO } from '../kit/backends/recipes.ts';
import { uniqueName } from '../kit/backends/unique-name.ts';
import { PreparedBroker } from '../kit/broker/prepared-broker.ts';

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Commands in order. `F` stands for a folder of the test, `K` for its mount of KV version 1. */
const COMMANDS = [
  'kv put -format=json secret/F/a k=v n=1',
  'kv get -format=json secret/F/a',
  'kv get secret/F/a',
  'kv get -field=k secret/F/a',
  'kv get -mount=secret -field=n F/a',
  'kv get -version=1 -format=json secret/F/a',
  'kv get -version=9 secret/F/a',
  'kv put -cas=0 secret/F/a k=x',
  'kv put -cas=1 -format=json secret/F/a k=x',
  'kv patch -format=json secret/F/a m=2',
  'kv get -field=m secret/F/a',
  'kv put secret/F/b/c k=v',
  'kv list -format=json secret/F',
  'kv list secret/F/',
  'list -format=json secret/metadata/F',
  'kv list secret/F/none',
  'kv get secret/F/none',
  'kv metadata get -format=json secret/F/a',
  'kv metadata get secret/F/none',
  'read -format=json secret/data/F/a',
  'kv delete secret/F/a',
  'kv get -field=k secret/F/a',
  'kv get -format=json secret/F/a',
  'kv undelete -versions=3 secret/F/a',
  'kv get -field=k secret/F/a',
  'kv delete -versions=2,3 secret/F/a',
  'kv get -field=k secret/F/a',
  'kv undelete -versions=3,2 secret/F/a',
  'kv get -version=2 -field=k secret/F/a',
  'kv delete -versions=2 secret/F/a',
  'kv undelete -versions=2,3 secret/F/a',
  'kv metadata put secret/F/a',
  'kv metadata put -max-versions=0 -cas-required=false -delete-version-after=0s secret/F/a',
  'kv metadata patch -max-versions=0 secret/F/a',
  'kv metadata patch -remove-custom-metadata=owner secret/F/a',
  'kv metadata put -custom-metadata=owner=pay -custom-metadata=tier=1 secret/F/a',
  'kv metadata get -format=json secret/F/a',
  'kv metadata get -field=custom_metadata secret/F/a',
  'kv metadata get -field=current_metadata_version secret/F/described',
  'kv get -format=json secret/F/a',
  'kv put -format=json secret/F/a k=z',
  'kv metadata patch -custom-metadata=tier=2 -remove-custom-metadata=owner secret/F/a',
  'kv metadata get -field=custom_metadata secret/F/a',
  'kv metadata put -custom-metadata=empty= secret/F/a',
  'kv metadata put -custom-metadata=only=this secret/F/a',
  'kv metadata get -field=custom_metadata secret/F/a',
  'kv metadata put -custom-metadata=owner=pay secret/F/described',
  'kv metadata get -format=json secret/F/described',
  'kv metadata get -field=current_metadata_version secret/F/described',
  'kv metadata get -field=custom_metadata secret/F/described',
  'kv get secret/F/described',
  'kv put -cas=0 -format=json secret/F/described k=v',
  'kv get -format=json secret/F/described',
  'kv metadata delete secret/F/described',
  'kv metadata get secret/F/described',
  'kv metadata put secret/F/none',
  'kv metadata patch secret/F/none',
  'read -format=json secret/config',
  'kv destroy -versions=1 secret/F/a',
  'kv get -version=1 -field=k secret/F/a',
  'kv metadata delete secret/F/a',
  'kv metadata get secret/F/a',
  'kv metadata delete secret/F/a',
  'kv delete secret/F/none',
  'kv delete -versions=1 secret/F/none',
  'kv undelete -versions=1 secret/F/none',
  'kv destroy -versions=1 secret/F/none',
  'kv metadata delete secret/F/none',
  'kv patch secret/F/none k=v',
  'kv delete K/none',
  'kv put K/x k=v',
  'kv get -format=json K/x',
  'kv get -field=k K/x',
  'kv list -format=json K',
  'kv delete K/x',
  'kv get K/x',
  'kv get other/x',
  'token capabilities secret/data/F/a',
  'token lookup -format=json',
  'token renew -format=json',
  'status -format=json',
  'secrets list',
  'policy list',
  'token revoke -self',
  'kv get secret/F/a',
] as const;

/** Commands whose results differ, with the reason. */
const DIFFERENT: Readonly<Record<string, string>> = {
  'kv delete -versions=2 secret/F/a': 'a secret is deleted as a whole',
  'kv undelete -versions=1 secret/F/none': 'nothing was restored',
  'token lookup -format=json': 'a session has facts of its service account, and names no policies',
  'token renew -format=json': 'a session has facts of its service account, and names no policies',
  'secrets list': 'a caller with any right sees the mounts',
  'status -format=json': 'only OpenBao has members of a raft cluster',
};

const TIME = /\d{4}-\d\d-\d\dT[\d:.]+Z/g;

/** The types of a JSON value, without its values. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return [...new Set(value.map((each) => JSON.stringify(shapeOf(each))))];
  if (typeof value !== 'object' || value === null) return value === null ? 'null' : typeof value;
  return Object.fromEntries(
    Object.entries(value)
      .sort()
      .map(([key, each]) => [key, shapeOf(each)]),
  );
}

function comparable(command: string, { code, out, err }: Ran): unknown {
  if (code !== 0) return { code, hasText: out + err !== '' };
  if (command.includes('-format=json')) return { code, shape: shapeOf(JSON.parse(out)) };
  return { code, out: out.replaceAll(TIME, 'TIME') };
}

describeWith(['openbao'], 'the bao command line at this broker', ({ openbao }) => {
  const folder = uniqueName('folder');
  let old: string;
  let broker: PreparedBroker;
  let directory: string;
  let address: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'qm-bao-'));
    old = await mountEngine(openbao, 'kv', { options: { version: '1' } });
    const port = await freePort();
    address = `http://127.0.0.1:${port}`;
    const mounts = {
      secret: { engine: 'kv-v2', prefix: 'own' },
      [old]: { engine: 'kv-v1', prefix: `own/${old}` },
    };
    const auth = { kubernetes: { cluster: 'c1' } };
    broker = await PreparedBroker.start({
      config: () => ({ vaultApi: { listener: { port }, mounts, auth } }),
    });
  });

  afterAll(async () => {
    await broker.remove();
    await rm(directory, { recursive: true });
  });

  async function bao(at: string, token: string, words: readonly string[]): Promise<Ran> {
    const child = spawn(installedProgram(OPENBAO), [...words], {
      env: {
        GOGC: process.env['GOGC'],
        HOME: directory,
        BAO_ADDR: at,
        BAO_TOKEN: token,
        BAO_MAX_RETRIES: '0',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let [out, err] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, out, err };
  }

  it('gives the same exit codes, texts and JSON types as OpenBao, with the differences listed', async () => {
    const policy = ['secret/config', `secret/+/${folder}`, `secret/+/${folder}/*`, `${old}/*`, old]
      .map(
        (path) =>
          `path "${path}" { capabilities = ["create", "read", "update", "patch", "delete", "list"] }`,
      )
      .join('\n');
    const theirs = await createToken(openbao, policy, {
      ttl: '1h',
      no_default_policy: false,
    });
    const ours = await broker.logInEarly();
    const differing: Record<string, unknown> = {};
    for (const command of COMMANDS) {
      const words = command.replace(/\bF\b/, folder).replace(/\bK\b/, old).split(' ');
      const [there, here] = await Promise.all([
        bao(openbao.address, theirs, words),
        bao(address, ours, words),
      ]);
      const expected = comparable(command, there);
      const found = comparable(command, here);
      if (JSON.stringify(found) !== JSON.stringify(expected))
        differing[command] = { expected, found };
    }
    const unexplained = Object.entries(differing).filter(
      ([name]) => !Object.hasOwn(DIFFERENT, name),
    );
    expect(Object.fromEntries(unexplained)).toEqual({});
    expect(Object.keys(differing).sort()).toEqual(Object.keys(DIFFERENT).sort());
  });
});
